"""What the net incremental profit of a promotion is made of, bar by bar."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from promolab.promotions.terms import FullReduction, Promotion
from promolab.results import Estimate, Result, words_of
from promolab.stats import normal_quantile
from promolab.wording import number, percent, promotion_name

if TYPE_CHECKING:
    from matplotlib.axes import Axes


MEASURED, COMPUTED, STATED, GIVEN = "measured", "computed", "stated", "measured share"
WORDS: Mapping[str, tuple[str, str]] = {
    "extra": ("Margin of extra purchases in the window, at list price", MEASURED),
    "later": ("Purchases made earlier, missing after it", GIVEN),
    "filled": ("Margin of what orders were filled up with", COMPUTED),
    "anyway": ("Discount on orders that come anyway", COMPUTED),
    "fill_discount": ("Discount on orders filled up to the threshold", COMPUTED),
    "extra_discount": ("Discount on the extra purchases", COMPUTED),
    "unused": ("Coupons not used at an order", COMPUTED),
    "returns": ("Goods that come back", COMPUTED),
    "contact": ("Contacts, and handling of coupons", STATED),
    "funded": ("Supplier's part of the discount", COMPUTED),
}
"""Name of a bar → what a page calls it, and whether it is measured, computed or stated."""
WHOLE = "Margin of extra purchases at list price, less what is missing later"
ABOVE = "Discount on orders above the threshold anyway"


@dataclass(frozen=True)
class Waterfall(Result):
    """The net incremental profit of a promotion, split; made by `PromotionValues.waterfall`.

    Parameters
    ----------
    bars : DataFrame
        A row per part, in the order of the sum: name, words, amount, ci_low, ci_high (money of
        the whole group, and its interval) and source: ``measured`` (by comparing with customers who
        got nothing), ``computed`` (from order values and the promotion's terms), ``stated`` (by the
        shop). The amounts add up to ``net.value``.
    net : Estimate
        Net incremental profit: the sum.
    cost : Estimate
        What of it is charged to the budget.
    promotion_id, face_value : str
        The promotion, and what it takes off.
    extrapolated : bool
        Whether its terms lie outside what was drawn.
    vouchers : tuple of float
        Coupons given out, and of them those expected to be used; empty for other kinds.
    currency : str
        Of all amounts.
    level : float
        Of the intervals.
    kind, title : str
        Of the promotion: what readers call it.
    anyway : float
        Share of the discount that goes to orders that come anyway; nan without a discount.
    """

    bars: pd.DataFrame = field(repr=False)
    net: Estimate
    cost: Estimate
    promotion_id: str
    face_value: str
    extrapolated: bool = False
    vouchers: tuple[float, ...] = ()
    currency: str = "USD"
    level: float = 0.9
    kind: str = "coupon"
    anyway: float = math.nan
    title: str = ""

    ALT = (
        "Waterfall of a promotion's profit: margin of extra purchases upward, discounts, returns "
        "and contacts downward, and the net incremental profit at the end."
    )

    @property
    def name(self) -> str:
        """What readers call the promotion."""
        return promotion_name(self.kind, self.promotion_id, self.title)

    def to_frame(self) -> pd.DataFrame:
        """Return one row per part."""
        return self.bars

    def amount(self, name: str) -> float:
        """Return a bar's amount.

        Parameters
        ----------
        name : str
            One of `WORDS`.
        """
        return float(self.bars.loc[self.bars["name"] == name, "amount"].sum())

    def facts(self) -> dict[str, Any]:
        """Return the parts that are not 0, and their sum."""
        net = dict(zip(("amount", "ci_low", "ci_high"), self.net.ends, strict=True))
        last = pd.DataFrame([{"words": "Net incremental profit", **net, "source": "the sum"}])
        out, used = self.vouchers or (0.0, 0.0)
        known = math.isfinite(self.anyway)
        return {
            "parts": pd.concat([self._shown, last], ignore_index=True),
            "recipients": self.net.n,
            "anyway_known": known,
            "anyway_told": anyway_words(self.anyway) if known else "",
            "given_out": out,
            "used": used,
        }

    @property
    def _shown(self) -> pd.DataFrame:
        return self.bars[self.bars["amount"].abs() > 0.005]

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the bars from 0 to the net incremental profit; computed ones are hatched."""
        from promolab import plots

        rows, net = self._shown, self.net
        amounts = rows["amount"].to_numpy(float)
        values, none = [*amounts, net.value], [math.nan] * len(amounts)
        colours = [plots.COLOURS[2] if v >= 0 else plots.COLOURS[1] for v in amounts]
        ax = plots.bars(
            [*rows["words"], "Net incremental profit"],
            values,
            low=[*none, net.ci_low],
            high=[*none, net.ci_high],
            text=[number(value) for value in values],
            colours=[*colours, plots.COLOURS[0]],
            starts=[*(np.cumsum(amounts) - amounts), 0.0],
            ax=ax,
        )
        for bar, source in zip(ax.patches, [*rows["source"], MEASURED], strict=True):
            bar.set_hatch("///" if source == COMPUTED else "")
        plots.reference_line(ax, "vertical", 0.0)
        return plots.finish(
            ax,
            title=self.summary().split(". ")[0].rstrip("."),
            subtitle="Plain bars are measured or stated, hatched ones computed from order values; "
            f"line: {percent(self.level, decimals=0)} interval",
            xlabel=f"money ({self.currency})",
        )


