"""What the promotions of a week may cost and must bring together, and the page's first sentence."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import pandas as pd

from promolab.campaign.decided import FEWEST
from promolab.campaign.economics_result import (
    YEAR,
    PromotionEconomics,
    amount_words,
    flat,
    flat_columns,
    restored,
)
from promolab.campaign.outlook import expected_words
from promolab.errors import InputError, nearest
from promolab.results import Estimate, Result
from promolab.wording import Answer, answer_to, count, is_one, plural

__all__ = ["LaunchEconomics"]

MOST_NAMED = 3  # promotions; of more, the first sentence gives the number


@dataclass(frozen=True)
class LaunchEconomics(Result):
    """What the promotions of a week may cost and must bring; made by `weigh_launch`.

    Parameters
    ----------
    promotions : tuple of PromotionEconomics
        In the order of the week's promotions.
    """

    promotions: tuple[PromotionEconomics, ...]

    def __len__(self) -> int:
        return len(self.promotions)

    def of(self, promotion_id: Any) -> PromotionEconomics | None:
        """Return a promotion's own; None where it is not planned."""
        found = [p for p in self.promotions if str(p.promotion_id) == str(promotion_id)]
        return found[0] if found else None

    @property
    def largest(self) -> PromotionEconomics | None:
        """The promotion with the most customers to contact; None without any."""
        return max(self.promotions, key=lambda p: p.contacts, default=None)

    @property
    def words(self) -> Answer:
        """What customers do about those of them that contact anybody, in words."""
        return answer_to(p.kind for p in self.promotions if p.contacts)

    @property
    def contacts(self) -> int:
        """Contacts of all promotions: a customer of two of a bundle counts twice."""
        return sum(p.contacts for p in self.promotions)

    def assumed_words(self) -> str:
        """Name what is assumed of any, to stand behind a figure that it enters; may be empty."""
        told = dict.fromkeys(name for p in self.promotions if p.contacts for name in p.assumed())
        return f"assumed: {', '.join(told)}" if told else ""

    def total(self, name: str) -> Estimate:
        """Add redemptions, discount or cost up over the promotions.

        The ends are added too, as if all missed in the same direction: one model and one mean miss
        enter all of them. The interval holds at least as often as it says.
        """
        rows = [p for p in self.promotions if p.contacts]
        parts: list[Estimate] = [getattr(p, name) for p in rows]
        value, low, high = (
            math.fsum(getattr(e, end) for e in parts) if parts else 0.0
            for end in ("value", "ci_low", "ci_high")
        )
        return Estimate(value, low, high, min((e.n for e in parts), default=0))

    @property
    def break_even(self) -> Estimate:
        """Extra sales per contact over all promotions: their costs at their margins ÷ contacts."""
        rows = [p for p in self.promotions if p.contacts]
        n = self.contacts
        if not rows:
            return Estimate(float("nan"), float("nan"), float("nan"), 0)
        value, low, high = (
            math.fsum(p.contacts * getattr(p.break_even, end) for p in rows) / n
            for end in ("value", "ci_low", "ci_high")
        )
        return Estimate(value, low, high, n)

    def to_frame(self) -> pd.DataFrame:
        """Return one row per promotion."""
        columns = list(flat_columns())
        return pd.DataFrame([flat(p) for p in self.promotions], columns=columns)

    @classmethod
    def from_frame(cls, frame: pd.DataFrame) -> LaunchEconomics:
        """Read back what `to_frame` gave, from a file of the run folder.

        Raises
        ------
        InputError
            If a column is missing.
        """
        for name in flat_columns():
            if name not in frame.columns:
                known = [str(c) for c in frame.columns]
                raise InputError(f"the table lacks {name!r}; {nearest(name, known)}")
        return cls(tuple(restored(row) for row in frame.to_dict("records")))

    def to_dict(self) -> dict[str, Any]:
        """Return the figures by promotion_id."""
        return {str(p.promotion_id): p.to_dict() for p in self.promotions}

    def opening(self, customers: int | None = None) -> str:
        """Return the first sentences of the page: whom, what to expect, what it must bring.

        Parameters
        ----------
        customers : int, optional
            Different customers to contact, where a customer gets several promotions.
        """
        first = self.largest
        if first is None or not first.contacts:
            return "Nobody is to be contacted this week."
        r, d = self.total("redemptions"), self.total("discount")
        costing = (
            f"costing {amount_words(d, first.currency)} in discounts"
            if math.isfinite(d.value)
            else "what they cost in discounts is not known"
        )
        who = plural(self.contacts if customers is None else customers, "customer")
        expected = expected_words(r.value, r.ci_low, r.ci_high)
        noun = self.words.noun if is_one(expected) else f"{self.words.noun}s"
        return (
            f"Contact {who} about {self.named()}. Expect {expected} {noun}, {costing}. "
            + self._must_bring(first)
        )

    def named(self) -> str:
        """Return the promotions that contact anybody by name, or how many they are."""
        names = [p.name for p in self.promotions if p.contacts]
        if len(names) > MOST_NAMED or not names:
            return plural(len(names), "promotion")
        return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))

    def _must_bring(self, first: PromotionEconomics) -> str:
        extra = self.break_even
        if not math.isfinite(extra.value):
            return "What each contact must bring is not known."
        assumed = self.assumed_words()
        text = (
            f"To pay for itself each contact must bring {amount_words(extra, first.currency)} of "
            f"extra sales{' (in part assumed)' if assumed else ''}; "
        )
        if not first.held:
            return text + "nobody is held out, so whether it did will not be known."
        if first.held < FEWEST:
            return text + f"the holdout of {count(first.held)} is too small to tell."
        if not math.isfinite(first.visible):
            return text + f"what the holdout of {count(first.held)} can see is not known."
        which = f" of {first.name}, the largest," if len(self.promotions) > 1 else ""
        text += f"the holdout of {count(first.held)}{which} can see {first.sees_words()} or more"
        needed = first.weeks_needed
        if first.enough is not False or not needed > 1:
            return f"{text}."
        if needed <= YEAR:
            return f"{text}: too little by itself, enough with {count(needed)} such weeks together."
        return (
            f"{text}: it will not tell whether it pays, and a year of such weeks read together "
            "would not either."
        )

    def summary(self) -> str:
        """Say it of each promotion."""
        return "\n".join(p.summary() for p in self.promotions) or "No promotion starts this week."
