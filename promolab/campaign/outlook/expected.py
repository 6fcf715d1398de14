"""How many redemptions a list will bring, and how far such forecasts miss."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from promolab.compare import expected_responses, response_ratios
from promolab.errors import InputError
from promolab.metrics import wilson
from promolab.results import Estimate, Result, plain
from promolab.wording import answer_to, count, is_one, number, percent, plural

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from promolab.compare import Backtest
    from promolab.metrics import PastRatios

__all__ = [
    "PREDICTION_LEVEL",
    "TOO_FEW",
    "ListOutlook",
    "OutlookCoverage",
    "expected_of",
    "expected_words",
    "list_outlook",
    "roll_outlook",
    "type_of",
]


PREDICTION_LEVEL = 0.90
"""How often what is still to come should fall into its interval; of what was measured, 95 %."""

TOO_FEW = "fewer than three past promotions tell how far such a list misses"


def expected_words(expected: float, low: float, high: float) -> str:
    """Write expected redemptions with their interval, where there is one.

    Examples
    --------
    >>> expected_words(183.2, 81.4, 441.9), expected_words(54.9, float("nan"), float("nan"))
    ('180 [80, 440]', '55')
    """
    return number(expected, low, high, decimals=None if np.isfinite(low) else 0)


@dataclass(frozen=True)
class ListOutlook(Result):
    """How many of the likeliest customers will redeem, for lists of several sizes.

    Parameters
    ----------
    promotion_id : object
        The promotion.
    table : DataFrame
        customers, expected, ci_low, ci_high (90 % prediction interval), rate (expected /
        customers), inside (share of the list whose like was contacted before).
    usual : int
        Customers that past promotions of its type contacted, in the median.
    promotions : int
        Past promotions behind the interval.
    kind : str
        Kind of the promotion: chooses the words (`promolab.wording.answer_to`).
    """

    promotion_id: Any
    table: pd.DataFrame = field(repr=False)
    usual: int
    promotions: int
    kind: str = "coupon"

    @property
    def at_usual(self) -> pd.Series[Any]:
        """The row of the list of usual size."""
        nearest_row = (self.table["customers"] - self.usual).abs().to_numpy().argmin()
        return self.table.iloc[int(nearest_row)]

    def to_frame(self) -> pd.DataFrame:
        """Return one row per list size."""
        return self.table

    def summary(self) -> str:
        """Say what the list of usual size will bring."""
        row = self.at_usual
        text = expected_words(row["expected"], row["ci_low"], row["ci_high"])
        sentence = (
            f"If the {count(row['customers'])} likeliest are contacted, about {text} of them are "
            f"expected to {answer_to(self.kind).verb} ({percent(row['rate'], decimals=0)})."
        )
        return sentence if np.isfinite(row["ci_low"]) else f"{sentence} {self.interval_note()}"

    def interval_note(self) -> str:
        """Say where the intervals come from, or why there are none."""
        if self.promotions < 3:
            return f"No intervals: {TOO_FEW}."
        return (
            "The chances of the list added up, times what past promotions brought of that, "
            "weighted by size and type; "
            f"{percent(PREDICTION_LEVEL, decimals=0)} intervals from how far {self.promotions} of "
            "them missed as a whole."
        )

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the expected redemptions against the size of the list, with the band."""
        from promolab import plots

        table = self.table
        ax = plots.curve(
            table["customers"], table["expected"], low=table["ci_low"], high=table["ci_high"], ax=ax
        )
        return plots.finish(
            ax,
            title=self.summary(),
            subtitle=self.interval_note(),
            xlabel="customers contacted, likeliest first",
            ylabel=f"{answer_to(self.kind).noun}s expected",
        )


def type_of(promotion: Mapping[Any, Any]) -> str:
    """Return what a promotion is compared by: its type, else its kind.

    Examples
    --------
    >>> type_of({"kind": "coupon", "type": "A"}), type_of({"kind": "coupon", "type": None})
    ('A', 'coupon')
    """
    told = promotion.get("type")
    return told if isinstance(told, str) and told else str(promotion.get("kind") or "")


