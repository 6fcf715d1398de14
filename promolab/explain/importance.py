"""Permutation importance: what a model loses in quality when a feature is shuffled."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from promolab.checks import choice, whole_number
from promolab.errors import InputError
from promolab.glossary import label
from promolab.metrics import (
    cluster_sums,
    placements,
    placements_within,
    variance_of,
)
from promolab.model import BLOCK, ResponseModel, logits_of, model_features
from promolab.model.inputs import (
    as_numbers,
    check_beside,
    check_columns,
    check_labels,
    check_present,
    is_numeric,
)
from promolab.results import Estimate, Result, plain
from promolab.stats import normal_quantile
from promolab.wording import capital, count, number, percent, plural

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import ArrayLike


class Quality:
    """A metric of log odds, more is better, with what each row adds to its error."""

    def __init__(self, metric: str, y: np.ndarray, group: np.ndarray | None) -> None:
        self.metric, self.y, self.group = metric, y, group

    def __call__(self, logits: np.ndarray) -> tuple[float, np.ndarray]:
        """Return the metric, and what each row adds to its error."""
        y, n = self.y, len(self.y)
        if self.metric == "auc":
            ranked = placements(y, logits)
            auc = float(ranked.concordant.sum() / ranked.pairs.sum())
            return auc, ranked.deviations(y, auc, None)
        if self.metric == "auc_within" and self.group is not None:
            groups = int(self.group.max()) + 1
            kept, used, ranked = placements_within(y, logits, self.group, groups)
            auc = float(ranked.concordant.sum() / ranked.pairs.sum())
            parts = np.zeros(n)
            parts[kept] = ranked.deviations(y[kept], auc, used)
            return auc, parts
        if self.metric == "log_loss":
            losses = np.logaddexp(0, np.where(y, -logits, logits))
        else:
            losses = (y - 1 / (1 + np.exp(-np.clip(logits, -700, 700)))) ** 2
        return -float(losses.mean()), (float(losses.mean()) - losses) / n

    def variance(self, parts: np.ndarray, cluster: np.ndarray | None) -> float:
        """Return the variance of the metric from what each row adds."""
        if self.metric.startswith("auc"):
            return variance_of(self.y, parts, cluster).value
        sums = cluster_sums(parts, cluster)
        return float(np.square(sums).sum()) * len(sums) / max(len(sums) - 1, 1)


class Shuffles:
    """Which row gives its value to which: within promotions, or between them."""

    def __init__(self, X: pd.DataFrame, group: np.ndarray | None, repeats: int, seed: int) -> None:
        rng = np.random.default_rng(seed)
        self.X, self.group, n = X, group, len(X)
        if group is None:
            self.rows = np.argsort(rng.uniform(size=(repeats, n)), axis=1)
            return
        home = np.argsort(group, kind="stable")
        self.rows = np.empty((repeats, n), dtype=np.int64)
        for one in self.rows:
            one[home] = np.lexsort((rng.uniform(size=n), group))
        first = home[np.searchsorted(group[home], np.arange(int(group.max()) + 1))]
        others = [first[rng.permutation(len(first))] for _ in range(repeats)]
        self.whole = np.stack([given[group] for given in others])

    def differs(self, name: str) -> bool:
        """Whether a feature differs within some promotion."""
        if self.group is None:
            return True
        # What is missing is a value of its own.
        value = pd.factorize(self.X[name], use_na_sentinel=False)[0]
        home = np.argsort(self.group, kind="stable")
        same = np.diff(self.group[home]) == 0
        return bool((np.diff(value[home]) != 0)[same].any())

    def of(self, members: Sequence[str]) -> dict[str, np.ndarray]:
        """Return per feature the rows that its values come from, shape (repeats, n)."""
        return {m: self.rows if self.differs(m) else self.whole for m in members}

    def words(self, members: Sequence[str]) -> str:
        """Say among which rows the values of these features were exchanged."""
        if self.group is None:
            return "over all rows"
        kinds = {self.differs(m) for m in members}
        if len(kinds) == 2:
            return "within promotions, promotion features between them"
        return "within promotions" if kinds.pop() else "between promotions"


def rescored(
    model: ResponseModel, X: pd.DataFrame, outcome: str | None
) -> Callable[[dict[str, np.ndarray]], Iterator[np.ndarray]]:
    """Return what scores shuffled rows: log odds of each repeat in turn."""
    parts = terms(model, X)
    if parts is not None:
        # A feature's part of the sum depends on that feature alone: moving the parts will do.
        return lambda source: _moved(model, parts, source)
    at_once = max(1, BLOCK // max(len(X), 1))  # repeats scored together

    def by_scoring(source: dict[str, np.ndarray]) -> Iterator[np.ndarray]:
        repeats = len(next(iter(source.values())))
        for first in range(0, repeats, at_once):
            some = min(at_once, repeats - first)
            frame = pd.DataFrame(
                {
                    name: X[name].array.take(
                        source[name][first : first + some].ravel()
                        if name in source
                        else np.tile(np.arange(len(X)), some)
                    )
                    for name in X.columns
                }
            )
            yield from logits_of(model, frame, outcome).reshape(some, len(X))

    return by_scoring


def terms(model: ResponseModel, X: pd.DataFrame) -> pd.DataFrame | None:
    """Return each feature's part of the log odds where it depends on that feature alone."""
    from promolab.model.learners import Logistic

    first = model.learners_[0]
    if len(model.learners_) != 1 or type(first) is not Logistic or model._options().get("by"):
        return None
    return first.parts(X)


