"""Measures of a prediction by their names: one figure, one by group, and models compared."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from promolab.checks import aligned, along, choice, choices_of, labels_of, level_of, numbers_of
from promolab.errors import InputError, nearest
from promolab.glossary import label
from promolab.metrics._inputs import (
    Measured,
    OnRows,
    check_ranking,
    codes_of,
    cut_influences,
    found_at,
    ranked_rows,
    renumbered,
    rows_of,
)
from promolab.metrics.cumulative_gain import lift
from promolab.metrics.ranking import (
    auc_within,
    average_precision_of,
    placements,
    placements_within,
    precision_recall,
    roc,
    variance_of,
)
from promolab.metrics.reliability import (
    check_probabilities,
    distance_of,
    equal_bins,
    expected_error,
    mean_loss,
    observed_to_expected,
    row_losses,
    square_losses,
)
from promolab.results import Estimate, plain, words_of
from promolab.stats import holm, normal_quantile, spread_of, two_sided

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import ArrayLike


# Whether more of each is better.
METRICS = {"auc": True, "average_precision": True, "brier": False, "log_loss": False, "ece": False}
AT_DEPTH = ("lift", "capture", "precision")
RATIO = "observed_expected"
"""Positives ÷ the sum of probabilities; neither more nor less of it is better."""
BINS = 10  # of the calibration error


@dataclass(frozen=True)
class Metric:
    """A measure of a prediction.

    Parameters
    ----------
    name, kind : str
        As given ("lift@0.1"), and without the depth ("lift").
    depth : float or None
        Share of the list that it looks at.
    higher_is_better : bool
        Whether more of it is better.
    """

    name: str
    kind: str
    depth: float | None
    higher_is_better: bool

    @property
    def words(self) -> str:
        """What it is called in a sentence."""
        if self.kind in METRICS:
            return label(self.kind)
        top = f"{100 * (self.depth or 0):g}"
        return words_of(__name__, "Metric", kind=self.kind, top=top).say("kind")

    @property
    def of_probabilities(self) -> bool:
        """Whether it asks for probabilities; the others take any score."""
        return self.kind in ("brier", "log_loss", "ece", RATIO)


def named_metric(name: str) -> Metric:
    """Return the measure of a name: of `METRICS`, `RATIO`, or ``lift@``, ``capture@``, ….

    Parameters
    ----------
    name : str
        Such as "auc" or "lift@0.1", the top tenth of the list.

    Raises
    ------
    InputError
        If there is none of that name, or the depth is no share of the list.

    Examples
    --------
    >>> named_metric("lift@0.1").words, named_metric("brier").higher_is_better
    ('lift in the top 10 %', False)
    """
    kind, at, depth = str(name).partition("@")
    if not at and kind in (*METRICS, RATIO):
        return Metric(kind, kind, None, METRICS.get(kind, False))
    if kind in AT_DEPTH:
        try:
            share = float(depth)
        except ValueError:
            share = 0.0
        if not 0 < share <= 1:
            raise InputError(
                f"metric is {name!r}; write the share of the list behind the @, above 0 and up to "
                f"1, such as '{kind}@0.1'"
            )
        return Metric(str(name), kind, share, True)
    known = [*METRICS, RATIO, *(f"{x}@0.1" for x in AT_DEPTH)]
    raise InputError(f"there is no metric {name!r}; {nearest(str(name), known)}")


def measure(
    y_true: ArrayLike,
    p: ArrayLike,
    metric: str = "auc",
    cluster: ArrayLike | None = None,
    group: ArrayLike | None = None,
    level: float = 0.95,
) -> Estimate:
    """Measure a prediction by the name of the measure.

    Parameters
    ----------
    y_true : array-like of shape (n,)
        The label: 0/1 or booleans.
    p : array-like of shape (n,)
        Probability, or any score for the measures of ranking.
    metric : str
        "auc", "average_precision", "brier" (mean squared distance of probability and outcome),
        "log_loss" (in nats), "ece" (over ten bins: `calibration`), "observed_expected" (positives ÷
        Σ p), or "lift@0.1", "capture@0.1", "precision@0.1" with any depth.
    cluster : array-like of shape (n,), optional
        Which rows belong together (the customer).
    group : array-like of shape (n,), optional
        For "auc" and the measures at a depth: rank inside each group (promotion).
    level : float
        Confidence level.

    Returns
    -------
    Estimate

    Raises
    ------
    InputError
        As the function of the measure: `roc`, `auc_within`, `precision_recall`, `calibration`,
        `lift`; also if the measure is unknown or knows no groups.

    References
    ----------
    Brier (1950), Monthly Weather Review 78(1). Good (1952), "Rational decisions", JRSS B 14(1).
    Gneiting & Raftery (2007), JASA 102(477).

    Examples
    --------
    >>> measure([1, 0, 1, 0, 0, 0, 0, 0, 0, 0], [9, 8, 7, 6, 5, 4, 3, 2, 1, 0], "capture@0.3").value
    1.0
    """
    y_true, p, cluster, group = aligned(y_true=y_true, p=p, cluster=cluster, group=group)
    found = named_metric(metric)
    check_groups(found, group)
    if found.kind == "auc":
        if group is not None:
            return auc_within(y_true, p, group, cluster, level).estimate
        return roc(y_true, p, cluster, level).estimate
    if found.kind == "average_precision":
        return precision_recall(y_true, p, cluster, level).estimate
    if found.of_probabilities:
        level_of(level)
        y, chance = check_probabilities(y_true, p)
        codes, _ = codes_of(cluster, len(y), "cluster")
        if found.kind == RATIO:
            return observed_to_expected(y, chance, codes, level)
        if found.kind == "ece":
            return expected_error(y, chance, equal_bins(chance, BINS), codes, level)[0]
        losses = (square_losses if found.kind == "brier" else row_losses)(y, chance)
        return mean_loss(losses, codes, level)
    assert found.depth is not None
    point = lift(y_true, p, [found.depth], group, cluster, level).at(found.depth)
    value: Estimate = getattr(point, "rate" if found.kind == "precision" else found.kind)
    return value


def influence_of(
    metric: Metric, y: np.ndarray, p: np.ndarray, group: np.ndarray | None
) -> np.ndarray:
    """Return what each row adds to a measure's deviation from the truth, shape (n,).

    Parameters
    ----------
    metric : Metric
        Any but the AUC, which `compare_auc` compares.
    y : ndarray of bool of shape (n,)
    p : ndarray of shape (n,)
    group : ndarray of int of shape (n,), optional
        Codes 0, 1, … of the lists that are ranked apart.
    """
    if metric.kind in ("brier", "log_loss"):
        losses = (square_losses if metric.kind == "brier" else row_losses)(y, p)
        return np.asarray((losses - losses.mean()) / len(y))
    if metric.kind == "ece":
        return distance_of(y, p, equal_bins(p, BINS))[1]
    ranked = ranked_rows(y, p, group, 1 if group is None else int(group.max()) + 1)
    if metric.depth is None:
        return ranked.restored(average_precision_of(ranked)[1])
    found, slopes = found_at(ranked, np.array([metric.depth]))
    of_capture, of_rate = cut_influences(ranked, metric.depth, found[0], slopes[:, 0])
    added = of_rate if metric.kind == "precision" else of_capture
    return ranked.restored(added / metric.depth if metric.kind == "lift" else added)


def check_groups(metric: Metric, group: ArrayLike | None) -> None:
    """Raise where groups are given to a measure that does not rank inside them."""
    if group is not None and metric.kind != "auc" and metric.depth is None:
        raise InputError(
            f"group is given, but {metric.words} does not rank inside groups; leave group out, "
            "or use by_group for a figure per group"
        )


SHOWN = 40  # groups in a figure
ENOUGH = 10  # positives, for a group's figure to enter the finding


@dataclass(frozen=True)
class ByGroup(OnRows):
    """Measures of a prediction, group by group.

    Parameters
    ----------
    frame : DataFrame
        One row per group and measure, groups in order: ``group, metric, value, ci_low, ci_high, n,
        positives, clusters, note``; the note says why a value is missing.
    overall : DataFrame
        ``metric, value, ci_low, ci_high``: the same measures over all rows, groups mixed.
    metrics : tuple of str
        The measures, by their names.
    n, positives, clusters : int
        Rows, positive rows, independent units.
    level : float
        Confidence level.
    """

    frame: pd.DataFrame = field(repr=False)
    overall: pd.DataFrame = field(repr=False)
    metrics: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the counts and a list with a dict per group and measure, as plain values."""
        rows = self.frame.to_dict("records")
        return {**super().to_dict(), "metrics": list(self.metrics), "groups": plain(rows)}

    def facts(self) -> dict[str, Any]:
        """Return the first measure's rows, and its range over groups that tell something."""
        name = self.metrics[0]
        metric, whole = named_metric(name), self.overall.set_index("metric")["value"][name]
        mine = self.frame[self.frame["metric"] == name].reset_index(drop=True)
        known = mine[mine["value"].notna()]
        # Names without marks, rather than an empty frame.
        shown = (known if len(known) else mine).sort_values("n", ascending=False, kind="stable")
        enough = known[known["positives"] >= ENOUGH]
        sure = known if len(enough) in (0, len(known)) else enough
        ends = [int(sure["value"].argmin()), int(sure["value"].argmax())] if len(sure) else []
        missing = mine[mine["value"].isna()]
        return {
            "measured": metric.words,
            "group_count": len(mine),
            "known": len(known),
            "sure": len(sure),
            "enough": ENOUGH if len(sure) < len(known) else 0,
            "range_ends": sure.iloc[ends],
            "least": sure["value"].min(),
            "most": sure["value"].max(),
            "missing": missing.head(5),
            "more_missing": max(len(missing) - 5, 0),
            "left": len(mine) - len(known) if len(known) else 0,
            "largest": SHOWN if len(known) > SHOWN else 0,
            "shown": shown.head(SHOWN).sort_index(),
            "whole": whole if math.isfinite(whole) else None,
        }


