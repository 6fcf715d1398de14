"""What weeks added by the policy that decided them, and what the log of decisions can support."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from promolab.adaptive import GREEDY
from promolab.contract import NONE
from promolab.loop.promises.assignment import PROFIT, SETTLED
from promolab.loop.promises.forecast_errors import ComparedForecasts, whole_weeks
from promolab.results import Result
from promolab.stats import compare_means, t_quantile

if TYPE_CHECKING:
    from promolab.contract import Shop
    from promolab.folder import RunFolder

LEVEL = 0.95
_ENDS = ("", "_low", "_high")
COLUMNS = ["policy", "weeks", *(f"{name}{end}" for name in ("added", "gap") for end in _ENDS)]


@dataclass(frozen=True)
class PolicyWeeks(Result):
    """Which policy's weeks added more; made by `weeks_by_policy`.

    Parameters
    ----------
    frame : DataFrame
        A row per policy: policy, weeks, added (profit a week, in money, with its interval: the
        spread of weeks), gap (that less the greedy policy's, with its interval).
    worth : Series of float
        Per kind of promotion, and none: to how many decisions, drawn for it alone, the log amounts
        (Kish 1965), by chances on record; empty where there are none.
    currency : str
    """

    frame: pd.DataFrame = field(repr=False)
    worth: pd.Series[Any] = field(repr=False)
    currency: str = ""

    def __bool__(self) -> bool:
        return len(self.frame) > 0

    def facts(self) -> Mapping[str, Any]:
        """Return whether another policy than the greedy one added more beyond chance."""
        above, single = self.frame[self.frame["gap_low"] > 0], len(self.frame) == 1
        verdict = "worth" if len(above) else "alone" if single else "suffices"
        least = float(self.worth.min()) if len(self.worth) else 0.0
        return {
            "verdict": verdict if self else "none",
            "only": str(self.frame["policy"].iloc[0]) if self else "",
            "weeks": int(self.frame["weeks"].sum()),
            "above": above,
            "least": least,
            "action": str(self.worth.idxmin()) if len(self.worth) else "",
        }


def weeks_by_policy(
    weeks: pd.DataFrame, worth: pd.Series[Any] | None = None, currency: str = ""
) -> PolicyWeeks:
    """Compare what the weeks of each policy added with those of the greedy one.

    Where both decided the same weeks, as in a rehearsed loop, weeks are compared with themselves.
    Weeks count as independent of each other.

    Parameters
    ----------
    weeks : DataFrame
        A row per policy and week: policy, week, added (money).
    worth : Series, optional
        As `PolicyWeeks` has it.
    currency : str

    Examples
    --------
    >>> weeks = pd.DataFrame({"week": [1, 2, 3] * 2, "added": [5, 7, 6, 8, 10, 9]})
    >>> found = weeks_by_policy(weeks.assign(policy=["greedy"] * 3 + ["ucb"] * 3))
    >>> found.frame[["policy", "weeks", "added", "gap"]].values.tolist()
    [['greedy', 3, 6.0, nan], ['ucb', 3, 9.0, 3.0]]
    """
    rows, greedy = [], weeks[weeks["policy"] == GREEDY]
    for policy, mine in weeks.groupby("policy", sort=False):
        both, gap = mine.merge(greedy, on="week", suffixes=("", "_greedy")), (np.nan,) * 3
        if policy != GREEDY and len(both) > 1:
            gap = _around(both["added"] - both["added_greedy"])
        elif policy != GREEDY and min(len(mine), len(greedy)) > 1:
            every = pd.concat([mine, greedy])
            arms = compare_means(every["added"].to_numpy(float), np.arange(len(every)) < len(mine))
            gap = (arms.value, *arms.interval(LEVEL))
        rows.append((policy, len(mine), *_around(mine["added"]), *gap))
    none = pd.Series(dtype=float)
    return PolicyWeeks(
        pd.DataFrame(rows, columns=COLUMNS), none if worth is None else worth, currency
    )


def _around(values: pd.Series[Any]) -> tuple[float, float, float]:
    """Return a mean with Student's interval; nan for ends of one value."""
    mean, n = float(values.mean()), len(values)
    half = float(t_quantile(LEVEL, max(n - 1, 1)) * values.std(ddof=1) / np.sqrt(n))
    return mean, mean - half, mean + half


def policy_weeks(run: RunFolder, said: ComparedForecasts, shop: Shop) -> PolicyWeeks:
    """Return what settled weeks added, by the policy that decided them, and what the log is worth.

    Parameters
    ----------
    run : RunFolder
        The week that looks back; of each earlier week its folder says which policy decided.
    said : ComparedForecasts
        With what came of earlier weeks.
    shop : Shop
        With the decisions that were carried out.
    """
    came = whole_weeks(said.rows, PROFIT)
    came = came[(came["state"] == SETTLED) & came["came"].notna()]
    by = {week: _policy_of(run, week) for week in came["week"]}
    weeks = came.assign(policy=came["week"].map(by), added=came["came"])
    return weeks_by_policy(weeks, _worth(shop, run.as_of), said.currency)


def _policy_of(run: RunFolder, week: Any) -> str:
    return str((run.reports.run(week).metrics.get("policy") or {}).get("policy", GREEDY))


def _worth(shop: Shop, as_of: datetime) -> pd.Series[Any]:
    """Return what the log of decisions is worth, by kind of promotion."""
    if not shop.has("decisions", "propensity"):
        return pd.Series(dtype=float)
    rows = shop.decisions.filter(shop.decisions.ts < as_of, shop.decisions.propensity > 0)
    weight = 1 / rows.propensity
    sums = rows.group_by("action").agg(once=weight.sum(), twice=(weight * weight).sum()).execute()
    kinds = shop.promotions.select("promotion_id", "kind").execute().astype(str)
    kind = sums["action"].astype(str).map(kinds.set_index("promotion_id")["kind"])
    both = sums.groupby(kind.where(sums["action"].astype(str) != NONE, NONE))[
        ["once", "twice"]
    ].sum()
    worth: pd.Series[Any] = both["once"] ** 2 / both["twice"]
    return worth
