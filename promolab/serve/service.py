"""A week in the moment: what came in, what is known by it, and what is answered and chosen."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from promolab.contract import NONE
from promolab.errors import InputError, nearest
from promolab.loop import append_served, read_served
from promolab.serve.fresh.events import Event, microseconds
from promolab.serve.fresh.formulas import SECOND, moment_of
from promolab.serve.released.deciding import Chooser, Decision
from promolab.serve.released.plans import PROMOTION, STANDING
from promolab.serve.released.rights import Standing
from promolab.serve.released.week import ReleasedWeek
from promolab.serve.stores import BEGINNING, PAGE, Store

AHEAD = 300 * SECOND
"""How far ahead of this clock an event may be dated: clocks of two machines differ."""
OVER = "over"
"""Why a promotion may not be offered, beside the steps of the funnel."""
MOST_PAIRS = 20_000
_NOTHING: dict[Any, tuple[float, float, float]] = {}


class UnknownPromotion(InputError):  # noqa: N818
    """A promotion that the shop does not have; the nearest is named."""


class Service:
    """Answers from a released week, kept up by a log of events and decisions.

    Everything that is known is made of the log's entries, in their order: a process that begins
    anew reads them and knows what the others know.

    Parameters
    ----------
    week : ReleasedWeek
        Opened for this service alone: it is kept up.
    store : Store
        Holds the log.
    clock : callable
        Seconds since 1970; the present by default.

    Attributes
    ----------
    taken : Counter
        Events: new, repeated, late, and refused.
    decided : Counter
        Decisions made here: given, none, and held out.
    """

    def __init__(
        self, week: ReleasedWeek, store: Store, clock: Callable[[], float] = time.time
    ) -> None:
        self.week, self.store, self._clock = week, store, clock
        self.live = week.live
        self.chooser = Chooser(week)
        self.taken, self.decided = self.live.taken, Counter(given=0, none=0, held_out=0)
        self.taken["refused"] = 0
        self._known = sorted(week.rights.offers)
        self._planned = tuple(week.promotions)
        self._action = {p: a.name for a in week.actions.values() for p in a.promotions}
        self._begun, self._as_of = microseconds(week.as_of), _utc(week.as_of)
        self._present = self._begun
        self._cursor = BEGINNING
        self._recover()

    def _recover(self) -> None:
        """Take in what was decided before: by the file beside the week, and by the log."""
        filed = read_served(self.week.run.path)
        for row in filed:
            self._stand(self._decision(row))
        self.catch_up()
        known = {row["decision_id"] for row in filed}
        missing = [d.to_dict() for name, d in self.chooser.decisions.items() if name not in known]
        append_served(self.week.run.path, missing)

    def _decision(self, row: dict[str, Any]) -> Decision:
        customer = self.live.reader.id_of("customer_id", row["customer_id"])
        return Decision.from_dict({**row, "customer_id": customer})

    def _stand(self, decision: Decision) -> None:
        """Count a decision that is written; the next one is later, and so has another id."""
        self.chooser.take(decision)
        self._present = max(self._present, decision.ts + 1)

    def moment(self) -> int:
        """Return the present in microseconds: never before what is known, nor before an answer."""
        now = int(self._clock() * SECOND)
        self._present = max(self._present, now, microseconds(self.live.last) + 1)
        return self._present

    def behind(self) -> float:
        """Return by how many seconds the clock is behind the last answer: it ran back."""
        return max(0.0, (self._present - int(self._clock() * SECOND)) / SECOND)

    def catch_up(self, own: str = "") -> Counter[str]:
        """Take in what the log holds by now; return what was counted of one entry."""
        mine: Counter[str] = Counter()
        while entries := self.store.read(self._cursor):
            # One text of all: a log of millions is read in half the time.
            told = json.loads(b"[" + b",".join(entry for _, entry in entries) + b"]")
            for (name, _), entry in zip(entries, told, strict=True):
                said = [self._take(Event(*values)) for values in entry.get("events", ())]
                if name == own:
                    mine.update(said)
                if "decision" in entry:
                    self._stand(self._decision(entry["decision"]))
                self._cursor = name
            if len(entries) < PAGE:
                break
        return mine

    def _take(self, event: Event) -> str:
        said = self.live.take(event)
        if said == "new":
            if self.week.chances is not None:
                self.week.chances.take(event)
            self.week.rights.take(event)
        return said

    def receive(self, rows: Sequence[Any]) -> dict[str, int]:
        """Take in events, all or none of them; when it returns they are written.

        Parameters
        ----------
        rows : sequence of mappings
            As `LiveFeatures.update` takes them.

        Returns
        -------
        dict of str to int
            How many were new, repeated and late.

        Raises
        ------
        InputError
            An event cannot be read, or is dated ahead of the clock; says which one.
        """
        latest = int(self._clock() * SECOND) + AHEAD
        events = []
        for place, row in enumerate(rows):
            try:
                event = self.live.reader.read(row)
                if event.ts is not None and event.ts > max(latest, self._present + AHEAD):
                    raise InputError("it is dated ahead of the clock; expected what has happened")
                events.append(event)
            except InputError as error:
                self.taken["refused"] += len(rows)
                if len(rows) == 1:
                    raise
                raise InputError(f"event {place}: {error}; none of them was taken in") from error
        entry = json.dumps({"events": events})
        counted = self.catch_up(self.store.append(entry.encode()))
        return {said: counted[said] for said in ("new", "repeated", "late")}

    def score(
        self, customers: Sequence[Any], promotions: Sequence[Any] | None, choose: bool
    ) -> dict[str, Any]:
        """Answer what is known of customers with promotions, and choose on request.

        Parameters
        ----------
        customers : sequence of ids
        promotions : sequence of ids, optional
            By default those of the week's plan.
        choose : bool
            Whether each customer gets a decision, which is written.

        Raises
        ------
        InputError
            An unknown promotion, an id that is none, or too many pairs.
        """
        ids = [self.live.reader.id_of("customer_id", customer) for customer in customers]
        asked = self._planned if promotions is None else tuple(str(p) for p in promotions)
        for promotion in asked:
            if promotion not in self.week.rights.offers:
                raise UnknownPromotion(
                    f"there is no such promotion; {nearest(promotion, self._known)}"
                )
        if len(ids) * max(len(asked), 1) > MOST_PAIRS:
            raise InputError(
                f"{len(ids)} customers with {len(asked)} promotions are more than {MOST_PAIRS:,} "
                "pairs; ask for fewer at a time"
            )
        self.catch_up()
        answers = []
        for customer in ids:
            decision = self._choose(customer) if choose else None
            answers.append(self._answer(customer, asked, decision))
        moment, last = self._present, microseconds(self.live.last)
        return {
            "week": str(self.week.week),
            "as_of": _utc(moment_of(moment)),
            "events_until": _utc(moment_of(last)),
            "age_seconds": (moment - last) / SECOND,
            "kept_as_of": dict.fromkeys(self.live.stale, self._as_of),
            "model": self.week.fingerprint or None,
            "customers": answers,
        }

    def _answer(
        self, customer: Any, asked: Sequence[str], decision: Decision | None
    ) -> dict[str, Any]:
        moment = self.moment()
        chances = self.chances(customer, asked, moment)
        standing = self._standing(customer, moment)
        everywhere = STANDING if self.week.holdouts.held(customer, None) else NONE
        held = {
            promotion: PROMOTION
            for promotion, action in self._action.items()
            if everywhere == NONE and self.week.holdouts.held(customer, action)
        }
        told = []
        for promotion in asked:
            why = self._bars(standing, promotion)
            pair = {
                "promotion_id": promotion,
                "chance": chances.get(promotion),
                "effect": self._effect(customer, promotion),
                "eligible": not why,
                "why_not": why,
                "holdout": held.get(promotion, everywhere),
            }
            told.append(pair)
        return {
            "customer_id": customer,
            "new": not self.live.knows(customer),
            "promotions": told,
            "decision": None if decision is None else decision.to_dict(),
        }

    def _effect(self, customer: Any, promotion: str) -> dict[str, Any] | None:
        """Return what a contact adds, as the report found it."""
        found = self.week.effects.get(promotion, _NOTHING).get(customer)
        if found is None:
            return None
        value, low, high = found
        return {
            "value": value, "ci_low": low, "ci_high": high,
            "identification": self.week.identification, "as_of": self._as_of,
        }  # fmt: skip

    def _standing(self, customer: Any, moment: int) -> Standing:
        own = self.chooser.own(customer)
        return self.week.rights.of(customer, moment, own, self._begun)

    def _bars(self, standing: Standing, promotion: str) -> list[str]:
        """Return why a promotion may not be offered to a customer."""
        offer = self.week.rights.offers[promotion]
        found = standing.bars(offer)
        return [*found, OVER] if offer.ends_at <= standing.moment else found

    def chances(self, customer: Any, asked: Sequence[str], moment: int) -> dict[str, float]:
        """Return the chance of a response to each promotion; empty without a model."""
        known = self.week.chances
        return {} if known is None else known.of(customer, tuple(asked), moment)

    def _choose(self, customer: Any) -> Decision:
        """Choose for a customer, and write it where it is new; nobody writes in between."""
        while True:
            decision, new = self._chosen(customer)
            if not new:
                return decision
            entry = json.dumps({"decision": decision.to_dict()}, ensure_ascii=False).encode()
            name = self.store.append_after(entry, self._cursor)
            if name is not None:
                self._cursor = name
                self._stand(decision)
                row = [decision.to_dict()]
                append_served(self.week.run.path, row, on_disk=not self.store.lasts)
                self._count(decision)
                return decision
            self.catch_up()  # another process wrote meanwhile: what it wrote may change the choice

    def _chosen(self, customer: Any) -> tuple[Decision, bool]:
        moment = self.moment()
        standing = self._standing(customer, moment)
        chances: dict[str, float] = {}
        if self.week.plans.of(customer) is None:
            chances = self.chances(customer, self._planned, moment)
        return self.chooser.choose(
            customer, moment, chances, lambda promotion: self._bars(standing, promotion)
        )

    def age(self) -> float:
        """Return how many seconds the latest event is behind the present."""
        now = max(self._present, int(self._clock() * SECOND))
        return max(0.0, (now - microseconds(self.live.last)) / SECOND)

    def health(self, *, down: bool = False) -> dict[str, Any]:
        """Tell how fresh the features are, and what is to be known.

        Parameters
        ----------
        down : bool
            Whether the store does not answer.
        """
        return {
            "status": "store down" if down else "ok",
            "week": str(self.week.week),
            "store": self.store.name,
            "as_of": self._as_of,
            "events_until": _utc(self.live.last),
            "notes": self.notes(),
        }

    def notes(self) -> list[str]:
        """Say in sentences what is to be known: a clock that ran back, a week that is over."""
        found, behind = [], self.behind()
        if behind > 1:
            found.append(
                f"The clock is {behind:,.0f} seconds behind the latest answer or event; answers "
                "stay as of then until it has caught up."
            )
        if max(self._present, int(self._clock() * SECOND)) >= microseconds(
            self.week.week.end(self.week.zone)
        ):
            found.append(
                f"{self.week.week} is over: promotions that are over are not offered any more. "
                "Release the next week and serve that."
            )
        if self.week.chances is None:
            found.append("The week has no response model: no chance of a response is known.")
        return found

    def _count(self, decision: Decision) -> None:
        held = decision.holdout != NONE and decision.planned_action != NONE
        said = "held_out" if held else "none" if decision.action == NONE else "given"
        self.decided[said] += 1


def _utc(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC)