def by_group(
    y_true: ArrayLike,
    p: ArrayLike,
    group: ArrayLike,
    cluster: ArrayLike | None = None,
    metrics: Sequence[str] = ("auc", "average_precision", "brier", "log_loss", "ece"),
    level: float = 0.95,
) -> ByGroup:
    """Measure a prediction in each promotion or segment.

    Parameters
    ----------
    y_true : array-like of shape (n,)
        The label: 0/1 or booleans.
    p : array-like of shape (n,)
        Probability, or any score if all measures are of ranking.
    group : array-like of shape (n,)
        The group of each row.
    cluster : array-like of shape (n,), optional
        Which rows belong together (the customer).
    metrics : sequence of str
        As in `measure`: "auc", "average_precision", "brier", "log_loss", "ece", "lift@0.1", …; what
        the result says and draws is the first.
    level : float
        Confidence level, of each interval by itself.

    Returns
    -------
    ByGroup

    Raises
    ------
    InputError
        If lengths differ, labels are not 0/1, values are missing, or a measure is unknown. A group
        that has no value for a measure, such as the AUC of one class, is no error: its note says
        why.

    Notes
    -----
    Every interval is that of the measure's own function, on the group's rows. Groups with few
    positives have wide intervals and the extremes among many groups are partly chance: read the
    intervals, not the order.

    Examples
    --------
    >>> y, p = [0, 1, 0, 1, 0, 0], [0.1, 0.2, 0.7, 0.9, 0.8, 0.3]
    >>> result = by_group(y, p, ["a", "a", "b", "b", "c", "c"], metrics=["auc", "brier"])
    >>> result.frame["value"].tolist()[::2], result.frame["note"].tolist()[4]
    ([1.0, 1.0, nan], 'no positive row of 2')
    """
    import pandas as pd

    y_true, p, group, cluster = aligned(y_true=y_true, p=p, group=group, cluster=cluster)
    level_of(level)
    wanted = [named_metric(name) for name in choices_of("metrics", metrics)]
    y = labels_of("y_true", y_true)
    if any(metric.of_probabilities for metric in wanted):
        score = check_probabilities(y, p)[1]
    else:
        score = numbers_of("p", p, len(y))
    codes, names = codes_of(group, len(y), "group")
    assert codes is not None
    clusters, _ = codes_of(cluster, len(y), "cluster")
    rows = np.split(np.argsort(codes, kind="stable"), np.cumsum(np.bincount(codes))[:-1])
    # Numbers before texts: ids may be both.
    order = sorted(range(len(names)), key=lambda code: (isinstance(names[code], str), names[code]))
    told = [_measured(names[code], rows[code], y, score, clusters, wanted, level) for code in order]
    overall = _measured("all", np.arange(len(y)), y, score, clusters, wanted, level)
    return ByGroup(
        *rows_of(y, clusters, level),
        pd.DataFrame([record for each in told for record in each]),
        pd.DataFrame(overall)[["metric", "value", "ci_low", "ci_high"]],
        tuple(metric.name for metric in wanted),
    )


