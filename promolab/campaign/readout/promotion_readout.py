"""What a read-out of ended promotions is; each promotion is judged by one stated rule."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd

from promolab.campaign.past.schedule import last_day
from promolab.campaign.readout.holdout import HoldoutComparison, PooledHoldouts, pool_holdouts
from promolab.display import Html, fold, join, say
from promolab.effects import RANDOMISED, Difference
from promolab.errors import InputError
from promolab.promotions import Costs, break_even
from promolab.results import Estimate, Result, plain, words_of
from promolab.weeks import local_day
from promolab.wording import Answer, answer_to, in_currency

REPEAT, CHANGE, STOP, UNCLEAR = VERDICTS = ("repeat", "change", "stop", "cannot tell")

MOST_HARM = 0.02
"""Share of those contacted who unsubscribe or complain from which a promotion annoys: a few in a
thousand are usual."""
STATED = ("margin_rate", "contact_cost", "coupon_cost")
"""Figures that a shop states, or that are assumed."""


def rule() -> str:
    """Return the rule of `judge`, in one sentence."""
    return words_of(__name__, "Verdict", limit=MOST_HARM).say("rule")


@dataclass(frozen=True)
class PaysFrom:
    """Extra sales per contact that pay for a promotion as it went; made by `pays_from`.

    Parameters
    ----------
    sales : float
        Extra sales per contact before discounts come off: the break-even of the plan.
    net : float
        The same as the shop takes it in: less the discount per contact. What was measured is net.
    cost : float
        Discounts, coupon handling and contact, per contact.
    margin_rate : float
        Margin as a share of sales.
    assumed : tuple of str
        Figures that the shop does not state.
    currency : str
        Of the amounts.
    """

    sales: float
    net: float
    cost: float
    margin_rate: float
    assumed: tuple[str, ...]
    currency: str


def pays_from(
    contacts: int, redemptions: float, discount: float, costs: Costs, currency: str
) -> PaysFrom | None:
    """Return the extra sales per contact that pay for a promotion as it was carried out.

    `promolab.campaign.outlook.break_even` of what it took, in place of what was expected.

    Parameters
    ----------
    contacts : int
        Customers contacted.
    redemptions, discount : float
        How many, and what was taken off, in total.
    costs : Costs
        From `promolab.promotions.promotion_costs`.
    currency : str
        Of the amounts.

    Returns
    -------
    PaysFrom or None
        None without contacts, or where the discount is not known.

    Examples
    --------
    >>> from promolab.contract import StatedRate as Rate
    >>> costs = Costs(Rate(0.4, False), Rate(0.5, False), Rate(0.0, True))
    >>> found = pays_from(100, 30, 150.0, costs, "EUR")
    >>> found.cost, found.sales, found.net, found.assumed
    (2.0, 5.0, 3.5, ('coupon_cost',))
    """
    if not contacts or not np.isfinite(discount):
        return None
    taken, off = (Estimate(figure, figure, figure) for figure in (redemptions, discount))
    cost, extra = break_even(contacts, taken, off, costs)
    return PaysFrom(
        extra.value,
        extra.value - discount / contacts,
        cost.value / contacts,
        costs.margin_rate.value,
        tuple(name for name in STATED if getattr(costs, name).assumed),
        currency,
    )


@dataclass(frozen=True)
class Verdict(Result):
    """What to do with a promotion; made by `judge`.

    Parameters
    ----------
    word : str
        ``repeat``, ``change``, ``stop`` or ``cannot tell``.
    why : str
        The reason, in words.
    identification : str
        Of the difference that it rests on.
    provisional : bool
        Whether returns may still change it.
    assumed : tuple of str
        Assumed figures that it rests on.
    though : str
        What is known all the same, where the word is that one cannot tell.
    """

    word: str
    why: str
    identification: str
    provisional: bool
    assumed: tuple[str, ...] = ()
    though: str = ""

    @property
    def rule(self) -> str:
        """The rule, in a sentence."""
        return rule()

    @property
    def text(self) -> str:
        """The word, with what it rests on: ``repeat (adjusted, provisional)``."""
        return self.say("text")

    def facts(self) -> dict[str, Any]:
        """Return what stands behind the word."""
        marks = [self.identification] if self.identification != "randomised" else []
        marks += ["provisional"] if self.provisional else []
        marks += ["margin assumed"] if "margin_rate" in self.assumed else []
        clear = "marked" if marks else "plain"
        unclear = "though" if self.though else "plain"
        return {"case": unclear if self.word == UNCLEAR else clear, "marks": marks}


def judge(
    difference: Difference,
    harm: Estimate,
    needed: PaysFrom | None,
    *,
    provisional: bool = False,
) -> Verdict:
    """Judge a promotion by the `rule`.

    Parameters
    ----------
    difference : Difference
        In sales per customer, net of discounts and returns.
    harm : Estimate
        Share of those contacted who unsubscribed or complained; nan where that is not recorded.
    needed : PaysFrom or None
        What pays for it; None where that is not known.
    provisional : bool
        Whether the figures may still change.

    Examples
    --------
    >>> sells = Difference(Estimate(4.0, 2.5, 5.5, 900), "randomised", "", 900, 100)
    >>> paid = PaysFrom(2.5, 2.0, 0.5, 0.25, (), "EUR")
    >>> print(judge(sells, Estimate(0.003, 0.001, 0.009, 900), paid).summary())
    Repeat: extra net sales of 4 EUR [2, 6] per customer pay from 2.00 EUR on.
    """
    e = difference.estimate
    known = difference.identified and bool(np.isfinite([e.ci_low, e.ci_high]).all())
    recorded = bool(np.isfinite(harm.value))
    # Without a break-even there is none to reach, and extra sales below 0 pay for nothing.
    side = e.side_of(0.0 if needed is None else needed.net)
    pays = known and needed is not None and side == "above"
    loses, sells = known and side == "below", known and e.side == "above"
    word = REPEAT if pays else UNCLEAR if not loses else CHANGE if sells else STOP
    case = "unrecorded" if pays and not recorded else "plain"
    if recorded and harm.ci_low > MOST_HARM:
        word, case = CHANGE if pays else STOP, "annoys"
    elif recorded and pays and harm.ci_high > MOST_HARM:
        word, case = UNCLEAR, "may_annoy"
    words = words_of(
        __name__,
        "Verdict",
        gain="unknown" if not known else "unpriced" if needed is None else side,
        sales=e,
        harm=harm,
        limit=MOST_HARM,
        lost=harm * harm.n,
        need=0.0 if needed is None else needed.net,
        assumed=() if needed is None else needed.assumed,
        currency="" if needed is None else needed.currency,
    )
    though = words.say("may_annoy_though") if case == "may_annoy" else ""
    assumed = () if needed is None else needed.assumed
    return Verdict(word, words.say(case), difference.identification, provisional, assumed, though)


TIMES = ("starts_at", "ends_at", "settles_at")
COUNTS = ("delivered", "redeemers", "redemptions", "unsubscribed", "complained")
ESTIMATES = ("redemption_rate", "harm", "discount_cost", "sales", "difference")


def spread(name: str, e: Estimate) -> dict[str, float]:
    """Return a figure and its ends by the columns that hold them: ``rate, rate_low, rate_high``."""
    return dict(zip((name, f"{name}_low", f"{name}_high"), e.ends, strict=True))


COLUMNS = [
    *("promotion_id", "name", "type", "starts_at", "ends_at", "contacts", *COUNTS),
    *(column for name in ESTIMATES for column in spread(name, Estimate(np.nan))),
    *("identification", "why", "pays_from", "verdict", "verdict_why", "provisional", "settles_at"),
]


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
        Sales in the window per customer contacted, whatever was bought, net of what came back: in
        full for each of several promotions whose windows overlap.
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

    def to_row(self) -> dict[str, Any]:
        """Return keys, counts, and each estimate with ``_low`` and ``_high``."""
        told = {name: getattr(self, name, None) for name in COLUMNS}
        # A count that was never recorded is missing, not 0.
        told |= {name: np.nan for name in COUNTS if told[name] is None}
        for name in ESTIMATES:
            e = getattr(self, name)
            told |= spread(name, getattr(e, "estimate", e))
        told |= {"identification": self.difference.identification, "why": self.difference.why}
        told |= {"pays_from": np.nan if self.pays_from is None else self.pays_from.net}
        return told | {"verdict": self.verdict.word, "verdict_why": self.verdict.why}

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as plain values, ready for JSON."""
        fields = super().to_dict() | {"promotion_id": str(self.promotion_id)}
        fields |= {name: getattr(self, name).isoformat() for name in TIMES}
        fields |= {n: getattr(self, n).to_dict() for n in ("difference", "holdout", "verdict")}
        fields["pays_from"] = None if self.pays_from is None else asdict(self.pays_from)
        return dict(plain(fields))

    def facts(self) -> dict[str, Any]:
        """Return what is known of the answers, and on what its judgement rests."""
        found, answered = self.difference, "unrecorded" if self.redeemers is None else "known"
        return {
            "answered": answered if self.contacts else "nobody",
            "came": self.redeemers,
            "identification": found.identification,
            "blocked": found.identification != RANDOMISED and self.holdout.held,
        }