def _moved(
    model: ResponseModel, parts: pd.DataFrame, source: dict[str, np.ndarray]
) -> Iterator[np.ndarray]:
    total = parts.to_numpy().sum(axis=1) + parts.attrs["base"]
    for r in range(len(next(iter(source.values())))):
        says = total.copy()
        for name, rows in source.items():
            if name in parts.columns:
                part = parts[name].to_numpy()
                says = says + (part[rows[r]] - part)
        yield model.calibrators_[0].apply(says) if model.calibrators_ else says


@dataclass(frozen=True)
class Importance(Result):
    """By how much a model's quality falls when a feature is shuffled.

    Parameters
    ----------
    frame : DataFrame
        feature (or family), columns (what was shuffled together), importance (fall of the AUC, rise
        of a loss), ci_low, ci_high, std_error, shuffled (within promotions, between them, over all
        rows); the most important first.
    metric, words : str
        What was measured, by its name and in words.
    whole : Estimate
        The metric with nothing shuffled.
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
    """

    frame: pd.DataFrame = field(repr=False)
    metric: str
    words: str
    whole: Estimate
    n: int
    positives: int
    clusters: int
    repeats: int
    level: float
    moment: pd.Timestamp | None = None
    promotions_before: int = 0
    promotions_after: int = 0

    def about(self, moment: pd.Timestamp, before: int, after: int) -> Importance:
        """Return the same, with when it was measured."""
        return replace(self, moment=moment, promotions_before=before, promotions_after=after)

    def to_dict(self) -> dict[str, Any]:
        """Return the settings and the importance of each feature as plain values."""
        each = {
            str(row["feature"]): Estimate(
                row["importance"], row["ci_low"], row["ci_high"], self.n
            ).to_dict()
            for row in self.frame.to_dict("records")
        }
        return {**super().to_dict(), "moment": plain(self.moment), "features": each}

    ALT = "Loss of AUC when each feature is shuffled."

    @property
    def when(self) -> str:
        """What it was measured on, in words."""
        if self.moment is None:
            return f"{plural(self.n, 'contact')}"
        return (
            f"{plural(self.promotions_after, 'promotion')} starting from "
            f"{self.moment:%d %b %Y} ({plural(self.n, 'contact')}), by a model of the "
            f"{count(self.promotions_before)} over before"
        )

    def _sure(self) -> str:
        sure = int((self.frame["ci_low"] > 0).sum())
        verb = "matters" if sure == 1 else "matter"
        return f"{count(sure)} of {plural(len(self.frame), 'feature')} {verb} beyond noise"

    def summary(self) -> str:
        """Say what matters most and how many features cannot be told from none."""
        top = self.frame.iloc[0]
        fall = number(top["importance"], top["ci_low"], top["ci_high"])
        verb = "falls" if self.metric.startswith("auc") else "rises"
        whole = number(self.whole.value, self.whole.ci_low, self.whole.ci_high)
        return (
            f"{capital(label(top['feature']))} matters most: shuffled, the {self.words} of {whole} "
            f"{verb} by {fall}. {self._sure()} (on {self.when})."
        )

    def plot(self, ax: Axes | None = None, *, most: int = 15) -> Axes:
        """Draw the most important features with their intervals."""
        from promolab import plots

        shown = self.frame.head(most)
        names = [label(f) for f in shown["feature"]]
        ends = shown["importance"], shown["ci_low"], shown["ci_high"]
        between = shown["shuffled"].str.startswith("between")
        marked = [f"{n} *" if b else n for n, b in zip(names, between, strict=True)]
        ax = plots.intervals(marked, *ends, reference=0.0, ax=ax)
        verb = "fall" if self.metric.startswith("auc") else "rise"
        inside = "" if (self.frame["shuffled"] == "over all rows").all() else " within promotions"
        star = " (* between them: the interval leaves out what promotions differ by)"
        return plots.finish(
            ax,
            title=f"Most important: {names[0]}; {self._sure()}",
            subtitle=f"{verb} of the {self.words} when a feature is shuffled{inside}"
            f"{star if between.any() else ''}; {percent(self.level, decimals=0)} intervals; "
            f"{self.when}",
            xlabel=f"{verb} of the {self.words}"
            + (f", the {len(shown)} largest" if len(shown) < len(self.frame) else ""),
        )


