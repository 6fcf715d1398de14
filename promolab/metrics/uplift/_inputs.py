"""What the measures of uplift accept, checked once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from promolab.errors import InputError
from promolab.metrics._inputs import check_labels, check_level, check_scores, codes_of
from promolab.metrics.uplift.scores import aipw_scores, checked_outcome, checked_propensity

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

__all__ = ["UpliftRows", "check_uplift"]


@dataclass(frozen=True)
class UpliftRows:
    """Rows of an experiment, ready to be ranked.

    Parameters
    ----------
    y, treated : ndarray of shape (n,) or None
        Outcome and arm; None where scores were given.
    gamma : ndarray of shape (n,) or None
        AIPW scores; None where differences in means are taken, which a constant propensity allows.
    cluster : ndarray of int of shape (n,) or None
        Codes of the customers.
    clusters : int
        Independent units.
    level : float
        Confidence level.
    """

    y: np.ndarray | None
    treated: np.ndarray | None
    gamma: np.ndarray | None
    cluster: np.ndarray | None
    clusters: int
    level: float

    @property
    def n(self) -> int:
        """Rows."""
        rows = self.gamma if self.y is None else self.y
        assert rows is not None
        return len(rows)

    @property
    def scores(self) -> np.ndarray:
        """One AIPW score per row, made from the arms' means where none was needed yet."""
        if self.gamma is not None:
            return self.gamma
        assert self.y is not None and self.treated is not None
        return aipw_scores(self.y, self.treated)

    def only(self, mask: np.ndarray) -> UpliftRows:
        """Return some of the rows, of which either arm must have some."""
        y, treated, gamma = (
            None if x is None else x[mask] for x in (self.y, self.treated, self.gamma)
        )
        names, codes = None, None
        if self.cluster is not None:
            names, codes = np.unique(self.cluster[mask], return_inverse=True)
        units = int(mask.sum()) if names is None else len(names)
        return UpliftRows(y, treated, gamma, codes, units, self.level)

    @property
    def words(self) -> str:
        """Rows, and what stands behind them, in words."""
        from promolab.wording import count, plural

        words = f"n = {count(self.n)}"
        if self.treated is not None:
            words += f", {count(int(np.count_nonzero(self.treated)))} treated"
        return words + (
            f", {plural(self.clusters, 'customer')}" if self.cluster is not None else ""
        )


def check_uplift(
    y: ArrayLike | None,
    treated: ArrayLike | None,
    propensity: ArrayLike | None,
    gamma: ArrayLike | None,
    cluster: ArrayLike | None,
    level: float,
) -> UpliftRows:
    """Return the rows, or say what is wrong with them."""
    check_level(level)
    if gamma is not None:
        if y is not None or treated is not None or propensity is not None:
            raise InputError(
                "gamma holds ready scores, which stand for outcome, arm and propensity; give "
                "either gamma (with y=None, treated=None), or y and treated"
            )
        values = checked_outcome(gamma, "gamma")
        codes, names = codes_of(cluster, len(values), "cluster")
        units = len(values) if codes is None else len(names)
        return UpliftRows(None, None, values, codes, units, level)
    if y is None or treated is None:
        raise InputError("y or treated is None; give both, or ready scores as gamma")
    outcome, arm = checked_outcome(y), check_labels(treated, "treated")
    check_arms(arm, len(outcome))
    codes, names = codes_of(cluster, len(outcome), "cluster")
    units = len(outcome) if codes is None else len(names)
    chances = None if propensity is None else checked_propensity(propensity, len(outcome))
    constant = chances is None or chances.ndim == 0 or bool((chances == chances[0]).all())
    scores = None if constant else aipw_scores(outcome, arm, chances)
    return UpliftRows(outcome, arm, scores, codes, units, level)


def check_arms(treated: np.ndarray, n: int) -> None:
    """Refuse arms of another length, or of one kind only."""
    if len(treated) != n:
        raise InputError(f"treated has {len(treated):,} rows and y {n:,}; give one per row")
    some = int(np.count_nonzero(treated))
    if some in (0, n):
        raise InputError(
            f"treated is {int(bool(some))} in all of the {n:,} rows; an effect needs rows with and "
            "without the promotion, decided at random"
        )


def check_uplift_score(score: ArrayLike, n: int, name: str = "score") -> np.ndarray:
    """Return a score per row as float64."""
    return np.asarray(check_scores(score, n, name), dtype=np.float64)
