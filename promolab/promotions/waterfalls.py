"""What the net incremental profit of a promotion is made of, bar by bar."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from promolab.results import Estimate, Result
from promolab.wording import promotion_name

SOURCES: Mapping[str, str] = {
    "extra": "measured",
    "later": "given",
    "filled": "computed",
    "anyway": "computed",
    "fill_discount": "computed",
    "extra_discount": "computed",
    "unused": "computed",
    "returns": "computed",
    "contact": "stated",
    "funded": "computed",
}
"""Name of a bar → whether it is measured, computed or stated."""


@dataclass(frozen=True)
class Waterfall(Result):
    """The net incremental profit of a promotion, split; made by `PromotionValues.waterfall`.

    Parameters
    ----------
    bars : DataFrame
        A row per part, in the order of the sum: name, part (what readers call it, as a code),
        amount, ci_low, ci_high (money of the whole group, and its interval) and source:
        ``measured`` (by comparing with customers who got nothing), ``given`` (measured elsewhere),
        ``computed`` (from order values and the promotion's terms), ``stated`` (by the shop). The
        amounts add up to ``net.value``.
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

    @property
    def name(self) -> str:
        """What readers call the promotion."""
        return promotion_name(self.kind, self.promotion_id, self.title)

    def to_frame(self) -> pd.DataFrame:
        """Return one row per part."""
        return self.bars

    def shown(self) -> pd.DataFrame:
        """Return the parts that are not 0, and their sum, as bars.

        Returns
        -------
        DataFrame
            part, source, amount; start (where the bar begins), low and high (of the sum alone),
            rises (above, below or net).
        """
        rows = self.bars.loc[self.bars["amount"].abs() > 0.005, ["part", "source", "amount"]]
        rises = np.where(rows["amount"] >= 0, "above", "below")
        rows = rows.assign(start=rows["amount"].cumsum() - rows["amount"], rises=rises)
        net = {"part": "net", "source": "sum", "rises": "net", "start": 0.0}
        amounts = dict(zip(("amount", "low", "high"), self.net.ends, strict=True))
        return pd.concat([rows, pd.DataFrame([net | amounts])], ignore_index=True)

    def facts(self) -> dict[str, Any]:
        """Return the colours of the bars, and how many get it."""
        from promolab.plots import COLOURS

        colours = {"above": COLOURS[2], "below": COLOURS[1], "net": COLOURS[0]}
        out, used = self.vouchers or (0.0, 0.0)
        return {
            "colours": [colours[rises] for rises in self.shown()["rises"]],
            "recipients": self.net.n,
            "anyway_known": math.isfinite(self.anyway),
            "given_out": out,
            "used": used,
        }
