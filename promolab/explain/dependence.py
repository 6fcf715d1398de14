"""Partial dependence: the average chance if everybody had the same value of one feature."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy.special import expit

from promolab.checks import whole_number
from promolab.errors import InputError
from promolab.explain.explanation import written
from promolab.model import logits_of, model_features
from promolab.model.inputs import as_numbers, as_texts, check_beside, check_present, is_numeric
from promolab.results import Estimate, Result
from promolab.stats import cluster_sums, normal_quantile

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from numpy.typing import ArrayLike

    from promolab.explain.importance import Importance
    from promolab.model import ResponseModel


@dataclass(frozen=True)
class Dependence(Result):
    """The mean probability if everybody had the same value of one feature.

    Parameters
    ----------
    feature : str
    frame : DataFrame
        value (missing: nan or None), probability, ci_low, ci_high, share (of the rows with a level,
        or missing; nan for a number).
    numeric : bool
        Whether the feature is a number.
    marks : tuple of float
        A number's deciles: where the data lie.
    change : Estimate
        Probability at ``high`` minus that at ``low``.
    low, high : int
        Rows of the table that are compared: a number's values nearest to its outer deciles (where
        nothing changes between these, the lowest and the highest), of levels the least and the
        most likely.
    outcome : str
    n, clusters : int
        Rows averaged over, and customers.
    level : float
        Confidence level.
    """

    feature: str
    frame: pd.DataFrame = field(repr=False)
    numeric: bool
    marks: tuple[float, ...] = field(repr=False)
    change: Estimate
    low: int
    high: int
    outcome: str
    n: int
    clusters: int
    level: float

    def facts(self) -> dict[str, Any]:
        """Return what the chance is at both ends, which way it goes, and what is drawn."""
        table, ends = self.frame, [self.frame.iloc[k] for k in (self.low, self.high)]
        at_low, at_high = (Estimate.of(end[["probability", "ci_low", "ci_high"]]) for end in ends)
        known = table[table["value"].notna()]
        levels = table.head(MOST_DRAWN).sort_values("probability", ascending=False, kind="stable")
        return {
            "way": "none" if self.change.value == 0 else "" if self.numeric else "levels",
            "at_low": at_low,
            "at_high": at_high,
            "from": written(ends[0]["value"]),
            "to": written(ends[1]["value"]),
            "known": known,
            "missing": table[table["value"].isna()],
            "by_level": not self.numeric,
            "levels": levels.assign(name=levels["value"].map(written)),
            "left": len(table) - len(levels),
            "axis": "y" if self.numeric else "x",
        }

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the curve with its band and the deciles of the data, or a row per level."""
        ax = super().plot(ax)
        if not self.numeric:
            ax.set_xlim(left=0)
            return ax
        known = self.frame["value"].dropna()
        ax.xaxis.remove_overlapping_locs = False  # a decile may fall on a labelled tick
        ax.set_xticks([m for m in self.marks if known.min() <= m <= known.max()], minor=True)
        ax.tick_params(axis="x", which="minor", length=9, width=1.4, direction="in", bottom=True)
        ax.set_ylim(bottom=0)
        return ax


MOST_DRAWN = 15
MOST_ROWS = 2_000  # rows that are enough for an average
CHEAP = 10  # times as many where the log odds are a sum over features, which is quick


