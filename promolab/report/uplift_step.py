"""What page 05 rests on: which experiment, whether it may be believed, and what was measured."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from promolab.campaign.contacted import contacted_experiment
from promolab.contract import Experiment
from promolab.errors import InputError, PromolabError, nearest
from promolab.report.uplift_groups import segment_effects
from promolab.report.uplift_targeting import Pooled, Targeting, pooled, targeting
from promolab.wording import count, plural

if TYPE_CHECKING:
    from promolab.contract import Shop
    from promolab.metrics import EffectCalibration
    from promolab.model.uplift import GroupEffects, UpliftChecks, UpliftModel

__all__ = ["Choice", "UpliftStep", "choose_experiment", "measure_uplift", "recorded"]

DECISIONS, OBSERVED, FILE = "decisions", "contacted", "file"
HILLSTROM = "hillstrom"
LACKS = (
    "What a promotion adds cannot be said: {name} has no decisions (who was assigned what, those "
    "who got nothing included, and with which chance), nor {lacking} to compare the contacted of "
    "past promotions with others."
)


@dataclass(frozen=True)
class Choice:
    """Which experiment the page is about.

    Parameters
    ----------
    experiment : Experiment or None
    source : str
        ``decisions`` (the shop's own, drawn by chance), ``contacted`` (of a past promotion, against
        others), ``file``, or empty where there is none.
    why : str
        Which one it is and why, or what is missing, in sentences.
    """

    experiment: Experiment | None = field(repr=False)
    source: str
    why: str


def choose_experiment(
    shop: Shop,
    as_of: Any,
    experiment: str = "",
    file: Mapping[str, str] | None = None,
    *,
    horizon_days: int = 28,
) -> Choice:
    """Take the experiment asked for, else the shop's own decisions, else a promotion that is over.

    Parameters
    ----------
    shop : Shop
    as_of : datetime
        Nothing of the shop at or after it is read.
    experiment : str
        A csv, Excel or parquet file of decisions, ``hillstrom``, or empty.
    file : mapping of str to str, optional
        Of a file: arm (a column, and after ``=`` its control where that is not known by its name),
        outcomes, customer, propensity, covariates; lists between commas, propensity as
        `promolab.load_experiment` takes it, a mapping as ``mail=0.3, call=0.2``.
    horizon_days : int
        Days after a window in which outcomes count.

    Raises
    ------
    InputError
        The file or its columns cannot be used, or columns are named without a file.
    """
    stated = {name: text.strip() for name, text in (file or {}).items() if text.strip()}
    if experiment:
        return _from_file(experiment, stated)
    if stated:
        name = next(iter(stated))
        raise InputError(f"{name} is for an experiment file; give it with -p experiment=FILE")
    missed = []
    if shop.has("decisions"):
        try:
            return _from_decisions(shop, as_of, horizon_days)
        except PromolabError as error:
            missed.append(f"The shop's decisions cannot be used: {error}.")
    lacking = [name for name in ("promotions", "exposures") if not shop.has(name)]
    if lacking:
        names = " and ".join(lacking)
        why = LACKS.format(name=shop.settings.name, lacking=names) if not missed else ""
        return Choice(None, "", " ".join([*missed, why]).strip())
    try:
        trial = contacted_experiment(shop, as_of, horizon_days=horizon_days)
    except PromolabError as error:
        missed.append(f"Nothing can be compared: {error}.")
        return Choice(None, "", " ".join(missed))
    if not missed:
        missed.append(f"{shop.settings.name} has no decisions drawn by chance.")
    return Choice(trial, OBSERVED, " ".join([*missed, "Compared instead:", *trial.notes]))


def _from_file(experiment: str, stated: Mapping[str, str]) -> Choice:
    from promolab import load_experiment

    if experiment == HILLSTROM and set(stated) <= {"outcomes"}:
        trial = load_experiment(HILLSTROM)
        first = _listed(stated.get("outcomes", ""))
        for name in first:
            if name not in trial.outcomes:
                raise InputError(f"there is no outcome {name!r}; {nearest(name, trial.outcomes)}")
        rest = [name for name in trial.outcomes if name not in first]
        trial = dataclasses.replace(trial, outcomes=(*first, *rest))
    else:
        arm, _, control = stated.get("arm", "").partition("=")
        trial = load_experiment(
            experiment,
            arm=arm.strip() or None,
            outcomes=_listed(stated.get("outcomes", "")),
            control=control.strip() or None,
            propensity=_chances(stated.get("propensity", "")),
            covariates=_listed(stated["covariates"]) if "covariates" in stated else None,
            customer_id=stated.get("customer"),
        )
    return Choice(trial, FILE, " ".join([trial.summary(), *trial.notes]))


def _from_decisions(shop: Shop, as_of: Any, horizon_days: int) -> Choice:
    from promolab.features import decisions_experiment

    trial = decisions_experiment(shop, by="kind", as_of=as_of, horizon_days=horizon_days)
    rounds = trial.frame[trial.block].nunique() if trial.block else 1
    why = (
        f"The shop's own decisions: {count(trial.n)} in {plural(rounds, 'round')}, of "
        f"{plural(trial.customers, 'customer')}. An arm is a kind of promotion."
    )
    return Choice(trial, DECISIONS, " ".join([why, *trial.notes]))


def _listed(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _chances(text: str) -> Any:
    """Read a number, a column, ``constant``, or ``arm=number or column, …``."""
    if not text:
        return None
    if "=" not in text:
        return _number(text)
    parts = [part.partition("=") for part in _listed(text)]
    for name, equals, value in parts:
        if not (equals and name.strip() and value.strip()):
            raise InputError(f"propensity = {text!r} is not understood; write arm=chance, arm=…")
    return {name.strip(): _number(value.strip()) for name, _, value in parts}


def _number(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text


@dataclass(frozen=True)
class UpliftStep:
    """What was measured of an experiment.

    Parameters
    ----------
    choice : Choice
    checks : UpliftChecks or None
    model : UpliftModel or None
        None where a check refuses, or nothing could be learned.
    why : str
        Why there is no model; empty where there is one.
    """

    choice: Choice
    checks: UpliftChecks | None = field(default=None, repr=False)
    model: UpliftModel | None = field(default=None, repr=False)
    why: str = ""

    @property
    def experiment(self) -> Experiment | None:
        """The experiment, where there is one."""
        return self.choice.experiment

    @property
    def arms(self) -> tuple[Any, ...]:
        """The arms but the control, of a shop's own promotions: empty for a file."""
        known = self.model is not None and self.choice.source == DECISIONS
        return self.model.treatments_ if known and self.model else ()

    @cached_property
    def pooled(self) -> Pooled | None:
        """All arms taken together: scores, predicted effects, predicted outcomes."""
        return None if self.model is None else pooled(self.model)

    @cached_property
    def targeting(self) -> Targeting | None:
        """Whether an order by predicted effect is worth anything, and one by response."""
        if self.model is None or self.pooled is None:
            return None
        return targeting(self.model, self.pooled)

    @cached_property
    def calibration(self) -> EffectCalibration | None:
        """Whether predicted effects come true, by tenths of them."""
        from promolab.metrics import effect_calibration

        if self.model is None or self.pooled is None:
            return None
        rows, known = self.pooled, self.pooled.known
        cluster = self.model.cluster_[known]
        return effect_calibration(
            None, None, rows.effect[known], gamma=rows.gamma[known], cluster=cluster, bins=10
        )

    @cached_property
    def segments(self) -> GroupEffects | None:
        """What promotions add in each segment, where the data have any."""
        if self.model is None or self.pooled is None:
            return None
        return segment_effects(self.model, self.pooled)

    def summary(self) -> str:
        """Say what may be said of effects, in a few sentences."""
        if self.checks is None or self.model is None:
            return " ".join(filter(None, [self.choice.why, self.why]))
        assert self.targeting is not None
        right = self.checks.identification
        said = {
            "randomised": "Effects are randomised: chance decided who got what.",
            "adjusted": "Effects are adjusted, not randomised: nobody drew who got what.",
        }[right.name]
        return f"{self.choice.why} {said} {self.targeting.verdict()}"

    def allows(self) -> str:
        """Say for the first page what the shop's own decisions tell; empty where they do not."""
        found, checks, trial = self.targeting, self.checks, self.experiment
        if self.choice.source != DECISIONS or found is None or checks is None or trial is None:
            return ""
        if checks.identification.name != "randomised":
            return ""
        return (
            f"Effects are randomised: chance drew {plural(trial.n, 'past decision')}, and no check "
            f"refuses them. {found.plainly()}"
        )


