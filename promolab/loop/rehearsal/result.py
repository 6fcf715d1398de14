"""What a rehearsal comes to: what each policy truly added, week by week, beside both oracles."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from promolab.loop.rehearsal.asked import LEARNED, NOBODY, ORACLES, Asked
from promolab.results import Result
from promolab.wording import money, percent, plural

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from promolab.display import Html

NAMES = {
    "attainable": "attainable oracle",
    "latent": "latent oracle",
}
CURRENCY = "CNY"


@dataclass(frozen=True)
class Rehearsal(Result):
    """What each policy truly added; made by `promolab.loop.rehearse`.

    Parameters
    ----------
    frame : DataFrame
        A row per policy and week: policy, number (of the week, from 1), week, contacted
        (customers), profit (truly expected added profit over nobody, window and horizon, contacts
        paid; money), spend (truly expected discounts and contacts; money), foreseen (what the
        policy expected to spend), explored (share), pays (whether spending was shown to pay), and
        of the learned policy said_value … said_readout_high: what it promised of profit, with both
        intervals.
    policies : tuple of str
        The oracles last.
    weeks, customers, seed : int
    budget : float
        Of every week.
    variant : str
    """

    frame: pd.DataFrame = field(repr=False)
    policies: tuple[str, ...]
    weeks: int
    customers: int
    seed: int
    budget: float
    variant: str

    ALT = "Cumulative added profit of each policy, week by week, beside both oracles and nobody."

    @classmethod
    def of(cls, frame: pd.DataFrame, asked: Asked) -> Rehearsal:
        """Make it of the rows of all policies."""
        return cls(
            frame, asked.run, asked.weeks, asked.customers, asked.seed, asked.budget, asked.variant
        )

    def added(self, policy: str, since: int = 1) -> float:
        """Return what a policy added from a week of the loop on, in money; nobody adds 0."""
        if policy == NOBODY:
            return 0.0
        mine = self.frame[(self.frame["policy"] == policy) & (self.frame["number"] >= since)]
        return float(mine["profit"].sum())

    def share(self, policy: str, since: int = 1) -> float:
        """Return what a policy added as a share of the attainable oracle; nan where that is 0."""
        whole = self.added(ORACLES[0], since)
        return self.added(policy, since) / whole if whole else float("nan")

    def by_policy(self) -> pd.DataFrame:
        """Return a row per policy: profit, its share of the attainable oracle, spend, contacts."""
        rows = []
        for policy in (*self.policies, NOBODY):
            mine = self.frame[self.frame["policy"] == policy]
            rows.append(
                {
                    "policy": NAMES.get(policy, policy),
                    "profit": self.added(policy),
                    "of_attainable": self.share(policy),
                    "late_of_attainable": self.share(policy, self._late),
                    "spend": float(mine["spend"].sum()),
                    "contacted": int(mine["contacted"].sum()),
                }
            )
        return pd.DataFrame(rows)

    @property
    def _late(self) -> int:
        """The first of the weeks in which a policy can have learned."""
        return min(9, self.weeks)

    def summary(self) -> str:
        """Say what was added, and how near that came to what can be attained."""
        told = [
            f"{plural(self.weeks, 'week')} of {self.customers:,} customers (variant "
            f"{self.variant}, seed {self.seed}), {_money(self.budget)} a week."
        ]
        for policy in self.policies:
            if policy in ORACLES:
                continue
            part = f"{policy} added {_money(self.added(policy))}"
            if self.share(policy) == self.share(policy):
                part += f", {percent(self.share(policy), decimals=0)} of the attainable oracle's"
            told.append(f"{part[0].upper()}{part[1:]}.")
        learned = self.frame[self.frame["policy"] == LEARNED]
        if len(learned) and not learned["pays"].any():
            told.append("Learned spent on learning alone: nothing showed that spending pays.")
        return " ".join(told)

    def table(self) -> Html:
        """Return what each policy added and spent, a row each."""
        from promolab.display import table

        return table(
            self.by_policy().assign(
                profit=lambda t: t["profit"].round(),
                spend=lambda t: t["spend"].round(),
            ),
            {
                "policy": "policy",
                "profit": f"added, {CURRENCY}",
                "of_attainable": "of the attainable oracle",
                "late_of_attainable": f"the same from week {self._late} on",
                "spend": f"spent, {CURRENCY}",
                "contacted": "contacts",
            },
            caption="True expected profit added over nobody, all policies with the same luck.",
        )

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw cumulative added profit of each policy, with both oracles dashed."""
        from promolab.plots import COLOURS, MUTED, finish, style

        with style():
            import matplotlib.pyplot as plt

            ax = ax if ax is not None else plt.subplots(figsize=(6.4, 3.8))[1]
            ax.axhline(0.0, color=MUTED, linewidth=1)
            for place, policy in enumerate(self.policies):
                mine = self.frame[self.frame["policy"] == policy].sort_values("number")
                dashed = policy in ORACLES
                ax.plot(
                    [0, *mine["number"]], [0.0, *mine["profit"].cumsum()],
                    color=MUTED if dashed else COLOURS[place % len(COLOURS)],
                    linestyle={"attainable": "--", "latent": ":"}.get(policy, "-"),
                    label=NAMES.get(policy, policy),
                )  # fmt: skip
            return finish(
                ax,
                title="Added profit over nobody",
                subtitle=f"{self.customers:,} customers, variant {self.variant}, seed {self.seed}",
                xlabel="week",
                ylabel=f"{CURRENCY}, cumulative",
            )

    def lines(self) -> list[str]:
        """Return what each policy added, a line each, for a terminal."""
        found = []
        for row in self.by_policy().to_dict("records"):
            of = percent(row["of_attainable"], decimals=0) if self._known(row) else "–"
            found.append(
                f"  {row['policy']:<18} {row['profit']:>12,.0f} {CURRENCY}  {of:>6} of the "
                f"attainable oracle, {row['spend']:>12,.0f} spent"
            )
        return found

    @staticmethod
    def _known(row: dict[Any, Any]) -> bool:
        return bool(row["of_attainable"] == row["of_attainable"])

    def draw(self, path: Path) -> Path:
        """Write the figure to a file, and return its path."""
        axes = self.plot()
        figure: Any = axes.get_figure()
        figure.savefig(path, dpi=110, bbox_inches="tight", metadata={"Software": None})
        return path

    def to_dict(self) -> dict[str, Any]:
        """Return the final figures."""
        rows = self.by_policy().set_index("policy")
        return {
            "weeks": self.weeks,
            "customers": self.customers,
            "budget": self.budget,
            "variant": self.variant,
            "seed": self.seed,
            "policies": {str(name): row.to_dict() for name, row in rows.iterrows()},
        }


def _money(value: float) -> str:
    return money(value, currency=CURRENCY)