def _measured(
    name: Any,
    rows: np.ndarray,
    y: np.ndarray,
    p: np.ndarray,
    cluster: np.ndarray | None,
    metrics: list[Metric],
    level: float,
) -> list[dict[str, Any]]:
    """Measure one group: a record per measure."""
    mine, own = y[rows], None if cluster is None else cluster[rows]
    n, hits = len(rows), int(np.count_nonzero(mine))
    counts = {"n": n, "positives": hits, "clusters": n if own is None else len(np.unique(own))}
    records = []
    for metric in metrics:
        note, found = _why_not(metric, hits, n, bool(p[rows].any())), Estimate(math.nan)
        if not note:
            found = measure(mine, p[rows], metric.name, own, level=level)
        ends = dict(zip(("value", "ci_low", "ci_high"), found.ends, strict=True))
        records.append(
            {"group": plain(name), "metric": metric.name, **ends, **counts, "note": note}
        )
    return records


def _why_not(metric: Metric, positives: int, n: int, expected: bool) -> str:
    """Return why a group has no value of a measure, or an empty string."""
    if metric.kind == RATIO and not expected:
        return words_of(__name__, "unmeasured", n=n).say("unexpected")
    if metric.of_probabilities or 0 < positives < n:
        return ""
    if positives and metric.depth is not None:  # the top of a list of positives is positive
        return ""
    return words_of(__name__, "unmeasured", n=n).say("positive" if positives else "negative")


