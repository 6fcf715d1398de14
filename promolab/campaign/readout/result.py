"""What a read-out of ended promotions is, and the forms it takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from promolab.campaign.past.schedule import days_of, last_day
from promolab.campaign.readout.randomised import HoldoutComparison, PooledHoldouts, pool_holdouts
from promolab.campaign.readout.verdict import PaysFrom, Verdict, rule_words
from promolab.display import Html, fold, join, picture, say, table
from promolab.effects import RANDOMISED, Difference, not_identified
from promolab.errors import InputError
from promolab.language import _, _n, marked
from promolab.results import Estimate, Result, plain
from promolab.weeks import local_day
from promolab.wording import (
    Answer,
    answer_to,
    capital,
    count,
    in_currency,
    money,
    number,
    part_of,
    percent,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes


NOT_PROVEN = marked(
    "Extra sales that are not randomised compare those contacted with similar customers who were "
    "not. Where they are adjusted, they are so for what was known before the start, not proven by "
    "a test: those contacted were chosen, and may differ in ways that the data do not show."
)


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
    contacts : int
        Distinct customers contacted.
    redeemers, redemptions : int or None
        Those of them who redeemed in the window, and how many times; None where the shop records
        no answer to any promotion of the kind.
    delivered, unsubscribed, complained : int or None
        Customers contacted to whom it was delivered, who unsubscribed, who complained; None where
        the shop never records that.
    redemption_rate : Estimate
        redeemers / contacts, with Wilson's interval; nan where they are not recorded.
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
    redeemers: int | None
    redemptions: int | None
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
            flat |= spread(name, getattr(self, name))
        flat |= spread("difference", self.difference.estimate)
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
        return dict(plain(fields))

    def summary(self) -> str:
        """Return the promotion in one line."""
        rate, cost, sales = self.redemption_rate, self.discount_cost, self.sales
        answered = _("who {redeemed} is not recorded", redeemed=answer_to(self.kind).past)
        if self.redeemers is not None:
            answered = _(
                "{part} {redeemed} ({rate})",
                part=part_of(self.redeemers, self.contacts),
                redeemed=answer_to(self.kind).past,
                rate=percent(*rate.ends),
            )
        parts = [self.name, answered if self.contacts else _("nobody was contacted")]
        if np.isfinite(cost.value):
            parts.append(_("discounts {amount}", amount=self._money(cost)))
        if np.isfinite(sales.value):
            parts.append(_("sales per contact {amount}", amount=self._money(sales)))
        found = self.difference
        if found.identified:
            held = found.identification == RANDOMISED
            message = (
                marked("against those held back {amount}, {standing}")
                if held
                else marked("against similar customers {amount}, {standing}")
            )
            amount, standing = self._money(found.estimate), _(found.identification)
            parts.append(_(message, amount=amount, standing=standing))
        else:
            parts.append(_("difference to similar customers not identified: {why}", why=found.why))
        parts.append(_("{verdict}: {why}", verdict=self.verdict.text, why=self.verdict.why))
        return " · ".join([*parts, *([_("provisional")] if self.provisional else [])])

    def reason(self) -> str:
        """Say why the extra sales are what they are called."""
        found = self.difference
        told = _(
            "{name}: the extra sales are {standing}; {why}.",
            name=self.name,
            standing=_(found.identification),
            why=found.why,
        )
        if found.identification == RANDOMISED or not self.holdout.held:
            return told
        but = _("Customers were held back at random, but {why}.", why=self.holdout.why)
        return f"{told} {but}"

    def _money(self, e: Estimate) -> str:
        return money(*e.ends, currency=self.currency)


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
    zone : str
        The shop's: its tables say days as the shop has them.
    """

    as_of: datetime
    weeks: int
    promotions: tuple[PromotionReadout, ...]
    overlapping: str = "each in full"
    overlap: str = ""
    zone: str = "UTC"

    def __getitem__(self, promotion_id: Any) -> PromotionReadout:
        found: PromotionReadout = of_promotion(self.promotions, promotion_id, "read out")
        return found

    def __len__(self) -> int:
        return len(self.promotions)

    @property
    def pooled(self) -> PooledHoldouts | None:
        """What the holdouts show together; None with fewer than two that could be read."""
        currency = self.promotions[0].currency if self.promotions else ""
        return pool_holdouts((row.holdout for row in self.promotions), currency=currency)

    @property
    def known(self) -> list[PromotionReadout]:
        """Those of which it is recorded who answered."""
        return [row for row in self.promotions if row.redeemers is not None]

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
        weeks = _n("{n} week", "{n} weeks", self.weeks)
        told = {"weeks": weeks, "day": local_day(self.as_of, self.zone)}
        if not self.promotions:
            return _("No promotion ended in the {weeks} before {day}.", **told)
        one = marked("{n} promotion ended in the {weeks} before {day}.")
        many = marked("{n} promotions ended in the {weeks} before {day}.")
        lines = [_n(one, many, len(self), **told)]
        lines += [row.summary() for row in self.promotions]
        pooled = self.pooled
        return "\n".join(lines if pooled is None else [*lines, pooled.summary()])

    def table(self) -> Html:
        """Return what each promotion brought and cost, and its verdict."""
        rows, words = self.promotions, self.words
        currency = in_currency(rows[0].currency) if rows else ""
        shown = pd.DataFrame(
            {
                "name": [
                    _("{name} until {day}", name=r.name, day=last_day(r.ends_at, self.zone))
                    for r in rows
                ],
                "answered": [_counted(r.redeemers, r.contacts) for r in rows],
                "rate": [_share(r.redemption_rate) for r in rows],
                "cost": [_figure(r.discount_cost) for r in rows],
                "sales": [_figure(r.sales) for r in rows],
                "against": [
                    _figure(r.difference.estimate) if r.difference.identified else "–" for r in rows
                ],
                "standing": [_(r.difference.identification) for r in rows],
                "verdict": [r.verdict.text for r in rows],
            }
        )
        return table(
            shown,
            {
                "name": _("promotion"),
                "answered": words.past,
                "rate": _("{redemption} rate", redemption=words.noun),
                "cost": _("discounts, {currency}", currency=currency),
                "sales": _("net sales per contact, {currency}", currency=currency),
                "against": _("extra net sales per customer, {currency}", currency=currency),
                "standing": _("extra sales are"),
                "verdict": _("verdict"),
            },
            dict.fromkeys(["answered", "rate", "cost", "sales", "against"], str),
            caption=_("Latest end first; sales and discounts while valid, net of returns."),
            most=12,
            otherwise=self.summary(),
        )

    def reception(self) -> Html:
        """Return the table of who was reached and how they took it."""
        rows, past = self.promotions, self.words.past
        shown = pd.DataFrame(
            {
                "name": [f"{r.name} · {days_of(r.starts_at, r.ends_at, self.zone)}" for r in rows],
                "sent": [count(r.contacts) for r in rows],
                "delivered": [_counted(r.delivered) for r in rows],
                past: [_counted(r.redeemers) for r in rows],
                "unsubscribed": [_counted(r.unsubscribed) for r in rows],
                "complained": [_counted(r.complained) for r in rows],
                "annoyed": [_share(r.harm) for r in rows],
                "state": [_("provisional") if r.provisional else _("settled") for r in rows],
            }
        )
        figures = ["sent", "delivered", past, "unsubscribed", "complained"]
        return table(
            shown,
            {
                "name": _("promotion"),
                "sent": _("sent"),
                "delivered": _("delivered"),
                past: past,
                "unsubscribed": _("unsubscribed"),
                "complained": _("complained"),
                "annoyed": _("unsubscribed or complained"),
                "state": _("figures are"),
            },
            dict.fromkeys([*figures, "annoyed"], str),
            caption=_("Customers. What the shop never records is not 0."),
            most=20,
            otherwise=self.summary(),
        )

    def block(self, told: Sequence[str] = ()) -> Html:
        """Return it as the week's page has it: the table, and how all were judged, folded away.

        Parameters
        ----------
        told : sequence of str
            What more is to be said of how they were carried out.
        """
        rows = self.promotions
        if not rows:
            return say(self.summary())
        # One promotion's rate stands in the table; a figure is for comparing.
        figure = [picture(self.plot(), self.summary())] if len(self.known) > 1 else []
        behind = [
            *(
                say(_("{name}: {verdict}", name=row.name, verdict=row.verdict.summary()))
                for row in rows
            ),
            self.reception(),
            *figure,
            *(say(text, css="muted") for text in [*self.notes(), *told]),
        ]
        pieces = [
            self.table(),
            *([] if self.pooled is None else [say(self.pooled.summary())]),
            fold(_("How these were judged, and who was reached"), behind),
        ]
        return say(_("Ended ({n})", n=len(rows)), kind="h2") + join(pieces)

    def notes(self) -> list[str]:
        """Say by which rule all are judged, what may still change, and what each rests on."""
        rows = self.promotions
        notes = [rule_words()] if rows else []
        if any(row.difference.identification != RANDOMISED for row in rows):
            notes.append(_(NOT_PROVEN))
        until = [
            _(
                "{name} until {day}",
                name=r.name,
                day=local_day(r.settles_at, self.zone),
            )
            for r in rows
            if r.provisional
        ]
        if until:
            notes.append(
                _(
                    "Provisional, for purchases may still come back: {promotions}.",
                    promotions=_("; ").join(until),
                )
            )
        return [*notes, self.overlap, *(row.reason() for row in rows)]

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the redemption rates with their intervals."""
        from promolab import plots

        past = self.words.past
        rates = [row.redemption_rate for row in self.known]
        nothing = [np.nan]  # an empty row where no promotion ended
        ax = plots.intervals(
            [row.name for row in self.known] or [""],
            [e.value for e in rates] or nothing,
            [e.ci_low for e in rates] or nothing,
            [e.ci_high for e in rates] or nothing,
            text=[
                _("{part} of {whole}", part=count(r.redeemers or 0), whole=count(r.contacts))
                for r in self.known
            ],
            ax=ax,
        )
        title = _("No promotion ended lately")
        if self.promotions:
            title = capital(_("who {redeemed} is not recorded", redeemed=past))
        if rates:
            best = max(self.known, key=lambda row: row.redemption_rate.value)
            message = marked("{name}: {rate} {redeemed}")
            if len(rates) > 1:
                message = marked("{name}: {rate} {redeemed}, the most of those that ended")
            rate = percent(best.redemption_rate.value, decimals=0)
            title = _(message, name=best.name, rate=rate, redeemed=past)
        return plots.finish(
            ax,
            title=title,
            subtitle=_(
                "share of those contacted who {redeemed}, 95 % intervals · {weeks} weeks",
                redeemed=past,
                weeks=self.weeks,
            ),
            xlabel=past,
            percent="x",
        )


def _counted(value: int | None, of: int | None = None) -> str:
    if value is None:
        return _("not recorded")
    return count(value) if of is None else part_of(value, of)


def _share(e: Estimate) -> str:
    # Of nobody there is no share, and its interval from 0 to 100 % says nothing.
    return percent(*e.ends) if e.n and np.isfinite(e.value) else "–"


def _figure(e: Estimate) -> str:
    return number(*e.ends)


def spread(name: str, e: Estimate) -> dict[str, float]:
    """Return a figure and its ends by the columns that hold them: ``rate, rate_low, rate_high``."""
    return dict(zip((name, f"{name}_low", f"{name}_high"), e.ends, strict=True))


def of_promotion(rows: Sequence[Any], promotion_id: Any, what: str) -> Any:
    """Return a promotion's row; refuse one that is not among them."""
    known = {str(row.promotion_id): row for row in rows}
    if str(promotion_id) not in known:
        raise InputError(
            f"{promotion_id!r} is not among the promotions {what}; these are: "
            f"{', '.join(known) or 'none'}"
        )
    return known[str(promotion_id)]


_TIMES = ("starts_at", "ends_at", "settles_at")
_KEYS = ("promotion_id", "name", "type", "starts_at", "ends_at", "contacts")
_COUNTS = ("delivered", "redeemers", "redemptions", "unsubscribed", "complained")


def _or_nan(value: int | None) -> float:
    return np.nan if value is None else value


def _empty_columns() -> list[str]:
    nothing, never = Estimate(np.nan), datetime.min
    row = PromotionReadout(
        None, "", "", never, never, 0, None, 0, 0, nothing, None, None, nothing, nothing, nothing,
        not_identified("", 0), HoldoutComparison(None, 0, 0, "", np.nan, None, None, None, ""),
        None, never, False, Verdict("", "", "", False), "",
    )  # fmt: skip
    return list(row.to_frame().columns)
