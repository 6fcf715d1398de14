"""Which of several models is better on the same rows, by any measure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from promolab.checks import aligned, along, choice, labels_of, level_of, numbers_of
from promolab.errors import InputError
from promolab.metrics._inputs import (
    Measured,
    OnRows,
    check_ranking,
    codes_of,
    renumbered,
    rows_of,
)
from promolab.metrics.ranking import placements, placements_within, variance_of
from promolab.metrics.registry import RATIO, check_groups, influence_of, measure, named_metric
from promolab.metrics.reliability import check_probabilities
from promolab.results import Estimate, plain
from promolab.stats import holm, normal_quantile, spread_of, two_sided

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import ArrayLike


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
        """Return the models by verdict, and the one that beats the reference by most."""
        verdict = self.frame["verdict"]
        better = self.frame[verdict == "better"]
        order = better["difference"].abs().sort_values(ascending=False, kind="stable").index
        best = self.frame.loc[order[0]] if len(order) else None
        worse, unsure = self.frame[verdict == "worse"], self.frame[verdict == "no difference seen"]
        return {
            "better": better,
            "worse": worse,
            "unsure": unsure,
            "parts_before_worse": bool(len(better) and len(worse)),
            "parts_before_unsure": bool(len(better) + len(worse) and len(unsure)),
            "others": self.frame[verdict != "reference"],
            "beats": str(best["model"]) if best is not None else "",
            "by": self.against(str(best["model"])).size if best is not None else None,
            "several": len(better) if len(better) > 1 else 0,
        }


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
