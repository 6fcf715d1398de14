"""What a read-out of ended promotions is, and the forms it takes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from promolab.campaign.comparison import Difference, not_identified
from promolab.errors import InputError
from promolab.results import Estimate, Result, plain
from promolab.wording import count, money, percent, plural

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["PromotionReadout", "Readout"]


@dataclass(frozen=True)
class PromotionReadout(Result):
    """What became of one promotion; a row of `Readout`.

    Parameters
    ----------
    promotion_id : object
        The promotion.
    name, type : str
        What readers call it; the shop's own class of promotion ("" if it states none).
    starts_at, ends_at : datetime
        Its window, UTC; the end is not included.
    contacts, redeemers, redemptions : int
        Distinct customers contacted; those of them who redeemed in the window; how many times.
    redemption_rate : Estimate
        redeemers / contacts, with Wilson's interval.
    discount_cost : Estimate
        Money taken off, in total; nan where the data do not tell. Of a coupon: coupon discounts of
        its redeemers, on its products, in its window. Of another kind: all discounts of those
        contacted on its products. Without a record of which coupon a discount belongs to, one of
        another coupon for the same product is counted too.
    sales : Estimate
        Net sales in the window per customer contacted, whatever was bought.
    difference : Difference
        Of these sales to similar customers who were not contacted.
    currency : str
        Of all money.
    """

    promotion_id: Any
    name: str
    type: str
    starts_at: datetime
    ends_at: datetime
    contacts: int
    redeemers: int
    redemptions: int
    redemption_rate: Estimate
    discount_cost: Estimate
    sales: Estimate
    difference: Difference
    currency: str

    def to_frame(self) -> pd.DataFrame:
        """Return one row: keys, counts, and each estimate with ``_low`` and ``_high``."""
        names = ["promotion_id", "name", "type", "starts_at", "ends_at"]
        names += ["contacts", "redeemers", "redemptions"]
        flat: dict[str, Any] = {name: getattr(self, name) for name in names}
        for name in ("redemption_rate", "discount_cost", "sales"):
            flat |= _spread(name, getattr(self, name))
        flat |= _spread("difference", self.difference.estimate)
        flat |= {"identification": self.difference.identification, "why": self.difference.why}
        return pd.DataFrame([flat])

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as plain values, ready for JSON."""
        fields = super().to_dict()
        fields["promotion_id"] = str(self.promotion_id)
        fields |= {name: getattr(self, name).isoformat() for name in ("starts_at", "ends_at")}
        fields["difference"] = self.difference.to_dict()
        return plain(fields)

    def summary(self) -> str:
        """Return the promotion in one line."""
        rate, cost, sales = self.redemption_rate, self.discount_cost, self.sales
        parts = [
            self.name,
            f"{count(self.redeemers)} of {count(self.contacts)} redeemed "
            f"({percent(rate.value, rate.ci_low, rate.ci_high)})",
        ]
        if np.isfinite(cost.value):
            parts.append(f"discounts {self._money(cost)}")
        if np.isfinite(sales.value):
            parts.append(f"sales per contact {self._money(sales)}")
        if self.difference.identified:
            e = self.difference.estimate
            parts.append(f"against similar customers {self._money(e)}, adjusted")
        else:
            parts.append(f"difference to similar customers not identified: {self.difference.why}")
        return " · ".join(parts)

    def _money(self, e: Estimate) -> str:
        return money(e.value, e.ci_low, e.ci_high, currency=self.currency)


@dataclass(frozen=True)
class Readout(Result):
    """The promotions that ended lately; returned by `read_out`.

    Parameters
    ----------
    as_of : datetime
        Nothing at or after it was read (UTC).
    weeks : int
        How far back.
    promotions : tuple of PromotionReadout
        The latest to end first; equal ends by id.
    """

    as_of: datetime
    weeks: int
    promotions: tuple[PromotionReadout, ...]

    def __getitem__(self, promotion_id: Any) -> PromotionReadout:
        for row in self.promotions:
            if str(row.promotion_id) == str(promotion_id):
                return row
        known = ", ".join(str(row.promotion_id) for row in self.promotions) or "none"
        raise InputError(
            f"{promotion_id!r} is not among the promotions read out; these are: {known}"
        )

    def __len__(self) -> int:
        return len(self.promotions)

    def to_frame(self) -> pd.DataFrame:
        """Return one row per promotion."""
        if not self.promotions:
            return pd.DataFrame(columns=_empty_columns())
        return pd.concat([row.to_frame() for row in self.promotions], ignore_index=True)

    def to_dict(self) -> dict[str, Any]:
        """Return the promotions by promotion_id (as text): ``campaigns`` of ``metrics.json``."""
        return {str(row.promotion_id): row.to_dict() for row in self.promotions}

    def summary(self) -> str:
        """Return a sentence on how many ended, then a line per promotion."""
        span = f"in the {plural(self.weeks, 'week')} before {self.as_of:%Y-%m-%d}"
        if not self.promotions:
            return f"No promotion ended {span}."
        lines = [f"{plural(len(self), 'promotion')} ended {span}."]
        return "\n".join(lines + [row.summary() for row in self.promotions])

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the redemption rates with their intervals."""
        from promolab import plots

        rates = [row.redemption_rate for row in self.promotions]
        nothing = [np.nan]  # an empty row where no promotion ended
        ax = plots.intervals(
            [row.name for row in self.promotions] or [""],
            [e.value for e in rates] or nothing,
            [e.ci_low for e in rates] or nothing,
            [e.ci_high for e in rates] or nothing,
            text=[f"{count(r.redeemers)} of {count(r.contacts)}" for r in self.promotions],
            ax=ax,
        )
        title = "No promotion ended lately"
        if rates:
            best = max(self.promotions, key=lambda row: row.redemption_rate.value)
            title = f"{best.name}: {percent(best.redemption_rate.value, decimals=0)} redeemed"
            if len(rates) > 1:
                title += ", the most of those that ended"
        return plots.finish(
            ax,
            title=title,
            subtitle=f"share of those contacted who redeemed, 95 % intervals · {self.weeks} weeks",
            xlabel="redeemed",
            percent_x=True,
        )


def _spread(name: str, e: Estimate) -> dict[str, Any]:
    return {name: e.value, f"{name}_low": e.ci_low, f"{name}_high": e.ci_high}


def _empty_columns() -> list[str]:
    nothing = Estimate(np.nan, np.nan, np.nan, 0)
    row = PromotionReadout(
        None, "", "", datetime.min, datetime.min, 0, 0, 0, nothing, nothing, nothing,
        not_identified("", 0), "",
    )  # fmt: skip
    return list(row.to_frame().columns)
