"""Is there something to target? An order by predicted effect beside one by response, and segments.

Effects are predicted one fold after the other, by a model of the folds before it: predicted by all
others, where there is no effect Qini would spread further than its interval says.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from promolab.effects.average_effects import GroupEffects, group_tables
from promolab.effects.identification import Identification, OfEffects, Withheld
from promolab.effects.means import mean_of
from promolab.effects.shrinkage import CalibratedEffects, place_within, pooled_arms
from promolab.results import Estimate, words_of

if TYPE_CHECKING:
    from promolab.contract import Experiment
    from promolab.effects.model import UpliftModel
    from promolab.metrics.uplift import Qini, QiniComparison


LEVEL = 0.95
"""Of the intervals."""


@dataclass(frozen=True)
class Pooled:
    """All arms taken together: an arm drawn as often as those who got one got it.

    Parameters
    ----------
    gamma : ndarray of shape (n,)
        Doubly robust scores of the effect; nan where a row counts for no arm.
    effect, response : ndarray of shape (n,)
        What ranks customers by effect (`promolab.effects.shrinkage`, nan in the first fold), and
        predicted outcome with the arm, from models that saw other customers.
    drawn : ndarray of shape (n,)
        Effects as earlier folds calibrate them; nan in the first two folds.
    by_arm : ndarray of shape (n, K − 1)
        What ranks customers by the effect of each arm.
    """

    gamma: np.ndarray
    effect: np.ndarray
    response: np.ndarray
    drawn: np.ndarray
    by_arm: np.ndarray


def pooled(model: UpliftModel) -> Pooled:
    """Take the arms of a fitted model together.

    Parameters
    ----------
    model : UpliftModel
    """
    codes, kept, forward = model.experiment_.codes, model.kept_, model.forward_
    # Of the second fold nobody has measured yet how far its predictions come true.
    drawn = np.where((model.fold_ > 1)[:, None], forward.drawn, np.nan)
    columns = model.nuisance_.gamma, forward.scaled, model.nuisance_.mu[:, 1:], drawn
    gamma, effect, response, drawn = pooled_arms(kept, codes, *columns)
    return Pooled(gamma, effect, response, drawn, forward.order)


def targeting_of(model: UpliftModel, level: float = LEVEL) -> Targeting:
    """Measure both orders on the same rows, all arms together and each by itself.

    Parameters
    ----------
    model : UpliftModel
    level : float
        Of the intervals; those of the arms hold for all of them at once (Bonferroni).
    """
    from promolab.metrics.uplift import compare_qini, qini

    experiment, m, rows = model.experiment_, len(model.treatments_), pooled(model)
    average = model.average().rows
    fold, cluster, listed = model.fold_, model.cluster_, []

    def compared(effect: np.ndarray, response: np.ndarray, gamma: np.ndarray, level: float) -> Any:
        mine = np.isfinite(gamma) & np.isfinite(effect)
        known: dict[str, Any] = {"cluster": cluster[mine], "gamma": gamma[mine], "level": level}
        scores = [place_within(values[mine], fold[mine]) for values in (effect, response)]
        curves = [qini(None, None, score, **known) for score in scores]
        return *curves, compare_qini(None, None, *scores, **known)

    everyone = compared(rows.effect, rows.response, rows.gamma, level)
    by_effect, by_response, difference = everyone
    for k, arm in enumerate(model.treatments_):
        gamma = np.where(model.kept_[:, k], model.nuisance_.gamma[:, k], np.nan)
        mu = model.nuisance_.mu[:, k + 1]
        found, _, own = compared(rows.by_arm[:, k], mu, gamma, 1 - (1 - level) / m)
        listed.append(
            {
                "arm": arm,
                "n": int((experiment.codes == k + 1).sum()),
                **average.loc[k, ["effect", "ci_low", "ci_high"]].to_dict(),
                "qini": found.qini,
                "qini_low": found.ci_low,
                "qini_high": found.ci_high,
                "difference": own.difference,
                "difference_low": own.ci_low,
                "difference_high": own.ci_high,
            }
        )
    known = np.isfinite(rows.gamma)
    _, customers = np.unique(cluster[known], return_inverse=True)
    return Targeting(
        by_effect,
        by_response,
        difference,
        mean_of(rows.gamma[known], customers, level).estimate,
        pd.DataFrame(listed),
        model.outcome_,
        model.identification_,
        model.calibrated_.qini if model.told_early_ else None,
        model.calibrated_.told_apart,
    )


def calibration_of(model: UpliftModel) -> CalibratedEffects:
    """Return a model's calibration with what came of it, by tenths of what is shown.

    Of each fifth as the fifths before it calibrate them.
    """
    from promolab.metrics.uplift import effect_calibration

    rows = pooled(model)
    known = np.isfinite(rows.gamma) & np.isfinite(rows.drawn)
    cluster = model.cluster_[known]
    found = effect_calibration(
        None, None, rows.drawn[known], gamma=rows.gamma[known], cluster=cluster, bins=10
    )
    return replace(model.calibrated_, by_tenths=found)


@dataclass(frozen=True)
class Targeting(OfEffects):
    """Orders by predicted effect and by predicted response, on the same customers.

    Parameters
    ----------
    by_effect, by_response : Qini
        Of all arms taken together.
    difference : QiniComparison
        The first less the second.
    average : Estimate
        Effect of all arms together, over all decisions, those of the first fold included.
    arms : DataFrame
        One row per arm: arm, n (decisions for it), effect, ci_low, ci_high (its average), qini,
        qini_low, qini_high, and difference, difference_low, difference_high to the order by
        response; the last six at a level that holds for all arms at once.
    outcome : str
    identification : Identification
    early : Estimate or None
        Qini of an early outcome by the same models, where customers are told apart by one.
    drawn : bool
        Whether customers' effects differ all the same, drawn to the average.
    """

    by_effect: Qini
    by_response: Qini
    difference: QiniComparison
    average: Estimate
    arms: pd.DataFrame = field(repr=False)
    outcome: str
    identification: Identification
    early: Estimate | None = None
    drawn: bool = False

    @property
    def found(self) -> bool:
        """Whether there is something to target: the lower end of Qini's interval is above 0."""
        return self.identification.causal and self._seen.ci_low > 0

    @property
    def _seen(self) -> Estimate:
        """What tells whether there is: the early outcome's Qini, where there is one."""
        return self.by_effect.estimate if self.early is None else self.early

    def to_frame(self) -> pd.DataFrame:
        """Return `arms`."""
        return self.arms

    @property
    def by_arm(self) -> dict[Any, Any]:
        """The figures by arm."""
        return self.arms.set_index("arm").to_dict("index")

    def facts(self) -> dict[str, Any]:
        """Return what is found, as codes, and the figures that are shown beside."""
        seen, everyone = self._seen, self.by_effect.effect.value
        flat = seen.ci_low == seen.ci_high == 0
        wastes = self.difference.ci_low > 0
        return {
            "target": "found" if self.found else "flat" if flat else seen.side,
            "seen": seen,
            "whole": self.by_effect.estimate,
            "soon": self.early is not None,
            "everybody": not self.found and not self.drawn,
            "apart": self.difference.ci_low != self.difference.ci_high,
            "beyond": self.difference.estimate,
            "unseen": not self.found,
            "finding": ("wastes" if wastes else "finds") if self.found else "unseen",
            "curves": self._curves,
            "bands": self.difference.level,
            "compared": self.difference.n,
            "compared_customers": self.difference.clusters,
            "chance": pd.DataFrame({"share": [0.0, 1.0], "gain": [0.0, everyone]}),
            "average_line": self.on_average,
            "response_qini": self.by_response.estimate,
        }

    def _curves(self) -> pd.DataFrame:
        """Return both curves, a row per share contacted."""
        names = ("qini", "qini_low", "qini_high")
        both = {"effect": self.by_effect, "response": self.by_response}
        parts = [
            each.curve.assign(order=order, **dict(zip(names, each.estimate.ends, strict=True)))
            for order, each in both.items()
        ]
        return pd.concat(parts)

    def verdict(self) -> str:
        """Say whether there is something to target, with Qini, and what to do if not."""
        return self._facts.say("verdict")

    def plainly(self) -> str:
        """Say whether there is something to target, in a shopkeeper's words."""
        return " ".join([self._facts.say("plainly"), self.on_average()])

    def on_average(self) -> str:
        """Say what all arms together add on average."""
        told = words_of(__name__, "Targeting", mean=self.average, outcome=self.outcome)
        return told.say("on_average")

    def meaning(self) -> str:
        """Say what to do with it."""
        return self._facts.say("advice")