def partial_dependence(
    model: ResponseModel,
    X: pd.DataFrame,
    feature: str,
    cluster: ArrayLike | None = None,
    grid: int | Sequence[Any] = 20,
    *,
    outcome: str | None = None,
    called: str = "",
    seed: int = 0,
    level: float = 0.95,
) -> Dependence:
    r"""Return the mean predicted probability with one feature set to each of several values.

    :math:`\bar p(v) = \frac{1}{n} \sum_i p(v, x_{i, -j})`: all rows get value v, their other
    features stay. Where the feature goes together with others, some of these rows cannot be (nobody
    has many orders and no sales), and what the model says of them is a guess: look where
    the data lie.

    Parameters
    ----------
    model : ResponseModel
        Fitted.
    X : DataFrame, shape (n, k)
        Rows to average over; of more than 2,000, that many drawn at random (20,000 where the log
        odds are a sum over features, which is quick).
    feature : str
        Source column.
    cluster : array, shape (n,), optional
        Customer of each row.
    grid : int or sequence
        Values to set, or how many: a numeric feature's quantiles from 2 to 98 %, a text's most
        frequent levels. Missing is added where X has missing values.
    outcome : str, optional
        Which outcome of a model with several.
    called : str
        What the outcome is called; by default its name.
    seed : int
        Of the draw of rows.
    level : float
        Confidence level.

    Returns
    -------
    Dependence

    Raises
    ------
    InputError
        The model does not read the feature, or there are no rows.

    Notes
    -----
    The intervals say how far the average depends on which customers happen to be in X, clustered by
    customer. The model is taken as it is: what another training sample would have made of it is not
    in them.

    References
    ----------
    Friedman (2001), Annals of Statistics 29(5), section 8.2.

    Examples
    --------
    >>> from promolab.model import ResponseModel
    >>> X = pd.DataFrame({"orders": range(60), "noise": [i * 7 % 11 for i in range(60)]})
    >>> model = ResponseModel().fit(X, [int(i % 4 == 0 or i > 40) for i in range(60)])
    >>> found = partial_dependence(model, X, "orders", grid=[0, 30, 59])
    >>> found.frame["probability"].is_monotonic_increasing
    True
    """
    features = model_features(model)
    if feature not in features:
        check_present(X, [feature])
        raise InputError(
            f"the model does not read {feature!r}; it reads {', '.join(features[:8])}"
            f"{', …' if len(features) > 8 else ''}"
        )
    check_present(X, features)
    if not len(X):
        raise InputError("X has no rows to average over")
    whole_number("seed", seed, 0)
    customers = check_beside(cluster, "cluster", X)
    column, n = X[feature], len(X)
    units = np.arange(n) if customers is None else pd.factorize(customers)[0]
    rows = np.arange(n)
    cheap = model.kind == "logistic" and len(model.outcomes_) == 1
    most = MOST_ROWS * (CHEAP if cheap else 1)
    if n > most:
        rows = np.sort(np.random.default_rng(seed).choice(n, most, replace=False))
    numeric = is_numeric(column)
    values, shares = _values(column, grid, numeric)
    some, dtype = X.iloc[rows][features], np.float64 if numeric else object
    same = (some.assign(**{feature: pd.Series(v, some.index, dtype)}) for v in values)
    p = expit(np.column_stack([logits_of(model, frame, outcome) for frame in same]))
    averages = _Averages(p, np.unique(units[rows], return_inverse=True)[1], level)
    table = pd.DataFrame({"value": pd.Series(values, dtype=None if numeric else object)})
    table[["probability", "ci_low", "ci_high"]] = averages.each()
    table["share"] = shares
    known = table["value"].notna().to_numpy()
    low, high = _ends(table, known, column, numeric)
    return Dependence(
        feature,
        table,
        numeric,
        tuple(np.nanquantile(as_numbers(column), np.linspace(0.1, 0.9, 9)).tolist())
        if numeric and column.notna().any()
        else (),
        averages.difference(low, high),
        low,
        high,
        called or outcome or model.outcomes_[0],
        len(rows),
        averages.units,
        level,
    )


def main_dependences(
    model: ResponseModel,
    X: pd.DataFrame,
    importance: Importance,
    cluster: ArrayLike | None = None,
    *,
    most: int = 2,
    **options: Any,
) -> list[Dependence]:
    """Return how the predicted chance moves with each of the features that matter most.

    Parameters
    ----------
    model, X, cluster
        As of `partial_dependence`.
    importance : Importance
        What matters: `permutation_importance` or `promolab.compare.importance_out_of_time`.
    most : int
        How many features.
    **options
        Of `partial_dependence`.
    """
    features = importance.frame["feature"].head(most)
    return [partial_dependence(model, X, str(f), cluster, **options) for f in features]


