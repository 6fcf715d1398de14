"""What a read-out of ended promotions is, and the forms it takes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from promolab.campaign.readout.randomised import HoldoutComparison, PooledHoldouts, pool_holdouts
from promolab.campaign.readout.verdict import PaysFrom, Verdict
from promolab.effects import RANDOMISED, Difference, not_identified
from promolab.errors import InputError
from promolab.results import Estimate, Result, plain
from promolab.wording import Answer, answer_to, count, money, percent, plural

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
    delivered, unsubscribed, complained : int or None
        Customers contacted to whom it was delivered, who unsubscribed, who complained; None where
        the shop never records that.
    redemption_rate : Estimate
        redeemers / contacts, with Wilson's interval.
    harm : Estimate
        Share of contacts who unsubscribed or complained, of what is recorded; nan if neither is.
    discount_cost : Estimate
        Money taken off, in total; nan where the data do not tell. Of a coupon: coupon discounts of
        its redeemers, on its products, in its window. Of another kind: all discounts of those
        contacted on its products. Without a record of which coupon a discount belongs to, one of
        another coupon for the same product is counted too.
    sales : Estimate
        Sales in the window per customer contacted, whatever was bought, net of what came back; as
        `Readout.overlapping` says where promotions overlap.
    difference : Difference
        Of all sales in the window to customers held back by chance, else to similar ones who were
        not contacted.
    holdout : HoldoutComparison
        The comparison with the holdout, or why there is none.
    pays_from : PaysFrom or None
        Extra sales per contact that pay for it; None where its cost is not known.
    settles_at : datetime
        When windows and return days are over (UTC).
    provisional : bool
        Whether they are not: figures may still change.
    verdict : Verdict
        Repeat, change, stop or cannot tell.
    currency : str
        Of all money.
    kind : str
        Kind of the promotion: chooses the words (`promolab.wording.answer_to`).
    """

    promotion_id: Any
    name: str
    type: str
    starts_at: datetime
    ends_at: datetime
    contacts: int
    delivered: int | None
    redeemers: int
    redemptions: int
    redemption_rate: Estimate
    unsubscribed: int | None
    complained: int | None
    harm: Estimate
    discount_cost: Estimate
    sales: Estimate
    difference: Difference
    holdout: HoldoutComparison
    pays_from: PaysFrom | None
    settles_at: datetime
    provisional: bool
    verdict: Verdict
    currency: str
    kind: str = "coupon"

    def to_frame(self) -> pd.DataFrame:
        """Return one row: keys, counts, and each estimate with ``_low`` and ``_high``."""
        flat: dict[str, Any] = {name: getattr(self, name) for name in _KEYS}
        # A count that was never recorded is missing, not 0.
        flat |= {name: _or_nan(getattr(self, name)) for name in _COUNTS}
        for name in ("redemption_rate", "harm", "discount_cost", "sales"):
            flat |= _spread(name, getattr(self, name))
        flat |= _spread("difference", self.difference.estimate)
        flat |= {"identification": self.difference.identification, "why": self.difference.why}
        flat |= {"pays_from": np.nan if self.pays_from is None else self.pays_from.net}
        flat |= {"verdict": self.verdict.word, "verdict_why": self.verdict.why}
        flat |= {"provisional": self.provisional, "settles_at": self.settles_at}
        return pd.DataFrame([flat])

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as plain values, ready for JSON."""
        fields = super().to_dict()
        fields["promotion_id"] = str(self.promotion_id)
        fields |= {name: getattr(self, name).isoformat() for name in _TIMES}
        parts = ("difference", "holdout", "pays_from", "verdict")
        for name, part in ((name, getattr(self, name)) for name in parts):
            fields[name] = None if part is None else part.to_dict()
        return plain(fields)

    def summary(self) -> str:
        """Return the promotion in one line."""
        rate, cost, sales = self.redemption_rate, self.discount_cost, self.sales
        answered = (
            f"{count(self.redeemers)} of {count(self.contacts)} {answer_to(self.kind).past} "
            f"({percent(rate.value, rate.ci_low, rate.ci_high)})"
        )
        parts = [self.name, answered if self.contacts else "nobody was contacted"]
        if np.isfinite(cost.value):
            parts.append(f"discounts {self._money(cost)}")
        if np.isfinite(sales.value):
            parts.append(f"sales per contact {self._money(sales)}")
        found = self.difference
        if found.identified:
            held = found.identification == RANDOMISED
            whom = "those held back" if held else "similar customers"
            text = f"against {whom} {self._money(found.estimate)}, {found.identification}"
            parts.append(text)
        else:
            parts.append(f"difference to similar customers not identified: {found.why}")
        parts.append(f"{self.verdict.text}: {self.verdict.why}")
        return " · ".join(parts) + (" · provisional" if self.provisional else "")

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
    overlapping : str
        How sales in the windows of several promotions count: ``each in full``, for the ``first``
        contact, or ``shared`` equally.
    overlap : str
        What that means here, in a sentence.
    """

    as_of: datetime
    weeks: int
    promotions: tuple[PromotionReadout, ...]
    overlapping: str = "each in full"
    overlap: str = ""

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

    @property
    def pooled(self) -> PooledHoldouts | None:
        """What the holdouts show together; None with fewer than two that could be read."""
        currency = self.promotions[0].currency if self.promotions else ""
        return pool_holdouts((row.holdout for row in self.promotions), currency=currency)

    @property
    def words(self) -> Answer:
        """What customers did about them, in words."""
        return answer_to(row.kind for row in self.promotions)

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
        lines += [row.summary() for row in self.promotions]
        pooled = self.pooled
        return "\n".join(lines if pooled is None else [*lines, pooled.summary()])

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the redemption rates with their intervals."""
        from promolab import plots

        past = self.words.past
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
            title = f"{best.name}: {percent(best.redemption_rate.value, decimals=0)} {past}"
            if len(rates) > 1:
                title += ", the most of those that ended"
        return plots.finish(
            ax,
            title=title,
            subtitle=f"share of those contacted who {past}, 95 % intervals · {self.weeks} weeks",
            xlabel=past,
            percent_x=True,
        )


def _spread(name: str, e: Estimate) -> dict[str, Any]:
    return {name: e.value, f"{name}_low": e.ci_low, f"{name}_high": e.ci_high}


_TIMES = ("starts_at", "ends_at", "settles_at")
_KEYS = ("promotion_id", "name", "type", "starts_at", "ends_at", "contacts")
_COUNTS = ("delivered", "redeemers", "redemptions", "unsubscribed", "complained")


def _or_nan(value: int | None) -> float:
    return np.nan if value is None else value


def _empty_columns() -> list[str]:
    nothing, never = Estimate(np.nan, np.nan, np.nan, 0), datetime.min
    row = PromotionReadout(
        None, "", "", never, never, 0, None, 0, 0, nothing, None, None, nothing, nothing, nothing,
        not_identified("", 0), HoldoutComparison(None, 0, 0, "", np.nan, None, None, None, ""),
        None, never, False, Verdict("", "", "", False), "",
    )  # fmt: skip
    return list(row.to_frame().columns)