ALL_ARMS = "any promotion"
FEWEST = 30
"""Customers that a segment must have for its effect to be shown."""
MOST_LEVELS = 8
NO_SEGMENTS = "segments"
GROUP_COLUMNS = (
    *("by", "arm", "group", "effect", "ci_low", "ci_high", "std_error", "n", "customers"),
    "identification",
)


def segments_of(experiment: Experiment) -> tuple[str, np.ndarray, list[str]] | None:
    """Return a name, the group of each row and what the groups are called, or None.

    The RFM grid as of each decision; where the columns for it lack, the first covariate that is no
    number and has two to eight values.

    Parameters
    ----------
    experiment : Experiment

    Examples
    --------
    >>> from promolab.contract import Experiment
    >>> rows = pd.DataFrame({"customer_id": [1, 2, 3], "arm": ["a", "b", "a"], "y": [0.0, 1, 1]})
    >>> rows["city"] = ["York", "Bath", "York"]
    >>> found = segments_of(Experiment(rows, "arm", "a", ["city"], ["y"], design="constant"))
    >>> found[0], found[1].tolist(), found[2]
    ('city', [1, 0, 1], ['Bath', 'York'])
    """
    from promolab.segmentation import NO_PURCHASES, RFM_COLUMNS, RFM_ORDER, rfm_names

    frame = experiment.X
    if all(name in frame for name in RFM_COLUMNS):
        groups = [*RFM_ORDER, NO_PURCHASES]
        codes = pd.Index(groups).get_indexer(pd.Index(rfm_names(frame)))
        return "RFM segment at the decision", codes, groups
    for name in experiment.covariates:
        values = frame[name]
        number = pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values)
        if not number and 2 <= values.nunique() <= MOST_LEVELS:
            codes, names = pd.factorize(values.astype("string"), sort=True)
            return name, np.asarray(codes), [str(text) for text in names]
    return None


