"""Permutation importance: by how much the AUC falls when a feature is shuffled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from promolab.checks import whole_number
from promolab.metrics import placements, variance_of
from promolab.model import BLOCK, ResponseModel, logits_of, model_features, shuffled_logits
from promolab.model.inputs import check_beside, check_columns, check_labels, check_present
from promolab.results import Estimate, Result
from promolab.stats import normal_quantile

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


class Shuffles:
    """Which row gives its value to which: within promotions, or between them."""

    def __init__(self, n: int, group: np.ndarray | None, repeats: int, seed: int) -> None:
        rng = np.random.default_rng(seed)
        self.group = group
        if group is None:
            self.rows = np.argsort(rng.uniform(size=(repeats, n)), axis=1)
            return
        self.home = np.argsort(group, kind="stable")
        self.rows = np.empty((repeats, n), dtype=np.int64)
        for one in self.rows:
            one[self.home] = np.lexsort((rng.uniform(size=n), group))
        first = self.home[np.searchsorted(group[self.home], np.arange(int(group.max()) + 1))]
        self.whole = np.stack([first[rng.permutation(len(first))][group] for _ in range(repeats)])

    def of(self, values: pd.Series) -> tuple[np.ndarray, str]:
        """Return the rows that values come from, shape (repeats, n), and which those are."""
        if self.group is None:
            return self.rows, "over all rows"
        # What is missing is a value of its own.
        value = pd.factorize(values, use_na_sentinel=False)[0][self.home]
        differs = (np.diff(value) != 0) & (np.diff(self.group[self.home]) == 0)
        return (self.rows, "within promotions") if differs.any() else (self.whole, BETWEEN)


@dataclass(frozen=True)
class Importance(Result):
    """By how much a model's AUC falls when a feature is shuffled.

    Parameters
    ----------
    frame : DataFrame
        feature, importance (fall of the AUC), ci_low, ci_high, std_error, shuffled (within
        promotions, between them, over all rows); the most important first.
    whole : Estimate
        The AUC with nothing shuffled.
    n, positives, clusters : int
        Rows measured on, positive ones, independent units.
    repeats : int
        Shuffles of each feature.
    level : float
        Confidence level.
    moment : Timestamp, optional
        Out of time: the model learned from promotions over by then and was measured on later ones.
    promotions_before, promotions_after : int
        How many those were.
    among : int
        Rows that there were, where some were drawn; else 0.
    fewer : bool
        Whether the model learned from some of the customers only, drawn.
    """

    frame: pd.DataFrame = field(repr=False)
    whole: Estimate
    n: int
    positives: int
    clusters: int
    repeats: int
    level: float
    moment: pd.Timestamp | None = None
    promotions_before: int = 0
    promotions_after: int = 0
    among: int = 0
    fewer: bool = False

    def about(self, moment: pd.Timestamp, before: int, after: int, among: int) -> Importance:
        """Return the same, with when and among how many rows it was measured."""
        told = replace(self, promotions_before=before, promotions_after=after)
        return replace(told, moment=moment, among=among)

    def facts(self) -> dict[str, Any]:
        """Return the most important feature, how many matter, and what is drawn."""
        table = self.frame
        shown = table.head(MOST_DRAWN).assign(between=table["shuffled"] == BETWEEN)
        ends = ["importance", "ci_low", "ci_high"]
        return {
            "top": str(table["feature"].iloc[0]),
            "fall": Estimate.of(table[ends].iloc[0]),
            "sure": int((table["ci_low"] > 0).sum()),
            "many": len(table),
            "later": self.moment is not None,
            "grouped": not (table["shuffled"] == "over all rows").all(),
            "starred": bool(shown["between"].any()),
            "some": len(shown) < len(table),
            "shown": shown,
        }


BETWEEN = "between promotions"
MOST_DRAWN = 15


def permutation_importance(
    model: ResponseModel,
    X: pd.DataFrame,
    y: ArrayLike,
    cluster: ArrayLike | None = None,
    group: ArrayLike | None = None,
    repeats: int = 5,
    columns: Sequence[str] | None = None,
    *,
    outcome: str | None = None,
    seed: int = 0,
    level: float = 0.95,
) -> Importance:
    """Shuffle a feature and see by how much the model's AUC falls.

    With ``group`` (the promotion), a feature that differs within promotions is shuffled between the
    customers of each, so that no customer gets a value from another promotion; a feature that is
    the same for all of a promotion is exchanged between whole promotions, which few promotions make
    noisy. The table says which. Without it, all rows are shuffled.

    **Correlated features hide each other**: a model that can read the same from a second feature
    loses little when the first is shuffled, and shuffling one alone makes customers that cannot be
    (Hooker, Mentch & Zhou 2021). It says what this model uses, not what would be lost without the
    feature (`select_features` measures that by fitting again), nor what causes a response.

    Parameters
    ----------
    model : ResponseModel
        Fitted, best on other rows than these (`promolab.compare.importance_out_of_time`).
    X, y : DataFrame, shape (n, k), and array of 0 and 1, shape (n,)
    cluster, group : array, shape (n,), optional
        Customer and promotion of each row.
    repeats : int
        Shuffles of each feature; more make the Monte Carlo error smaller.
    columns : sequence of str, optional
        Features to shuffle; all that the model reads by default.
    outcome : str, optional
        Which outcome of a model with several.
    seed : int
        Start of the shuffles.
    level : float
        Confidence level.

    Returns
    -------
    Importance

    Raises
    ------
    InputError
        Unknown column, labels of a single class, lengths that differ.

    Notes
    -----
    The interval is that of a paired comparison on the same rows (DeLong), clustered by customer,
    each row's part averaged over the shuffles, plus the shuffles' own variance / repeats. Some of
    that is in the first as well, so it is a little wide: the standard error said was 1.1 times the
    spread over 300 simulated samples of 1,200 rows. It is for this model and these promotions: what
    another training sample would have made of it is not in it, nor, for a feature exchanged between
    promotions, that there might have been others.

    References
    ----------
    Breiman (2001), Machine Learning 45. Fisher, Rudin & Dominici (2019), JMLR 20(177).

    Examples
    --------
    >>> X = pd.DataFrame({"orders": range(60), "noise": [i * 7 % 11 for i in range(60)]})
    >>> y = [int(i % 4 == 0 or i > 40) for i in range(60)]
    >>> model = ResponseModel().fit(X, y)
    >>> permutation_importance(model, X, y).frame["feature"].tolist()
    ['orders', 'noise']
    """
    from tqdm import tqdm

    whole_number("repeats", repeats, 1)
    whole_number("seed", seed, 0)
    labels = check_labels(y, X) == 1
    check_present(X, model_features(model))
    used = model_features(model) if columns is None else [str(c) for c in check_columns(columns)]
    check_present(X, used)
    groups = check_beside(group, "group", X)
    codes = None if groups is None else pd.factorize(groups)[0]
    customers = check_beside(cluster, "cluster", X)
    units = None if customers is None else pd.factorize(customers)[0]

    def quality(logits: np.ndarray) -> tuple[float, np.ndarray]:
        """Return the AUC, and what each row adds to its error."""
        ranked = placements(labels, logits)
        return ranked.auc, ranked.deviations(labels, ranked.auc, None)

    before, parts = quality(logits_of(model, X, outcome))
    shuffles = Shuffles(len(X), codes, repeats, seed)
    elsewhere, records = shuffled_logits(model, X, outcome), []
    at_once = max(1, BLOCK // len(X))  # repeats scored together
    for name in tqdm(sorted(used), "shuffling", unit="feature", leave=False, delay=2, disable=None):
        source, where = shuffles.of(X[name])
        parts_of = (source[low : low + at_once] for low in range(0, repeats, at_once))
        found = [quality(says) for some in parts_of for says in elsewhere(name, some)]
        fall = before - np.array([value for value, _ in found])
        difference = parts - sum(part for _, part in found) / repeats
        variance = variance_of(labels, difference, units).value
        if repeats > 1:
            variance += float(fall.var(ddof=1)) / repeats
        records.append((name, float(fall.mean()), variance**0.5, where))
    table = pd.DataFrame(records, columns=["feature", "importance", "std_error", "shuffled"])
    beside = normal_quantile(level) * table["std_error"]
    table.insert(2, "ci_low", table["importance"] - beside)
    table.insert(3, "ci_high", table["importance"] + beside)
    order = np.lexsort([table["feature"].to_numpy(dtype=str), -table["importance"].to_numpy()])
    half = normal_quantile(level) * variance_of(labels, parts, units).value ** 0.5
    return Importance(
        table.iloc[order].reset_index(drop=True),
        Estimate(before, before - half, before + half, len(X)),
        len(X),
        int(labels.sum()),
        len(X) if units is None else int(units.max()) + 1,
        repeats,
        level,
    )