def expected_of(chances: pd.Series[float], ratios: PastRatios, type_: str = "") -> Estimate:
    """Return how many of a list will redeem, with the interval of a promotion still to come.

    Parameters
    ----------
    chances : Series
        Predicted chances of those who are contacted; their order does not matter.
    ratios : PastRatios
        How far whole promotions missed before: `promolab.compare.Backtest.past_ratios`.
    type_ : str
        The promotion's (`type_of`).

    Returns
    -------
    Estimate
        The mean, at `PREDICTION_LEVEL`, never more than there are on the list; n is the number of
        past promotions behind the interval, whose ends are nan with fewer than three.
    """
    found = expected_responses(math.fsum(chances), ratios, PREDICTION_LEVEL, type_)
    most = float(len(chances))
    return Estimate(min(found.value, most), found.ci_low, min(found.ci_high, most), found.n)


def list_outlook(
    scores: pd.DataFrame,
    backtest: Backtest,
    usual: int,
    sizes: Sequence[int] | None = None,
    kind: str = "coupon",
    type_: str = "",
) -> ListOutlook:
    """Say how many redemptions lists of several sizes will bring, the likeliest customers first.

    Parameters
    ----------
    scores : DataFrame
        Of one promotion: customer_id, promotion_id, p_redeemed, support.
    backtest : Backtest
        Gives the interval: how far whole promotions missed before
        (`promolab.compare.Backtest.expected_interval`).
    usual : int
        The size of list to speak of.
    sizes : sequence of int, optional
        Sizes of lists; by default a quarter, half, once and twice the usual one, and everybody.
    kind, type_ : str
        Of the promotion (`type_of`).

    Returns
    -------
    ListOutlook
    """
    ranked = scores.sort_values(["p_redeemed", "customer_id"], ascending=[False, True])
    everybody = len(ranked)
    wanted = sizes or [usual // 4, usual // 2, usual, 2 * usual, everybody]
    wanted = sorted({min(size, everybody) for size in wanted if size > 0})
    inside = (ranked["support"] == "inside").cumsum().to_numpy()
    rows = []
    for size in wanted:
        estimate = expected_of(ranked["p_redeemed"].head(size), backtest.past_ratios, type_)
        rows.append(
            {
                "customers": size,
                "expected": estimate.value,
                "ci_low": estimate.ci_low,
                "ci_high": estimate.ci_high,
                "rate": estimate.value / size,
                "inside": inside[size - 1] / size,
            }
        )
    return ListOutlook(
        ranked["promotion_id"].iloc[0],
        pd.DataFrame(rows),
        min(usual, everybody),
        backtest.past_ratios.k,
        kind,
    )


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


@dataclass(frozen=True)
class OutlookCoverage(Result):
    """Forecasts of past promotions beside what came; made by `roll_outlook`.

    Parameters
    ----------
    table : DataFrame
        One row per past promotion, the earliest first: promotion_id, starts_at, known (promotions
        behind the forecast: over before it was made), contacts, expected, ci_low, ci_high (90 %
        prediction interval; nan where fewer than three were known), observed (who redeemed) and
        inside (missing where there is no interval).
    kinds : tuple of str
        Kinds of promotions among them: choose the words (`promolab.wording.answer_to`).
    """

    table: pd.DataFrame = field(repr=False)
    kinds: tuple[str, ...] = ()

    @property
    def share(self) -> Estimate:
        """The share of intervals that held what came, with Wilson's 95 % interval."""
        inside = self.table["inside"].dropna()
        n, hits = len(inside), int(inside.sum())
        if n == 0:
            return Estimate(float("nan"), float("nan"), float("nan"), 0)
        low, high = wilson(hits, n)
        return Estimate(hits / n, float(low), float(high), n)

    @property
    def bias(self) -> float:
        """Expected ÷ observed, all that have an interval together; nan where nothing came."""
        told = self.table[self.table["inside"].notna()]
        came = float(told["observed"].sum())
        return float(told["expected"].sum()) / came if came else float("nan")

    def to_frame(self) -> pd.DataFrame:
        """Return one row per past promotion."""
        return self.table

    def to_dict(self) -> dict[str, Any]:
        """Return the level of the intervals and how often they held."""
        return {"level": PREDICTION_LEVEL, "share": self.share.to_dict(), "bias": plain(self.bias)}

    def summary(self) -> str:
        """Say how often past promotions fell into their interval."""
        share, level = self.share, percent(PREDICTION_LEVEL, decimals=0)
        words = answer_to(self.kinds)
        if share.n == 0:
            return (
                "No past promotion had three before it that were over, so no forecast of "
                f"{words.noun}s can be checked."
            )
        held = percent(share.value, share.ci_low, share.ci_high)
        told = self.table[self.table["inside"].notna()]
        more = int((told["observed"] > told["expected"]).sum())
        rest = count(share.n - more)
        came, expected = told["observed"].sum(), told["expected"].sum()
        return (
            f"Of {plural(share.n, 'past promotion')}, each forecast from those over before it, "
            f"{count(round(share.value * share.n))} fell into the {level} interval: {held}. In "
            f"{count(more)} of them more {words.past} than expected, in {rest} as many or fewer; "
            f"together {count(came)} did where {count(expected)} "
            f"{'was' if is_one(count(expected)) else 'were'} expected."
        )

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw what came (solid) beside what was expected (hollow) and its interval, in logs.

        Raises
        ------
        InputError
            There is no forecast with an interval.
        """
        from promolab import plots

        rows = self.table[self.table["inside"].notna()].iloc[::-1]
        if rows.empty:
            raise InputError(f"there is nothing to draw: {self.summary()}")
        words = answer_to(self.kinds)
        # On a scale of ratios, for a forecast of 5 misses by as many times as one of 500.
        shown = rows[["expected", "ci_low", "ci_high", "observed"]].clip(lower=0.5)
        logs = shown.transform(np.log10)
        ax = plots.intervals(
            rows["promotion_id"].astype(str).tolist(),
            logs["expected"],
            logs["ci_low"],
            logs["ci_high"],
            text=[
                f"{n:,} of {m:,}" for n, m in zip(rows["observed"], rows["contacts"], strict=True)
            ],
            ax=ax,
        )
        dots = ax.collections[-1]
        dots.set_edgecolor(dots.get_facecolor())
        dots.set_facecolor("white")
        ax.scatter(logs["observed"], range(len(rows)), c="#222222", s=26, zorder=4)
        axes = plots.finish(
            ax,
            title=self.summary().split(". ")[0],
            subtitle=f"{words.who}s: came (solid), expected (hollow) with its "
            f"{percent(PREDICTION_LEVEL, decimals=0)} interval, latest promotion first; "
            f"right: {words.past} of contacted",
            xlabel=f"customers who {words.verb} (each step is so many times more)",
        )
        _label_in_customers(axes, float(logs.to_numpy().min()), float(logs.to_numpy().max()))
        return axes


def _label_in_customers(ax: Axes, low: float, high: float) -> None:
    """Write 1, 3, 10, 30, … at an axis of logarithms."""
    steps = [s for e in range(0, 10) for s in (10**e, 3 * 10**e)]
    shown = [s for s in steps if low - 0.5 <= np.log10(s) <= high + 0.5] or [1]
    ax.set_xticks([float(np.log10(s)) for s in shown], [number(s, decimals=0) for s in shown])


def roll_outlook(backtest: Backtest, pairs: pd.DataFrame) -> OutlookCoverage:
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

    Returns
    -------
    OutlookCoverage
    """
    table = backtest.by_promotion
    kinds = kinds_of(pairs)
    if table.empty:
        return OutlookCoverage(_typed(pd.DataFrame(columns=list(_COLUMNS))), kinds)
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
    return OutlookCoverage(_typed(pd.DataFrame(rows)), kinds)


def kinds_of(pairs: pd.DataFrame) -> tuple[str, ...]:
    """Return the kinds of the promotions in pairs, where these tell them."""
    if "promotion_kind" not in pairs:
        return ()
    return tuple(sorted(pairs["promotion_kind"].dropna().astype(str).unique()))


def _typed(table: pd.DataFrame) -> pd.DataFrame:
    kept = {c: t for c, t in _COLUMNS.items() if c != "promotion_id"}
    return table[list(_COLUMNS)].astype(kept)