def segment_effects(model: UpliftModel, level: float = 0.95) -> GroupEffects | Withheld:
    """Return what all arms together add in each segment; small ones are left out.

    Parameters
    ----------
    model : UpliftModel
    level : float
    """
    found = segments_of(model.experiment_)
    if found is None:
        return Withheld(NO_SEGMENTS)
    by, codes, names = found
    gamma = pooled(model).gamma
    known = np.isfinite(gamma)
    mine = pd.DataFrame({"group": codes, "customer": model.cluster_})[known]
    customers = mine.groupby("group")["customer"].nunique().reindex(range(len(names)), fill_value=0)
    kept = np.flatnonzero(customers.to_numpy() >= FEWEST)
    if len(kept) < 2:
        return Withheld(NO_SEGMENTS)
    renumbered = np.full(len(names) + 1, -1)
    renumbered[kept] = np.arange(len(kept))
    groups = [(renumbered[codes], [names[place] for place in kept])]
    arm = ALL_ARMS if len(model.treatments_) > 1 else model.treatments_[0]
    rows, tests = group_tables(
        gamma[:, None], known[:, None], model.cluster_, (arm,), groups, level
    )
    control, right = model.arms_[0], model.identification_
    return GroupEffects(rows, model.outcome_, control, level, right, tests, by)


def group_rows(model: UpliftModel) -> pd.DataFrame:
    """Return the rows of ``tables/uplift_groups.parquet``: segments, and tenths by arm.

    Parameters
    ----------
    model : UpliftModel
        One that a check refuses has no row.
    """
    found = (model.by_segment(), model.by_group(10))
    frames = [e.to_frame().assign(by=e.by) for e in found if isinstance(e, GroupEffects)]
    if not frames:
        return pd.DataFrame(columns=list(GROUP_COLUMNS))
    rows = pd.concat(frames, ignore_index=True)[list(GROUP_COLUMNS)]
    return rows.astype({"arm": str, "group": str})
