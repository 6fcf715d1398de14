"""The effect in each segment, and whether segments differ at all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from promolab.abtest.analysis import ArmComparison, Metric
from promolab.abtest.readout.decision import adjusted, change_words, p_of_gain
from promolab.display import Html, table
from promolab.effects import p_words, spoken
from promolab.results import Estimate, Result, plain
from promolab.wording import capital, count, number, plural

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True)
class SegmentEffects(Result):
    """One metric by segment, every arm against the control; made by `segment_effects`.

    Parameters
    ----------
    metric, kind : str
        What is measured.
    frame : DataFrame
        A row per arm and segment: ``arm, segment, n, value, ci_low, ci_high, p, p_adjusted`` (for
        all segments of all arms).
    differ : DataFrame
        A row per arm: ``arm, q, degrees, p, p_adjusted``: whether the effect is the same in all
        segments (Cochran's Q).
    level : float
        Confidence level.

    References
    ----------
    Cochran (1954), Biometrics 10; Holm (1979), Scandinavian Journal of Statistics 6.
    """

    metric: str
    kind: str
    frame: pd.DataFrame = field(repr=False)
    differ: pd.DataFrame = field(repr=False)
    level: float = 0.95

    def to_dict(self) -> dict[str, Any]:
        """Return the effects by arm and segment, and the test of their difference by arm."""
        told: dict[str, Any] = {}
        for row in self.frame.to_dict("records"):
            told.setdefault(str(row.pop("arm")), {})[str(row.pop("segment"))] = plain(row)
        apart = {str(r.pop("arm")): plain(r) for r in self.differ.to_dict("records")}
        return {"metric": self.metric, "effects": told, "differ": apart}

    def summary(self) -> str:
        """Say in which segments there is an effect, and whether they differ."""
        alpha = 1 - self.level
        said = []
        for arm, rows in self.frame.groupby("arm", sort=False):
            shown = rows[rows["p_adjusted"] <= alpha]
            chance = float(self.differ.loc[self.differ["arm"] == arm, "p_adjusted"].iloc[0])
            differ = "segments differ" if chance <= alpha else "segments are not told apart"
            apart = f"{differ} ({p_words(chance)})"
            told = [
                f"{change_words(_estimate(row), self.kind)} in {row.segment}"
                for row in shown.itertuples()
            ]
            most = "; ".join(told[:3]) + (f" and {len(told) - 3} more" if len(told) > 3 else "")
            effects = most or "no segment has an effect of its own that chance could not make"
            said.append(f"{capital(spoken(arm))}: {apart}; {effects}.")
        return f"{capital(spoken(self.metric))} by segment. " + " ".join(said)

    def table(self) -> Html:
        """Return the effect in each segment."""
        scale = 100 if self.kind == "share" else 1
        rows = self.frame.assign(
            arm=self.frame["arm"].map(spoken),
            effect=[
                number(*(scale * end for end in ends))
                for ends in self.frame[["value", "ci_low", "ci_high"]].to_numpy(dtype=float)
            ],
            told=self.frame["p_adjusted"].map(p_words),
        )
        unit = ", points" if self.kind == "share" else ""
        return table(
            rows,
            {
                "arm": "arm",
                "segment": "segment",
                "n": "customers",
                "effect": f"more {spoken(self.metric)}{unit}",
                "told": "chance alone, all segments allowed for",
            },
            {"n": count},
            caption="Against the control, by segment.",
            most=20,
        )

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the effect in each segment with its interval."""
        from promolab import plots

        scale = 100 if self.kind == "share" else 1
        several = len(set(self.frame["arm"])) > 1
        labels = [
            f"{row.segment} · {spoken(row.arm)}" if several else str(row.segment)
            for row in self.frame.itertuples()
        ]
        ends = (scale * self.frame[name] for name in ("value", "ci_low", "ci_high"))
        ax = plots.intervals(labels, *ends, reference=0.0, ax=ax)
        unit = ", points" if self.kind == "share" else ""
        return plots.finish(
            ax,
            title=self.summary().split(". ", 1)[-1].split(";")[0],
            subtitle=f"{spoken(self.metric)} against the control, {plural(len(labels), 'row')}",
            xlabel=f"more {spoken(self.metric)}{unit}",
        )


def _estimate(row: Any) -> Estimate:
    return Estimate(row.value, row.ci_low, row.ci_high, row.n)


def segment_effects(
    rows: Sequence[ArmComparison], metrics: Mapping[str, Metric], metric: str
) -> SegmentEffects | None:
    """Return the effects of one metric by segment; None without segments.

    Parameters
    ----------
    rows : sequence of ArmComparison
        Of segments; others are left out.
    metrics : mapping of str to Metric
    metric : str
        The one to look at: more would call for more caution.
    """
    from scipy.stats import chi2

    mine = [row for row in rows if row.metric == metric and row.segment]
    if not mine:
        return None
    frame = pd.DataFrame(
        {"arm": row.arm, "segment": row.segment}
        | {"n": row.difference.n, "std_error": row.std_error}
        | dict(zip(("value", "ci_low", "ci_high"), row.difference.ends, strict=True))
        | {"p": p_of_gain(row, metrics[metric])}
        for row in mine
    )
    frame["p_adjusted"] = adjusted(frame["p"].to_list())
    tests = []
    for arm, part in frame.groupby("arm", sort=False):
        known = part[part["std_error"] > 0]
        weight = 1 / np.square(known["std_error"].to_numpy())
        value = known["value"].to_numpy()
        middle = float(weight @ value / weight.sum()) if len(known) else np.nan
        q, degrees = float(weight @ np.square(value - middle)), len(known) - 1
        p = float(chi2.sf(q, degrees)) if degrees > 0 else np.nan
        tests.append({"arm": arm, "q": q, "degrees": degrees, "p": p})
    differ = pd.DataFrame(tests)
    differ["p_adjusted"] = adjusted(differ["p"].to_list())
    return SegmentEffects(
        metric, mine[0].kind, frame.drop(columns="std_error"), differ, mine[0].level
    )