class ByPromotion(Result):
    """Results of several promotions; one is asked for by its id."""

    promotions: tuple[Any, ...]

    def __getitem__(self, promotion_id: Any) -> Any:
        known = {str(row.promotion_id): row for row in self.promotions}
        if str(promotion_id) not in known:
            raise InputError(
                f"{promotion_id!r} is not among these promotions: {', '.join(known) or 'none'}"
            )
        return known[str(promotion_id)]

    def __len__(self) -> int:
        return len(self.promotions)

    @property
    def answer(self) -> Answer:
        """What customers do about them, in words."""
        return answer_to(row.kind for row in self.promotions)

    def to_dict(self) -> dict[str, Any]:
        """Return the promotions by promotion_id (as text), as ``metrics.json`` has them."""
        return {str(row.promotion_id): row.to_dict() for row in self.promotions}


@dataclass(frozen=True)
class Readout(ByPromotion):
    """The promotions that ended lately; returned by `read_out`.

    Parameters
    ----------
    as_of : datetime
        Nothing at or after it was read (UTC).
    weeks : int
        How far back.
    promotions : tuple of PromotionReadout
        The latest to end first; equal ends by id.
    overlap : str
        How many contacts fell into several windows, in a sentence.
    zone : str
        The shop's: its tables say days as the shop has them.
    """

    as_of: datetime
    weeks: int
    promotions: tuple[PromotionReadout, ...]
    overlap: str = ""
    zone: str = "UTC"

    @property
    def pooled(self) -> PooledHoldouts | None:
        """What the holdouts show together; None with fewer than two that could be read."""
        currency = self.promotions[0].currency if self.promotions else ""
        return pool_holdouts((row.holdout for row in self.promotions), currency=currency)

    def to_frame(self) -> pd.DataFrame:
        """Return one row per promotion."""
        return pd.DataFrame([row.to_row() for row in self.promotions], columns=COLUMNS)

    def facts(self) -> dict[str, Any]:
        """Return what is said of all, and the rows of tables and figure."""
        currency = self.promotions[0].currency if self.promotions else ""
        return {
            "case": "some" if self.promotions else "none",
            "day": local_day(self.as_of, self.zone),
            "pooled_line": "" if self.pooled is None else f"\n{self.pooled.summary()}",
            "in_currency": in_currency(currency),
            "shown": self._shown,
            "pending": [
                {"name": row.name, "day": local_day(row.settles_at, self.zone)}
                for row in self.promotions
                if row.provisional
            ],
        }

    def _shown(self) -> pd.DataFrame:
        """Return the rows with what a table says of them in words."""
        rows = self.promotions
        return self.to_frame().assign(
            last=[last_day(row.ends_at, self.zone) for row in rows],
            answered=[row.say("part") for row in rows],
            verdict=[row.verdict.text for row in rows],
        )

    def block(self, told: Sequence[str] = ()) -> Html:
        """Return it as the week's page has it: the table, and how all were judged, folded away.

        Parameters
        ----------
        told : sequence of str
            What more is to be said of how they were carried out.
        """
        if not self.promotions:
            return say(self.summary())
        behind = [
            *(say(row.summary()) for row in self.promotions),
            *(say(text, css="muted") for text in [*self.notes(), *told]),
        ]
        pooled = [] if self.pooled is None else [say(self.pooled.summary())]
        pieces = [self.to_table(), *pooled, fold(self.say("behind"), behind)]
        return say(self.say("heading"), kind="h2") + join(pieces)

    def notes(self) -> list[str]:
        """Say by which rule all are judged, what may still change, and what each rests on."""
        rows = self.promotions
        chosen = any(row.difference.identification != RANDOMISED for row in rows)
        notes = [rule(), self.say("chosen") if chosen else "", self.say("pending"), self.overlap]
        return [*filter(None, notes), *(row.say("reason") for row in rows)]
