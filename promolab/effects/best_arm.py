"""What giving each customer the best arm is worth, beside all and none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from promolab.display import Html, table
from promolab.effects.average_effects import best_of
from promolab.effects.identification import Identification, figure, lines, spoken, written
from promolab.effects.means import mean_of
from promolab.results import Estimate, Result, plain
from promolab.wording import arm_words, count

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from promolab.effects.average_effects import AverageEffects
    from promolab.effects.learner_selection import Candidates


BEST, NONE = "best arm", "none"
SHARED = 1.2
"""How many times as wide an interval is for folds' sharing the data that decide them."""


@dataclass(frozen=True)
class BestArmValue(Result):
    """What it gains over none to give each customer the best arm, and to give all the same.

    Parameters
    ----------
    best : Estimate
        Gain per decision, less costs, of giving each customer the arm with the largest effect less
        cost, or none where that is not above 0, cross-fitted: each fold of customers is decided by
        what the other folds tell.
    everyone : mapping of arm to Estimate
        Of giving everybody that arm: its average effect less its mean cost.
    more : Estimate
        ``best`` less the largest of ``everyone``.
    shares : mapping of arm to float
        Share of the decided who are given each arm, the control among them.
    outcome : str
    control : object
    level : float
        Of the intervals, clustered by customer.
    identification : Identification

    Notes
    -----
    Folds share the data that decide them, so that a plain standard error is too small: where no arm
    does anything, values vary 1.2 to 1.4 times as much. The intervals of ``best`` and ``more`` are
    `SHARED` times as wide, which in simulations makes 95 % of 94 to 97.
    """

    best: Estimate
    everyone: dict[Any, Estimate]
    more: Estimate
    shares: dict[Any, float]
    outcome: str
    control: Any
    level: float
    identification: Identification

    @property
    def value(self) -> float:
        """The gain of the best arm, under the name that all estimates share."""
        return self.best.value

    @property
    def ci_low(self) -> float:
        """Lower end of its interval."""
        return self.best.ci_low

    @property
    def ci_high(self) -> float:
        """Upper end of its interval."""
        return self.best.ci_high

    @property
    def all(self) -> Any:
        """The arm that gains most where everybody is given the same."""
        return max(self.everyone, key=lambda arm: self.everyone[arm].value)

    def to_frame(self) -> pd.DataFrame:
        """Return one row per policy: policy, value, ci_low, ci_high, n.

        That of giving none gains 0 by definition, and has no interval.
        """
        import pandas as pd

        rows = {BEST: self.best}
        rows |= {f"all: {arm}": estimate for arm, estimate in self.everyone.items()}
        rows[NONE] = Estimate(0.0, float("nan"), float("nan"), self.best.n)
        return pd.DataFrame([{"policy": name, **vars(each)} for name, each in rows.items()])

    def to_dict(self) -> dict[str, Any]:
        """Return the figures as plain values."""
        return {
            "best": plain(self.best),
            "all": {str(arm): plain(each) for arm, each in self.everyone.items()},
            "none": 0.0,
            "more": plain(self.more),
            "shares": plain(self.shares),
            "outcome": self.outcome,
            "identification": str(self.identification),
        }

    def summary(self) -> str:
        """Say what the best arm gains, beside giving all the same, or none."""
        if not self.identification.causal:
            return self.identification.qualified("What the best arm gains is not known.")
        arm = self.all
        everyone = self.everyone[arm]
        words = (
            f"Giving each customer the arm that other customers show to be best gains "
            f"{self._written(self.best)}; giving everybody {arm_words(arm)} "
            f"{self._written(everyone)}; giving none 0. {self._verdict()}"
        )
        return self.identification.qualified(words)

    def _verdict(self) -> str:
        if self.best.value == self.best.ci_low == self.best.ci_high == 0:
            return "Nobody would be given anything."
        if self.more.ci_low > 0:
            return f"Choosing is worth {self._written(self.more)} more than giving all the same."
        if self.best.ci_low > 0:
            return "Whether choosing is worth more than giving all the same is not known."
        return "Whether choosing gains anything is not known."

    def _written(self, e: Estimate) -> str:
        if e.ci_low == e.ci_high == e.value:
            return f"{figure(e.value)} {self.outcome} per decision"
        return f"{figure(e.value, e.ci_low, e.ci_high)} {self.outcome} per decision"

    def table(self) -> Html:
        """Return what each policy gains over none."""
        frame = self.to_frame()
        policy = frame["policy"].map(spoken)
        rows = frame.assign(policy=policy, gain=written(frame, "value", "ci_low", "ci_high"))
        shown = {"policy": "who gets what", "gain": "gain over none [95 %]", "n": "decisions"}
        caption = (
            f"In {self.outcome} per decision, before the cost of contacts. Best arm: each customer "
            "gets the arm that the other fifths of the customers show to be best, or none; all: "
            "everybody gets it."
        )
        return table(rows, shown, {"gain": str, "n": count}, caption=caption, most=20)

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw what each policy gains over none, with its interval."""
        from promolab import plots

        rows = self.to_frame().iloc[:-1]
        ax = plots.intervals(
            rows["policy"].map(spoken).tolist(), rows["value"], rows["ci_low"], rows["ci_high"],
            reference=0.0, ax=ax,
        )  # fmt: skip
        return plots.finish(
            ax,
            title=self._verdict().rstrip("."),
            subtitle=f"Gain in {self.outcome} per decision over giving none, {self.level:.0%} "
            f"intervals; n = {count(self.best.n)}, {self.identification}",
            xlabel=self.outcome,
        )


def best_arm_value(
    candidates: Candidates, cost: np.ndarray, average: AverageEffects, arms: tuple[Any, ...]
) -> BestArmValue:
    """Decide each fold by what the others tell, and add up what the scores say of it.

    Parameters
    ----------
    candidates : Candidates
    cost : ndarray of shape (n, K − 1)
    average : AverageEffects
    arms : tuple
        All arms, the control first.
    """
    rows, kept = candidates.setting.rows, candidates.kept
    gamma = candidates.setting.nuisance.gamma
    decided = kept.any(axis=1)
    worth = np.where(kept, candidates.by_others - cost, -np.inf)[decided]
    chosen = best_of(worth, tuple(range(len(arms)))).astype(np.int64)
    net = np.where(kept, gamma - cost, 0.0)[decided]
    gains = np.column_stack([np.zeros(len(net)), net])
    mine = gains[np.arange(len(gains)), chosen]
    _, customers = np.unique(rows.cluster[decided], return_inverse=True)
    everyone = {}
    for k, row in enumerate(lines(average.rows)):
        paid = float(cost[kept[:, k], k].mean()) if kept[:, k].any() else 0.0
        everyone[row.arm] = Estimate(
            float(row.effect) - paid, float(row.ci_low) - paid, float(row.ci_high) - paid, row.n
        )
    first = max(range(1, len(arms)), key=lambda k: everyone[arms[k]].value)
    shares = np.bincount(chosen, minlength=len(arms)) / max(len(chosen), 1)
    return BestArmValue(
        _wider(mean_of(mine, customers, average.level).estimate),
        everyone,
        _wider(mean_of(mine - gains[:, first], customers, average.level).estimate),
        dict(zip(arms, shares.tolist(), strict=True)),
        average.outcome,
        average.control,
        average.level,
        average.identification,
    )


def _wider(e: Estimate) -> Estimate:
    return Estimate(
        e.value, e.value - SHARED * (e.value - e.ci_low), e.value + SHARED * (e.ci_high - e.value),
        e.n,
    )  # fmt: skip