@dataclass(frozen=True)
class AucComparison(Measured):
    """The AUCs of two scores on the same rows, and their difference.

    Parameters
    ----------
    estimate, std_error
        AUC of ``a`` − AUC of ``b`` with its interval, also as ``difference, ci_low, ci_high``.
    p_value : float
        Two-sided, of no difference.
    auc_a, auc_b : float
        The two AUCs.
    n, positives, clusters, level
        The rows behind it.
    """

    NAME = "difference"

    p_value: float
    auc_a: float
    auc_b: float

    @property
    def difference(self) -> float:
        """AUC of ``a`` − AUC of ``b``."""
        return self.value

    def facts(self) -> dict[str, Any]:
        """Return which score ranks better, or that they rank alike."""
        return {"ranking": "same" if self.std_error == 0 else self.estimate.side}


def compare_auc(
    y_true: ArrayLike,
    score_a: ArrayLike,
    score_b: ArrayLike,
    cluster: ArrayLike | None = None,
    group: ArrayLike | None = None,
    level: float = 0.95,
) -> AucComparison:
    """Difference of two scores' AUCs on the same rows, paired.

    Parameters
    ----------
    y_true, score_a, score_b : array-like of shape (n,)
        The label and the two scores.
    cluster : array-like of shape (n,), optional
        Which rows belong together (the customer).
    group : array-like of shape (n,), optional
        Compare the AUCs within these groups (see `auc_within`) rather than the pooled ones.
    level : float
        Confidence level.

    Returns
    -------
    AucComparison

    Raises
    ------
    InputError
        As `roc` and `auc_within`.

    References
    ----------
    DeLong, DeLong & Clarke-Pearson (1988); Obuchowski (1997).

    Examples
    --------
    >>> y = [0, 0, 1, 0, 1, 1, 0, 1]
    >>> result = compare_auc(y, [1, 2, 3, 4, 5, 6, 7, 8], [2, 1, 3, 4, 5, 7, 6, 8])
    >>> round(result.auc_a, 3), round(result.auc_b, 3), result.difference < 0
    (0.75, 0.812, True)
    """
    y_true, score_a, score_b, cluster, group = aligned(
        y_true=y_true, score_a=score_a, score_b=score_b, cluster=cluster, group=group
    )
    y, a = check_ranking(y_true, score_a, level, "score_a")
    b = numbers_of("score_b", score_b, len(y))
    customers, _ = codes_of(cluster, len(y), "cluster")
    codes, names = codes_of(group, len(y), "group")
    kept = np.ones(len(y), dtype=bool)
    if codes is None:
        used, ranked = None, [placements(y, score) for score in (a, b)]
    else:
        kept, used, first = placements_within(y, a, codes, len(names))
        ranked = [first, placements_within(y, b, codes, len(names))[2]]
    y = y[kept]
    customers = None if customers is None else renumbered(customers[kept])
    aucs = [one.auc for one in ranked]
    parts = [one.deviations(y, auc, used) for one, auc in zip(ranked, aucs, strict=True)]
    difference = aucs[0] - aucs[1]
    error = math.sqrt(variance_of(y, parts[0] - parts[1], customers).value)
    half = normal_quantile(level) * error
    low = max(difference - half, -1.0) if math.isfinite(half) else -1.0
    high = min(difference + half, 1.0) if math.isfinite(half) else 1.0
    return AucComparison(
        *rows_of(y, customers, level),
        Estimate(difference, low, high, len(y)),
        error,
        two_sided(difference, error),
        *aucs,
    )


