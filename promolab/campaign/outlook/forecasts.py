"""How many redemptions a list will bring, and how such forecasts of past promotions held."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from promolab.compare import expected_responses, response_ratios
from promolab.display import Html, join, link, say
from promolab.promotions import PREDICTION_LEVEL
from promolab.results import Estimate, Result
from promolab.stats import wilson
from promolab.weeks import local_day
from promolab.wording import answer_to

if TYPE_CHECKING:
    from promolab.compare import Backtest
    from promolab.contract import Shop
    from promolab.folder import RunFolder
    from promolab.metrics import PastRatios


MOST_SHOWN = 3
"""Promotions on the first page."""
_COLUMNS: Mapping[str, str] = {
    "promotion_id": "object",
    "starts_at": "datetime64[us]",
    "known": "int64",
    "contacts": "int64",
    "expected": "float64",
    "ci_low": "float64",
    "ci_high": "float64",
    "observed": "int64",
    "inside": "boolean",
}


def type_of(promotion: Mapping[Any, Any]) -> str:
    """Return what a promotion is compared by: its type, else its kind.

    Examples
    --------
    >>> type_of({"kind": "coupon", "type": "A"}), type_of({"kind": "coupon", "type": None})
    ('A', 'coupon')
    """
    told = promotion.get("type")
    return told if isinstance(told, str) and told else str(promotion.get("kind") or "")


def expected_of(
    chances: pd.Series[float], ratios: PastRatios, type_: str = "", *, recorded: bool = True
) -> Estimate:
    """Return how many of a list will redeem, with the interval of a promotion still to come.

    Parameters
    ----------
    chances : Series
        Predicted chances of those who are contacted; their order does not matter.
    ratios : PastRatios
        How far whole promotions missed before: `promolab.compare.Backtest.past_ratios`.
    type_ : str
        The promotion's (`type_of`).
    recorded : bool
        Whether the shop records who answers its kind (`promolab.promotions.kinds_answered`): what
        other kinds bring says nothing of it.

    Returns
    -------
    Estimate
        nan where answers are not recorded; else the mean, at `PREDICTION_LEVEL`, never more than
        there are on the list; n is the number of past promotions behind the interval, whose ends
        are nan with fewer than three.
    """
    if not recorded:
        return Estimate(math.nan)
    found = expected_responses(math.fsum(chances), ratios, PREDICTION_LEVEL, type_)
    most = float(len(chances))
    return Estimate(min(found.value, most), found.ci_low, min(found.ci_high, most), found.n)


def list_outlook(
    scores: pd.DataFrame, ratios: PastRatios, usual: int, type_: str = "", *, recorded: bool = True
) -> pd.DataFrame:
    """Say how many redemptions lists of several sizes will bring, the likeliest customers first.

    Parameters
    ----------
    scores : DataFrame
        Of one promotion: customer_id, promotion_id, p_redeemed, support.
    ratios, type_, recorded
        As of `expected_of`.
    usual : int
        Customers that past promotions of its type contacted, in the median.

    Returns
    -------
    DataFrame
        promotion_id, customers (a quarter, half, once and twice the usual size, and everybody),
        expected, ci_low, ci_high (90 % prediction interval), rate (expected / customers), inside
        (share of the list whose like was contacted before), usual.
    """
    ranked = scores.sort_values(["p_redeemed", "customer_id"], ascending=[False, True])
    everybody = len(ranked)
    wanted = [usual // 4, usual // 2, usual, 2 * usual, everybody]
    sizes = sorted({min(size, everybody) for size in wanted if size > 0})
    found = [
        expected_of(ranked["p_redeemed"].head(size), ratios, type_, recorded=recorded).ends
        for size in sizes
    ]
    rows = pd.DataFrame(found, columns=["expected", "ci_low", "ci_high"])
    rows.insert(0, "customers", sizes)
    inside = (ranked["support"] == "inside").cumsum().to_numpy()[np.array(sizes) - 1]
    rows = rows.assign(rate=rows["expected"] / sizes, inside=inside / sizes)
    rows.insert(0, "promotion_id", ranked["promotion_id"].iloc[0])
    return rows.assign(usual=min(usual, everybody))


def kinds_of(pairs: pd.DataFrame) -> tuple[str, ...]:
    """Return the kinds of the promotions in pairs, where these tell them."""
    if "promotion_kind" not in pairs:
        return ()
    return tuple(sorted(pairs["promotion_kind"].dropna().astype(str).unique()))


@dataclass(frozen=True)
class OutlookCoverage(Result):
    """Forecasts of past promotions beside what came; made by `roll_outlook`.

    Parameters
    ----------
    frame : DataFrame
        One row per past promotion, the earliest first: promotion_id, starts_at, known (promotions
        behind the forecast: over before it was made), contacts, expected, ci_low, ci_high (90 %
        prediction interval; nan where fewer than three were known), observed (who redeemed) and
        inside (missing where there is no interval).
    kinds : tuple of str
        Kinds of promotions among them: choose the words (`promolab.wording.answer_to`).
    zone : str
        Where days begin.
    names : mapping of promotion_id to str
        What readers call them; by default their ids.
    """

    frame: pd.DataFrame = field(repr=False)
    kinds: tuple[str, ...] = ()
    zone: str = "UTC"
    names: Mapping[Any, str] = field(default_factory=dict, repr=False)

    @property
    def share(self) -> Estimate:
        """The share of intervals that held what came, with Wilson's 95 % interval."""
        inside = self.frame["inside"].dropna()
        n, hits = len(inside), int(inside.sum())
        if n == 0:
            return Estimate(np.nan)
        low, high = wilson(hits, n)
        return Estimate(hits / n, float(low), float(high), n)

    @property
    def bias(self) -> float:
        """Expected ÷ observed, all that have an interval together; nan where nothing came."""
        told = self.frame[self.frame["inside"].notna()]
        came = float(told["observed"].sum())
        return float(told["expected"].sum()) / came if came else float("nan")

    @classmethod
    def read(cls, run: RunFolder, shop: Shop) -> OutlookCoverage:
        """Read back what a week's run wrote of it (``outlook_coverage``), in the language at hand.

        Parameters
        ----------
        run : RunFolder
        shop : Shop
            With promotions.
        """
        rows, offers = run.read_table("outlook_coverage"), shop.promotions.execute()
        kinds = pd.Series(offers["kind"].to_numpy(), offers["promotion_id"].astype(str))
        told = kinds.reindex(rows["promotion_id"].astype(str)).fillna("")
        names = {
            i: shop.promotion_name(k, i) for i, k in zip(rows["promotion_id"], told, strict=True)
        }
        return cls(rows, tuple(sorted(set(told) - {""})), shop.zone, names)

    def block(self) -> Html:
        """Return it as the week's page has it: how often forecasts held, and the latest of them."""
        table = [self.to_table("table_of_latest")] if len(self.frame) else []
        page = link("04_response.html", self.say("all_forecasts"))
        return join([say(self.summary()), *table, page])

    def facts(self) -> dict[str, Any]:
        """Return how often forecasts held, by how much all missed, and the rows to show."""
        told, share = self.frame[self.frame["inside"].notna()], self.share
        more = int((told["observed"] > told["expected"]).sum())
        rows = self.frame.iloc[::-1] if share.n else self.frame.head(0)
        starts = [local_day(moment, self.zone) for moment in rows["starts_at"]]
        return {
            "state": "some" if share.n else "none",
            "answer": answer_to(self.kinds),
            "level": PREDICTION_LEVEL,
            "hits": round(share.value * share.n) if share.n else 0,
            "more": more,
            "rest": share.n - more,
            "came": told["observed"].sum(),
            "expected": told["expected"].sum(),
            "latest": self._shown(rows).assign(start=starts),
            "newest": lambda: self._shown(self.frame.iloc[::-1].head(MOST_SHOWN)),
        }

    def _shown(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Return rows with names, and with how each forecast held as a code."""
        names = [self.names.get(one, str(one)) for one in rows["promotion_id"]]
        held = rows["inside"].map({True: "inside", False: "outside"}).fillna("no interval")
        return rows.assign(name=names, held=held)


def roll_outlook(backtest: Backtest, pairs: pd.DataFrame, zone: str = "UTC") -> OutlookCoverage:
    """Forecast each promotion of a backtest as it would have been then, and see what came.

    The model of each was fitted on promotions over before it (that is the backtest); here what
    corrects its sum, and the interval, come from those alone too.

    Parameters
    ----------
    backtest : Backtest
        By promotion: expected and observed redemptions of all who were contacted.
    pairs : DataFrame
        What it was made from: promotion_id, ends_at, and as_of (by default starts_at), the moment
        at which each promotion was predicted; and promotion_kind, where it is there.
    zone : str
        Where days begin: the shop's.

    Returns
    -------
    OutlookCoverage
    """
    table = backtest.by_promotion
    kinds = kinds_of(pairs)
    if table.empty:
        return OutlookCoverage(_typed(pd.DataFrame(columns=list(_COLUMNS))), kinds, zone)
    moment = "as_of" if "as_of" in pairs else "starts_at"
    grouped = pairs.groupby("promotion_id", observed=True)
    ends = table["promotion_id"].map(grouped["ends_at"].max())
    made = table["promotion_id"].map(grouped[moment].min())
    rows = []
    for position, row in enumerate(table.to_dict("records")):
        past = table[(ends <= made.iloc[position]).to_numpy()]
        found = expected_responses(
            float(row["expected"]),
            response_ratios(past),
            PREDICTION_LEVEL,
            str(row.get("type", "")),
        )
        low, high = found.ci_low, min(found.ci_high, float(row["n"]))
        told = bool(np.isfinite(low))
        rows.append(
            {
                "promotion_id": row["promotion_id"],
                "starts_at": row["starts_at"],
                "known": len(past),
                "contacts": row["n"],
                "expected": min(found.value, float(row["n"])),
                "ci_low": low,
                "ci_high": high if told else float("nan"),
                "observed": row["positives"],
                "inside": low <= row["positives"] <= high if told else pd.NA,
            }
        )
    return OutlookCoverage(_typed(pd.DataFrame(rows)), kinds, zone, backtest.names)


def _typed(table: pd.DataFrame) -> pd.DataFrame:
    kept = {c: t for c, t in _COLUMNS.items() if c != "promotion_id"}
    return table[list(_COLUMNS)].astype(kept)
