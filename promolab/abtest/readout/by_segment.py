"""The effect in each segment, and whether segments differ at all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from promolab.abtest.analysis import ArmComparison, Metric
from promolab.abtest.readout.decision import adjusted, change_of, p_of_gain
from promolab.effects import spoken
from promolab.results import Estimate, Result, plain


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

    def facts(self) -> dict[str, Any]:
        """Return each arm's segments that have an effect of their own, and the rows as shown."""
        alpha, scaled = 1 - self.level, self.frame.copy()
        scaled[["value", "ci_low", "ci_high"]] *= 100 if self.kind == "share" else 1
        effects: dict[str, Any] = {}
        for row in self.frame.to_dict("records"):
            effects.setdefault(str(row.pop("arm")), {})[str(row.pop("segment"))] = plain(row)
        arms = []
        for arm, test in self.differ.set_index("arm").iterrows():
            rows = self.frame[(self.frame["arm"] == arm) & (self.frame["p_adjusted"] <= alpha)]
            shown = [
                {"segment": row.segment} | change_of(_estimate(row), self.kind)
                for row in rows.itertuples()
            ]
            told = {"arm": spoken(arm), "p_adjusted": float(test["p_adjusted"])}
            told |= {"differs": bool(test["p_adjusted"] <= alpha), "any_shown": bool(shown)}
            arms.append(told | {"shown": shown[:3], "more": max(len(shown) - 3, 0)})
        return {
            "called": spoken(self.metric),
            "arms": arms,
            "first": arms[:1],
            "several": len(arms) > 1,
            "scaled": scaled.assign(arm=scaled["arm"].map(spoken)),
            "effects": effects,
            "tests": {str(r.pop("arm")): plain(r) for r in self.differ.to_dict("records")},
        }


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
