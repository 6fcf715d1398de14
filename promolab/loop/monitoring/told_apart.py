"""Whether a model can tell the rows of two times apart: the classifier two-sample test."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from promolab.model import ResponseModel
from promolab.results import Estimate, Result
from promolab.stats import dealt
from promolab.wording import count, number

if TYPE_CHECKING:
    from typing import Any


APART, FAR_APART = 0.6, 0.75
"""AUC from which two times are told apart somewhat, and easily."""
FOLDS = 5
MOST_ROWS = 20_000
FEWEST_ROWS = 50


@dataclass(frozen=True)
class ToldApart(Result):
    """How well a model tells rows of now from rows of then; made by `tell_apart`.

    Parameters
    ----------
    auc : Estimate
        0.5: not at all; 1: always. Of rows that the model had not seen, the interval by customer.
    columns : tuple of str
        What it was given.
    """

    auc: Estimate
    columns: tuple[str, ...] = field(default=(), repr=False)

    @property
    def apart(self) -> bool:
        """Whether the times are told apart: AUC of 0.6 or more, and above 0.5 beyond chance."""
        return self.auc.value >= APART and self.auc.ci_low > 0.5

    def summary(self) -> str:
        """Say whether a model tells the two times apart."""
        if not self.auc.n:
            return "There are too few rows for a model that tells the two times apart."
        auc = number(*self.auc.ends, decimals=2)
        told = (
            "easily tells the two times apart"
            if self.apart and self.auc.value >= FAR_APART
            else "tells the two times apart somewhat"
            if self.apart
            else "hardly tells the two times apart"
        )
        return (
            f"A model of all of them together {told}: AUC {auc} (0.5 is not at all; from {APART} "
            f"it counts; n = {count(self.auc.n)})."
        )


def tell_apart(
    then: pd.DataFrame,
    now: pd.DataFrame,
    columns: Sequence[str],
    *,
    customer: str = "customer_id",
    kind: str = "boosting",
    seed: int = 0,
    level: float = 0.95,
) -> ToldApart:
    """Let a model tell rows of now from rows of then, on customers that it had not seen.

    Parameters
    ----------
    then, now : DataFrame
        Of more than 20,000 rows so many are drawn of each: effect sizes need no more.
    columns : sequence of str
        What the model is given.
    customer : str
        Folds keep a customer's rows together, or the model would know who was there before.
    kind : str
        Kind of `promolab.ResponseModel`.
    seed : int
    level : float

    Returns
    -------
    ToldApart
        Without a figure where a time has fewer than 50 rows.

    References
    ----------
    Lopez-Paz & Oquab (2017), Revisiting classifier two-sample tests, ICLR; here by the AUC.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> then = pd.DataFrame({"x": rng.normal(0, 1, 300)})
    >>> tell_apart(then, pd.DataFrame({"x": rng.normal(3, 1, 300)}), ["x"]).apart
    True
    """
    from promolab.metrics import roc

    columns = [c for c in columns if then[c].notna().any() or now[c].notna().any()]
    if min(len(then), len(now)) < FEWEST_ROWS or not columns:
        return ToldApart(Estimate(np.nan), tuple(columns))
    parts = [_drawn(frame, seed) for frame in (then, now)]
    y = np.repeat([0, 1], [len(part) for part in parts])
    X = pd.concat([_comparable(part[columns], parts) for part in parts], ignore_index=True)
    whose = _customers(parts, customer)
    fold, _ = dealt(whose, FOLDS, seed)
    p = np.full(len(y), np.nan)
    for k in range(FOLDS):
        rows = fold != k
        model = ResponseModel(kind, seed=seed).fit(X[rows], y[rows], known=True)
        p[~rows] = model.predict_proba(X[~rows])[:, 1]
    curve = roc(y, p, cluster=whose, level=level)
    return ToldApart(Estimate(curve.auc, curve.ci_low, curve.ci_high, len(y)), tuple(columns))


def _drawn(frame: pd.DataFrame, seed: int) -> pd.DataFrame:
    if len(frame) <= MOST_ROWS:
        return frame
    places = np.random.default_rng(seed).choice(len(frame), MOST_ROWS, replace=False)
    return frame.iloc[np.sort(places)]


def _comparable(frame: pd.DataFrame, parts: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Return columns whose types agree in both parts: what is a number in one alone is a text."""
    mixed = [c for c in frame if len({str(part[c].dtype) for part in parts}) > 1]
    number_like = [c for c in mixed if all(pd.api.types.is_numeric_dtype(p[c]) for p in parts)]
    kinds: dict[Any, Any] = {c: "float64" if c in number_like else "string" for c in mixed}
    return frame.astype(kinds)


def _customers(parts: Sequence[pd.DataFrame], customer: str) -> np.ndarray:
    if all(customer in part for part in parts):
        return np.concatenate([part[customer].astype(str).to_numpy() for part in parts])
    return np.arange(sum(map(len, parts)))