CLOSE = 0.9  # rank correlation beyond which two features count as one


def feature_families(
    X: pd.DataFrame,
    columns: Sequence[str],
    by: str | Mapping[str, Sequence[str]] | None = None,
) -> dict[str, list[str]]:
    """Group features that belong together.

    Parameters
    ----------
    X : DataFrame, shape (n, k)
    columns : sequence of str
        Features to group.
    by : "correlated" or mapping, optional
        ``correlated``: numeric features linked by a Spearman correlation beyond ±0.9, directly or
        through others. A mapping names the families itself. None: each feature alone.

    Returns
    -------
    dict of str to list of str
        Families by name, sorted; one of several members is called after the first, "and n more".

    Raises
    ------
    InputError
        An unknown way, or a column that is missing or in two families.

    Examples
    --------
    >>> X = pd.DataFrame({"orders": [1, 2, 3], "orders_28d": [1, 2, 9], "city": ["a", "b", "a"]})
    >>> feature_families(X, list(X.columns), "correlated")
    {'city': ['city'], 'orders and 1 more': ['orders', 'orders_28d']}
    """
    names = sorted(columns)
    if by is None:
        return {name: [name] for name in names}
    if isinstance(by, Mapping):
        return _given(X, names, by)
    if by != "correlated":
        raise InputError(f"families={by!r} is unknown; give 'correlated' or the families by name")
    links = _linked(X, names)
    members = [[n for n, k in zip(names, links, strict=True) if k == one] for one in set(links)]
    called = {m[0] if len(m) == 1 else f"{m[0]} and {len(m) - 1} more": m for m in members}
    return dict(sorted(called.items()))


def _given(
    X: pd.DataFrame, names: list[str], by: Mapping[str, Sequence[str]]
) -> dict[str, list[str]]:
    inside = [str(c) for members in by.values() for c in members]
    check_present(X, inside)
    twice = sorted({c for c in inside if inside.count(c) > 1})
    if twice or any(not members for members in by.values()):
        raise InputError(
            f"families: {', '.join(twice) or 'one'} "
            f"{'is in two families' if twice else 'has no members'}; put each column in one family"
        )
    alone = {name: [name] for name in names if name not in inside}
    return dict(sorted({**alone, **{str(k): list(map(str, v)) for k, v in by.items()}}.items()))


def _linked(X: pd.DataFrame, names: list[str]) -> np.ndarray:
    """Return which group of correlated columns each name is in; texts are alone."""
    from scipy.sparse.csgraph import connected_components

    numeric = [name for name in names if is_numeric(X[name])]
    ranks = pd.DataFrame({name: as_numbers(X[name]) for name in numeric}).rank()
    near = (ranks.corr(min_periods=2).abs() > CLOSE).to_numpy() if numeric else np.zeros((0, 0))
    whole = np.eye(len(names), dtype=bool)
    place = [names.index(name) for name in numeric]
    whole[np.ix_(place, place)] |= near
    return np.asarray(connected_components(whole, directed=False)[1])


METRICS = {
    "auc": "AUC",
    "auc_within": "AUC within promotions",
    "log_loss": "log-loss",
    "brier": "Brier score",
}