class _Averages:
    """Means over rows of p, shape (n, values), and their errors, clustered."""

    def __init__(self, p: np.ndarray, unit: np.ndarray, level: float) -> None:
        self.p, self.unit, self.z = p, unit, normal_quantile(level)
        self.units = int(unit.max()) + 1

    def _error(self, column: np.ndarray) -> float:
        sums = cluster_sums(column - column.mean(), self.unit)
        more = self.units / max(self.units - 1, 1)
        return float(np.sqrt(more * np.square(sums).sum())) / len(column)

    def each(self) -> np.ndarray:
        """Mean and ends per value; the ends symmetric in the log odds, and so within [0, 1]."""
        mean = self.p.mean(axis=0)
        error = np.array([self._error(column) for column in self.p.T])
        inside = np.clip(mean, 1e-12, 1 - 1e-12)
        middle = np.log(inside) - np.log1p(-inside)
        half = self.z * error / (inside * (1 - inside))
        return np.column_stack([mean, expit(middle - half), expit(middle + half)])

    def difference(self, low: int, high: int) -> Estimate:
        change = self.p[:, high] - self.p[:, low]
        value, half = float(change.mean()), self.z * self._error(change)
        return Estimate(value, value - half, value + half, len(change))


def _values(
    column: pd.Series, grid: int | Sequence[Any], numeric: bool
) -> tuple[list[Any], list[float]]:
    """Return the values to set, and which share of the rows has each (of a number: nan)."""
    known = column.dropna()
    counts = pd.Series(as_texts(known)).value_counts() if not numeric else pd.Series(dtype=float)
    many = max(int(grid), 0) if isinstance(grid, (int, np.integer)) else None
    if many is None:
        values = list(grid)  # type: ignore[arg-type]
    elif numeric:
        distinct = np.unique(as_numbers(known))
        middle = np.quantile(as_numbers(known), np.linspace(0.02, 0.98, many)) if len(known) else []
        values = (distinct if len(distinct) <= many else np.unique(middle)).tolist()
    else:
        ranked = counts.sort_index().sort_values(ascending=False, kind="stable")
        values = ranked.index[:many].tolist()
    if not values and len(known):
        raise InputError(f"grid={grid!r} has no values; give at least one, or how many")
    texts = as_texts(pd.Series(values, dtype=object))
    shares = [float(counts.get(text, 0.0)) / len(column) for text in texts]
    if numeric:
        shares = [float("nan")] * len(values)
    missing = float(column.isna().mean())
    if missing and not any(pd.isna(v) for v in values):
        values, shares = [*values, np.nan if numeric else None], [*shares, missing]
    return values, shares


def _ends(
    table: pd.DataFrame, known: np.ndarray, column: pd.Series, numeric: bool
) -> tuple[int, int]:
    """Return which two values to compare: a number's outer deciles or ends, else extreme levels."""
    place = np.flatnonzero(known)
    if not len(place):
        return 0, 0
    if not numeric:
        p = table["probability"].to_numpy()[place]
        return int(place[p.argmin()]), int(place[p.argmax()])
    at = table["value"].to_numpy(dtype=float)[place]
    ends = np.nanquantile(as_numbers(column), [0.1, 0.9])
    low, high = (int(place[np.abs(at - end).argmin()]) for end in ends)
    p = table["probability"].to_numpy()
    # Of a count that is nearly always 0 both deciles are 0; a tree may ask beyond them only.
    if low == high or np.isclose(p[low], p[high], rtol=1e-9):
        low, high = int(place[at.argmin()]), int(place[at.argmax()])
    return low, high