@dataclass(frozen=True)
class Comparison(OnRows):
    """Several models on the same rows, each against one of them.

    Parameters
    ----------
    metric : str
        The measure by its name.
    reference : str
        The model that the others are compared with.
    higher_is_better : bool
        Whether more of the measure is better.
    frame : DataFrame
        One row per model, in the order given: ``model, value, ci_low, ci_high, difference,
        difference_low, difference_high, std_error, p_value, p_holm, verdict``. A difference is the
        model's value minus the reference's; ``p_holm`` keeps the chance of any false alarm over all
        models compared at 1 − level (Holm 1979), and the verdict ("better", "worse", "no difference
        seen", "reference") goes by it.
    n, positives, clusters : int
        Rows, positive rows, independent units.
    level : float
        Confidence level.
    """

    metric: str
    reference: str
    higher_is_better: bool
    frame: pd.DataFrame = field(repr=False)

    def against(self, model: str) -> Estimate:
        """Return the difference of a model and the reference.

        Parameters
        ----------
        model : str
            One of the names in ``frame``.

        Raises
        ------
        InputError
            If no model has that name.
        """
        rows = {row["model"]: row for row in self.frame.to_dict("records")}
        row = rows[choice("model", model, rows)]
        return Estimate(row["difference"], row["difference_low"], row["difference_high"], self.n)

    @property
    def words(self) -> str:
        """The measure in words."""
        return named_metric(self.metric).words

    def to_dict(self) -> dict[str, Any]:
        """Return the settings and a list with a dict per model, as plain values."""
        told = super().to_dict() | {"words": self.words}
        return {**told, "models": plain(self.frame.to_dict("records"))}

    def facts(self) -> dict[str, Any]:
        """Return the models that are compared with the reference."""
        return {"others": self.frame[self.frame["verdict"] != "reference"]}


