"""What page 05 rests on: whether an experiment may be believed, and what was measured of it."""

from __future__ import annotations

import dataclasses
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from promolab.report.pages.uplift_choice import DECISIONS, Choice
from promolab.report.pages.uplift_groups import segment_effects
from promolab.report.pages.uplift_targeting import Pooled, Targeting, pooled, targeting
from promolab.wording import plural

if TYPE_CHECKING:
    from promolab.contract import Experiment
    from promolab.effects import BestArmValue, Difference, GroupEffects, UpliftChecks, UpliftModel
    from promolab.metrics.uplift import EffectCalibration

__all__ = ["UpliftStep", "measure_uplift", "recorded"]


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
        if self.model is None or self.choice.source != DECISIONS:
            return ()
        return self.model.treatments_

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
        """Whether the effects that are shown come true, by tenths of them; None if all are equal.

        Of each fifth as the fifths before it calibrate them.
        """
        from promolab.metrics.uplift import effect_calibration

        if self.model is None or self.pooled is None or not self.model.calibrated_.told_apart:
            return None
        rows = self.pooled
        known = np.isfinite(rows.gamma) & np.isfinite(rows.drawn)
        cluster = self.model.cluster_[known]
        return effect_calibration(
            None, None, rows.drawn[known], gamma=rows.gamma[known], cluster=cluster, bins=10
        )

    @cached_property
    def best_arm(self) -> BestArmValue | None:
        """What giving each customer the best arm is worth, beside all and none."""
        return None if self.model is None else self.model.best_arm_value()

    @cached_property
    def segments(self) -> GroupEffects | None:
        """What promotions add in each segment, where the data have any."""
        if self.model is None or self.pooled is None:
            return None
        return segment_effects(self.model, self.pooled)

    def summary(self) -> str:
        """Say what may be said of effects, then what they are of."""
        return " ".join(filter(None, [self.answer(), self.choice.why]))

    def answer(self) -> str:
        """Say what may be said of effects; empty where nothing is compared."""
        if self.checks is None or self.model is None:
            return f"No effect is shown. {self.why}" if self.why else ""
        assert self.targeting is not None
        right = self.checks.identification
        said = {
            "randomised": "Effects are randomised: chance decided who got what.",
            "adjusted": "Effects are adjusted, not randomised: by which chance each got what is "
            "not stated (propensity=).",
        }[right.name]
        return f"{self.targeting.verdict()} {said}"

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
    choice: Choice, kind: str = "dr", learner: str = "", *, seed: int = 0
) -> UpliftStep:
    """Check an experiment, and measure what its arms add if the checks allow it.

    Parameters
    ----------
    choice : Choice
    kind, learner : str
        Of `promolab.UpliftModel`; without a learner the best of several is taken.
    seed : int
        Start of every random number.

    Raises
    ------
    InputError
        There is no such kind or learner.
    """
    from promolab.effects import Refused, UpliftModel

    model = UpliftModel(kind, learner or None, seed=seed)
    trial = choice.experiment
    if trial is None:
        return UpliftStep(choice)
    with suppress(Refused):  # the checks say why
        model.fit(trial)
    checks = _with_similar(model.checks_, choice.similar)
    failed = [check.sentence for check in checks.checks if check.verdict == "refused"]
    return UpliftStep(choice, checks, None if failed else model, " ".join(failed))


def _with_similar(checks: UpliftChecks, similar: Difference | None) -> UpliftChecks:
    """Add the rule of the read-out, so that no two pages differ in what they call an effect."""
    from promolab.effects import Check

    if similar is None:
        return checks
    rule = "by the rule for promotions that ended"
    check = (
        Check("similar customers", "passed", f"Identified {rule} as well: {similar.why}.")
        if similar.identified
        else Check("similar customers", "refused", f"Not identified {rule}: {similar.why}.")
    )
    return dataclasses.replace(checks, checks=(*checks.checks, check))


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
    if step.model is not None and step.targeting is not None and step.best_arm is not None:
        kept["average"] = step.model.average().to_dict()
        kept["targeting"] = step.targeting.to_dict()
        kept["calibrated"] = step.model.calibrated_.to_dict()
        kept["best_arm"] = step.best_arm.to_dict()
    if step.calibration is not None:
        kept["calibration"] = step.calibration.to_dict()
    return kept