def measure_uplift(
    choice: Choice, kind: str = "dr", learner: str = "linear", *, seed: int = 0
) -> UpliftStep:
    """Check an experiment, and measure what its arms add if the checks allow it.

    Parameters
    ----------
    choice : Choice
    kind, learner : str
        Of `promolab.UpliftModel`.
    seed : int
        Start of every random number.

    Raises
    ------
    InputError
        There is no such kind or learner.
    """
    from promolab.model.uplift import Refused, UpliftModel, check_experiment

    model = UpliftModel(kind, learner or None, seed=seed)
    trial = choice.experiment
    if trial is None:
        return UpliftStep(choice)
    try:
        model.fit(trial)
    except Refused:
        checks = check_experiment(trial, seed=seed)
        failed = [check.sentence for check in checks.checks if check.verdict == "refused"]
        return UpliftStep(choice, checks, None, " ".join(failed))
    return UpliftStep(choice, model.checks_, model)


def recorded(step: UpliftStep) -> dict[str, Any]:
    """Return what ``metrics.json`` keeps of the step."""
    kept: dict[str, Any] = {
        "source": step.choice.source,
        "summary": step.summary(),
        "allows": step.allows(),
        "identification": None if step.checks is None else str(step.checks.identification),
    }
    if step.checks is not None:
        kept["checks"] = step.checks.to_dict()["checks"]
    if step.model is not None and step.targeting is not None and step.calibration is not None:
        kept["average"] = step.model.average().to_dict()
        kept["targeting"] = step.targeting.to_dict()
        kept["calibration"] = step.calibration.to_dict()
    return kept