def compare(
    y_true: ArrayLike,
    scores: Mapping[str, ArrayLike] | pd.DataFrame,
    metric: str = "auc",
    *,
    cluster: ArrayLike | None = None,
    group: ArrayLike | None = None,
    reference: str | None = None,
    level: float = 0.95,
) -> Comparison:
    """Compare models on the same rows, each with one of them, by any measure.

    Parameters
    ----------
    y_true : array-like of shape (n,)
        The label: 0/1 or booleans.
    scores : mapping of str to array-like of shape (n,), or DataFrame with a column per model
        Probabilities, or any score for the measures of ranking; at least two models.
    metric : str
        As in `measure`: "auc", "average_precision", "brier", "log_loss", "ece", "lift@0.1", ….
    cluster : array-like of shape (n,), optional
        Which rows belong together (the customer). Clusters are drawn as a whole.
    group : array-like of shape (n,), optional
        For "auc" and the measures at a depth: rank inside each group (promotion).
    reference : str, optional
        The model that the others are compared with, by default the first.
    level : float
        Confidence level.

    Returns
    -------
    Comparison

    Raises
    ------
    InputError
        As `measure`; also with fewer than two models, or an unknown reference.

    Notes
    -----
    AUCs are compared by DeLong's variance, summed within clusters; other measures by that of the
    difference of the two influence functions, what each row adds to either, so that what both
    models owe to the same rows cancels. The interval is the difference ± the normal quantile × the
    standard error. Calibration errors of two models both near right differ mostly by chance.

    References
    ----------
    DeLong, DeLong & Clarke-Pearson (1988); Obuchowski (1997). Hampel (1974), JASA 69(346). Holm
    (1979), Scandinavian J. of Statistics 6(2).

    Examples
    --------
    >>> y = [0, 0, 1, 0, 1, 1, 0, 1]
    >>> p = [0.1, 0.2, 0.6, 0.4, 0.7, 0.8, 0.3, 0.9]
    >>> result = compare(y, {"base rate": [0.5] * 8, "model": p}, "brier")
    >>> round(result.against("model").value, 3), result.frame["verdict"].tolist()
    (-0.175, ['reference', 'better'])
    """
    found = named_metric(metric)
    level_of(level)
    check_groups(found, group)
    if found.kind == RATIO:
        raise InputError(f"of {RATIO} neither more nor less is better; compare by 'ece'")
    if not hasattr(scores, "items"):
        raise InputError(
            "scores holds no names; give a dict {name: scores} or a DataFrame with a column per "
            "model"
        )
    names, given = [str(name) for name, _ in scores.items()], [x for _, x in scores.items()]
    if len(names) < 2 or len(set(names)) < len(names):
        raise InputError(
            f"scores holds {len(names)} models with {len(set(names))} names; a comparison needs "
            "two or more, each with a name of its own"
        )
    against = 0 if reference is None else names.index(choice("reference", str(reference), names))
    y_true, cluster, group = aligned(y_true=y_true, cluster=cluster, group=group)
    columns = [along(y_true, x, name, "y_true") for name, x in zip(names, given, strict=True)]
    y = labels_of("y_true", y_true)
    if found.of_probabilities:
        columns = [check_probabilities(y, column)[1] for column in columns]
    else:
        columns = [numbers_of(name, x, len(y)) for name, x in zip(names, columns, strict=True)]
    clusters, _ = codes_of(cluster, len(y), "cluster")
    groups, _ = codes_of(group, len(y), "group")
    values = [measure(y, x, found.name, clusters, groups, level) for x in columns]
    base = columns[against]
    if found.kind == "auc":
        pairs = [compare_auc(y, x, base, clusters, groups, level) for x in columns]
        errors = [pair.std_error for pair in pairs]
    else:
        added = [influence_of(found, y, x, groups) for x in columns]
        errors = [spread_of(each - added[against], clusters).std_error for each in added]
    return Comparison(
        *rows_of(y, clusters, level),
        found.name,
        names[against],
        found.higher_is_better,
        _table(names, values, errors, against, found.higher_is_better, level),
    )


def _table(
    names: list[str],
    values: list[Estimate],
    errors: list[float],
    reference: int,
    higher_is_better: bool,
    level: float,
) -> pd.DataFrame:
    import pandas as pd

    ends = [v.ends for v in values]
    frame = pd.DataFrame(ends, columns=["value", "ci_low", "ci_high"], dtype=float)
    frame.insert(0, "model", names)
    frame["difference"] = frame["value"] - frame["value"].iloc[reference]
    half = normal_quantile(level) * np.array(errors)
    frame["difference_low"] = frame["difference"] - half
    frame["difference_high"] = frame["difference"] + half
    frame["std_error"] = errors
    frame["p_value"] = two_sided(frame["difference"], errors)
    others = np.arange(len(names)) != reference
    frame["p_holm"] = math.nan
    frame.loc[others, "p_holm"] = holm(frame.loc[others, "p_value"].to_numpy())
    frame.loc[~others, "p_value"] = math.nan
    apart = (frame["p_holm"] <= 1 - level).to_numpy()
    better = (frame["difference"] > 0).to_numpy() == higher_is_better
    verdict = np.where(apart, np.where(better, "better", "worse"), "no difference seen")
    frame["verdict"] = np.where(others, verdict, "reference")
    return frame