def anyway_words(share: float) -> str:
    """Say which share of a discount goes to orders that come anyway."""
    return words_of(__name__, share_anyway=share).say("anyway_words")


def bars_of(
    promotion: Promotion,
    amounts: Mapping[str, float],
    net: Estimate,
    *,
    cost: Estimate,
    spread: float,
    anyway: float,
    after_known: bool,
    after_measured: bool,
    extrapolated: bool,
    vouchers: tuple[float, float] | None,
    currency: str,
    level: float,
) -> Waterfall:
    """Make the waterfall of a promotion from the sums of its parts.

    Parameters
    ----------
    promotion : Promotion
        The promotion.
    amounts : mapping of str to float
        Every name of `WORDS`: the part, in money.
    net, cost : Estimate
        Net incremental profit, and what is charged to the budget.
    spread : float
        How far what is computed may lie off as a whole, as a share.
    anyway : float
        Share of the discount that goes to orders that come anyway.
    after_known : bool
        Whether the dip after the window is known apart from the extra purchases.
    after_measured : bool
        Whether it was measured, not computed.
    extrapolated : bool
        Whether the promotion's terms lie outside what was drawn.
    vouchers : tuple of float, optional
        Coupons given out and expected to be used.
    currency : str
        Of all amounts.
    level : float
        Of the intervals.
    """
    z, rows = normal_quantile(level), []
    half = (net.ci_high - net.ci_low) / 2
    for name, (words, source) in WORDS.items():
        if name == "extra" and not after_known:
            words = WHOLE
        if name == "anyway" and isinstance(promotion, FullReduction):
            words = ABOVE
        if name == "later" and not after_measured:
            source = COMPUTED
        amount = amounts[name]
        # What is measured carries the uncertainty of the whole and of what was taken off.
        error = z * spread * abs(amount)
        if source == MEASURED:
            error = half
        if source == STATED:
            error = 0.0
        rows.append((name, words, amount, amount - error, amount + error, source))
    columns = ["name", "words", "amount", "ci_low", "ci_high", "source"]
    return Waterfall(
        pd.DataFrame(rows, columns=columns),
        net,
        cost,
        str(promotion.promotion_id),
        promotion.face_value(currency),
        extrapolated,
        vouchers or (),
        currency,
        level,
        promotion.kind,
        anyway,
        promotion.title,
    )