def permutation_importance(
    model: ResponseModel,
    X: pd.DataFrame,
    y: ArrayLike,
    cluster: ArrayLike | None = None,
    group: ArrayLike | None = None,
    metric: str = "auc",
    repeats: int = 5,
    columns: Sequence[str] | None = None,
    *,
    families: str | Mapping[str, Sequence[str]] | None = None,
    outcome: str | None = None,
    seed: int = 0,
    level: float = 0.95,
) -> Importance:
    """Shuffle a feature and see by how much the model's quality falls.

    With ``group`` (the promotion), a feature that differs within promotions is shuffled between the
    customers of each, so that no customer gets a value from another promotion; a feature that is
    the same for all of a promotion is exchanged between whole promotions, which few promotions make
    noisy. The table says which. Without it, all rows are shuffled.

    **Correlated features hide each other**: a model that can read the same from a second feature
    loses little when the first is shuffled, and shuffling one alone makes customers that cannot be
    (Hooker, Mentch & Zhou 2021). Shuffle ``families`` together then. It says what this model uses,
    not what would be lost without the feature (`select_features` measures that by fitting again),
    nor what causes a response.

    Parameters
    ----------
    model : ResponseModel
        Fitted, best on other rows than these (`promolab.compare.importance_out_of_time`).
    X, y : DataFrame, shape (n, k), and array of 0 and 1, shape (n,)
    cluster, group : array, shape (n,), optional
        Customer and promotion of each row.
    metric : {"auc", "auc_within", "log_loss", "brier"}
        For the last two, importance is by how much the loss rises.
    repeats : int
        Shuffles of each feature; more make the Monte Carlo error smaller.
    columns : sequence of str, optional
        Features to shuffle; all that the model reads by default.
    families : "correlated" or mapping of str to list of str, optional
        Shuffle together: features with a rank correlation beyond ±0.9, or those given. Columns in
        no family stand alone.
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
        Unknown metric or column, labels of a single class, lengths that differ.

    Notes
    -----
    The interval is that of a paired comparison on the same rows (DeLong for an AUC, the mean of
    paired losses else), clustered by customer, each row's part averaged over the shuffles, plus the
    shuffles' own variance / repeats. Some of that is in the first as well, so it is a little wide:
    the standard error said was 1.1 times the spread over 300 simulated samples of 1,200 rows. It is
    for this model and these promotions: what another training sample would have made of it is not
    in it, nor, for a feature exchanged between promotions, that there might have been others.

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
    choice("metric", metric, METRICS)
    if metric == "auc_within" and group is None:
        raise InputError("metric='auc_within' needs group= (the rows' promotions)")
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
    quality = Quality(metric, labels, codes)
    before, parts = quality(logits_of(model, X, outcome))
    shuffles = Shuffles(X, codes, repeats, seed)
    scores = rescored(model, X[list(dict.fromkeys([*model_features(model), *used]))], outcome)
    records = []
    for name, members in _progress(feature_families(X, used, families)):
        found = [quality(says) for says in scores(shuffles.of(members))]
        fall = before - np.array([value for value, _ in found])
        difference = parts - sum(part for _, part in found) / repeats
        variance = quality.variance(difference, units)
        if repeats > 1:
            variance += float(fall.var(ddof=1)) / repeats
        records.append(
            {
                "feature": name,
                "columns": ", ".join(members),
                "importance": float(fall.mean()),
                "std_error": float(np.sqrt(variance)),
                "shuffled": shuffles.words(members),
            }
        )
    half = normal_quantile(level) * quality.variance(parts, units) ** 0.5
    return Importance(
        _table(records, level),
        metric,
        METRICS[metric],
        _whole(metric, before, half, len(X)),
        len(X),
        int(labels.sum()),
        len(X) if units is None else int(units.max()) + 1,
        repeats,
        level,
    )


def _table(records: list[dict[str, Any]], level: float) -> pd.DataFrame:
    frame = pd.DataFrame(records)
    half = normal_quantile(level) * frame["std_error"]
    frame.insert(3, "ci_low", frame["importance"] - half)
    frame.insert(4, "ci_high", frame["importance"] + half)
    order = np.lexsort([frame["feature"].to_numpy(dtype=str), -frame["importance"].to_numpy()])
    return frame.iloc[order].reset_index(drop=True)


def _whole(metric: str, value: float, half: float, n: int) -> Estimate:
    # A loss was measured with its sign turned, so that more is better.
    level = value if metric.startswith("auc") else -value
    return Estimate(level, level - half, level + half, n)


def _progress(families: Mapping[str, list[str]]) -> Any:
    from tqdm import tqdm

    words = {"desc": "shuffling", "unit": "feature", "leave": False, "delay": 2, "disable": None}
    return tqdm(list(families.items()), **words)
