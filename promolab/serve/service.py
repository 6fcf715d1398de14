"""A week in the moment: what came in, what is known by it, and what is answered and chosen."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from promolab.campaign.plan import same_channel
from promolab.contract import NONE
from promolab.errors import InputError, nearest
from promolab.folder import REFUSALS, append_lines, append_suppressions, read_suppressions
from promolab.loop import SERVED, append_served, read_served
from promolab.serve.events import Event, microseconds
from promolab.serve.formulas import SECOND, moment_of
from promolab.serve.plans import PROMOTION, STANDING, Chooser, Decision
from promolab.serve.rights import Standing
from promolab.serve.stores import BEGINNING, PAGE, Store, Unavailable
from promolab.serve.week import ReleasedWeek

AHEAD = 300 * SECOND
"""How far ahead of this clock an event may be dated: clocks of two machines differ."""
OVER = "over"
"""Why a promotion may not be offered, beside the steps of the funnel."""
MOST_PAIRS = 20_000
DEAD_LETTERS = "dead_letters.jsonl"
"""What lay in the log and could not be read, in ``served/`` of the week."""
COUNTED = ("new", "repeated", "conflicting", "late", "unknown_customers")
_ODD = (ValueError, TypeError, KeyError, AttributeError, RecursionError, OverflowError)
"""What reading something odd raises; InputError is a ValueError."""
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
        Events: `COUNTED`, refused, and dead letters of the log.
    """

    def __init__(
        self, week: ReleasedWeek, store: Store, clock: Callable[[], float] = time.time
    ) -> None:
        self.week, self.store, self._clock = week, store, clock
        self.live = week.live
        self.chooser = Chooser(week)
        self.taken = self.live.taken
        for said in (*COUNTED, "refused", "dead_letters"):
            self.taken.setdefault(said, 0)
        self._known = sorted(week.rights.offers)
        self._planned = tuple(week.promotions)
        self._action = {p: a.name for a in week.actions.values() for p in a.promotions}
        self._begun, self._as_of = microseconds(week.as_of), _utc(week.as_of)
        self._present = self._begun
        self._cursor, self._seen = BEGINNING, 0
        self._filed: set[str] = set()
        self._listed: set[Event] = set()
        self._refusals: list[Any] = []
        self._decisions: list[Any] = []
        self._letters: list[Any] = []
        self._recover()

    def _forgotten(self, customer: Any) -> bool:
        """Tell whether a customer is to be forgotten: nothing is kept, chosen or learned."""
        return bool(self.week.run.forgotten([customer]))

    def _recover(self) -> None:
        """Take in what was decided and refused before: by the files, and by the log."""
        listed = read_suppressions(self.week.run.path.parent, self.week.customers)
        self.week.rights.suppress(listed)
        for row in read_served(self.week.run.path):
            self._filed.add(row["decision_id"])
            self._stand(self._decision(row))
        self.catch_up()
        known = {row["event_id"] for row in listed}
        self._list([event for event in self._listed if event.event_id not in known])
        self._file(*self.chooser.decisions.values())
        self.write()

    def write(self) -> None:
        """Write what is to be in a file before anything more is answered.

        Raises
        ------
        Unavailable
            It could not be written; it is kept, and nothing of it was acknowledged.
        """
        path = self.week.run.path
        try:
            append_suppressions(path.parent, self._refusals)
            self._refusals.clear()
            append_served(path, self._decisions, on_disk=not self.store.lasts)
            self._decisions.clear()
            append_lines(path / SERVED / DEAD_LETTERS, self._letters)
            self._letters.clear()
        except OSError as error:
            raise Unavailable(
                f"the reports folder cannot be written ({error.strerror}); make room",
                "not written",
            ) from error

    def _file(self, *decisions: Decision) -> None:
        new = [d for d in decisions if d.decision_id not in self._filed]
        self._filed.update(d.decision_id for d in new)
        self._decisions.extend(d.to_dict() for d in new)

    def _list(self, events: Iterable[Event]) -> None:
        for event in events:
            if rows := self.week.rights.refusals_of(event, self.moment()):
                self._refusals += rows
                self._listed.add(event)

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

    def catch_up(self, own: str = "") -> Counter[str]:
        """Take in what the log holds by now; return what was counted of one entry."""
        mine: Counter[str] = Counter()
        while entries := self.store.read(self._cursor, self._seen):
            try:  # one text of all: a log of millions is read in half the time
                told = json.loads(b"[" + b",".join(entry for _, entry in entries) + b"]")
            except _ODD:
                told = [None] * len(entries)
            if len(told) != len(entries):
                told = [None] * len(entries)
            for (name, text), entry in zip(entries, told, strict=True):
                counted = self._entry(text, entry)
                if name == own:
                    mine = counted
                self._cursor, self._seen = name, self._seen + 1
            if len(entries) < PAGE:
                break
        return mine

    def _entry(self, text: bytes, entry: Any) -> Counter[str]:
        """Take in an entry of the log; what is none goes to the dead letters."""
        counted: Counter[str] = Counter()
        try:
            entry = json.loads(text) if entry is None else entry
            if not {"events", "decision"} & entry.keys():
                raise InputError("it is no entry as the service writes them")
            events = [self.live.reader.logged(values) for values in entry.get("events", ())]
            events = [event for event in events if not self._forgotten(event.customer_id)]
            decision = self._decision(entry["decision"]) if "decision" in entry else None
            if decision is not None and self._forgotten(decision.customer_id):
                decision = None
        except _ODD as error:
            self._dead_letter(text, f"in the log: {error}")
            return counted
        for event in events:
            who = event.customer_id
            counted["unknown_customers"] += not (who in self.week.customers or self.live.seen(who))
            counted[self._take(event)] += 1
        self.taken["unknown_customers"] += counted["unknown_customers"]
        if decision is not None:
            self._stand(decision)
        return counted

    def _take(self, event: Event) -> str:
        said = self.live.take(event)
        if said == "new" and self.week.chances is not None:
            self.week.chances.take(event)
        refuses = event.allowed is False or event.kind in REFUSALS
        # What is late, or has an id that came before, is no feature; a refusal it is all the same.
        if refuses:
            self._listed.add(event)
        if said in ("new", "late") or (said == "conflicting" and refuses):
            self.week.rights.take(event)
        if said == "new" and event.table == "exposures":
            self.chooser.contacted(event.customer_id, str(event.promotion_id))
        return said

    def _dead_letter(self, text: bytes, reason: str) -> None:
        self.taken["dead_letters"] += 1
        line = text.decode(errors="replace")
        at = _utc(moment_of(self.moment())).isoformat()
        self._letters.append({"at": at, "reason": reason, "line": line})

    def receive(self, rows: Sequence[Any]) -> dict[str, int]:
        """Take in events, all or none of them; when it returns they are written.

        Parameters
        ----------
        rows : sequence of mappings
            As `LiveFeatures.update` takes them.

        Returns
        -------
        dict of str to int
            `COUNTED`.

        Raises
        ------
        InputError
            An event cannot be read, is dated ahead of the clock, or names a channel that the shop
            does not have; says which one.
        """
        self.write()
        events = []
        for place, row in enumerate(rows):
            try:
                events.append(self._read(row))
            except InputError as error:
                self.taken["refused"] += len(rows)
                if len(rows) == 1:
                    raise
                raise InputError(f"event {place}: {error}; none of them was taken in") from error
        return self._log([event for event in events if not self._forgotten(event.customer_id)])

    def _read(self, row: Any) -> Event:
        event = self.live.reader.read(row)
        latest = max(int(self._clock() * SECOND), self._present) + AHEAD
        if event.ts is not None and event.ts > latest:
            raise InputError("it is dated ahead of the clock; expected what has happened")
        known = self.week.channels
        if event.channel is None or not known or same_channel(event.channel) in known:
            return event
        raise InputError(f"channel is none of the shop's; {nearest(event.channel, sorted(known))}")

    def _log(self, events: Sequence[Event]) -> dict[str, int]:
        """Write events: refusals to the list first, each once, then all of them to the log."""
        self._list([event for event in dict.fromkeys(events) if event not in self._listed])
        self.write()
        counted: Counter[str] = Counter()
        if events:
            entry = json.dumps({"events": events})
            counted = self.catch_up(self.store.append(entry.encode()))
        return {said: counted[said] for said in COUNTED}

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
            decision = self._choose(customer) if choose and not self._forgotten(customer) else None
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

    def reply(
        self, question: str, customer: Any, promotion: str | int | None, k: int
    ) -> dict[str, Any]:
        """Answer a question with the shop's own templates; nothing is written.

        Parameters
        ----------
        question : str
        customer : id or None
            Who asks; without it no promotion is named.
        promotion : id, optional
            The one that may be named; by default the one that the customer gets this week.
        k : int
            Templates at most.

        Raises
        ------
        InputError
            The shop states no templates, or what `score` raises.
        """
        if self.week.replies is None:
            raise InputError(
                "the shop states no replies; write [replies] into its shop.toml, and make and "
                "release a report with it"
            )
        offer = "" if customer is None else self._may_name(customer, promotion)
        found = self.week.replies.suggest(question, k, offer=self.week.terms.get(offer))
        rows = zip(found.intents, found.texts, found.scores, found.offered, strict=True)
        replies = [
            {"intent": i, "text": t, "score": s, "promotion_id": offer if named else None}
            for i, t, s, named in rows
        ]
        return {"replies": replies, "why": found.why or None}

    def _may_name(self, customer: Any, promotion: str | int | None) -> str:
        """Return a promotion that a customer may be told of; empty where there is none."""
        self.catch_up()
        own = self.live.reader.id_of("customer_id", customer)
        asked = self.chooser.own(own) if promotion is None else (promotion,)
        pairs = self.score([own], asked, False)["customers"][0]["promotions"]
        free = [p["promotion_id"] for p in pairs if p["eligible"] and p["holdout"] == NONE]
        return next((p for p in free if p in self.week.terms), "")

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
        standing = self.week.rights.of(customer, moment, own, self._begun)
        standing.status |= self._forgotten(customer)
        return standing

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
        """Choose for a customer, and write it where it is new; nobody writes in between.

        What stands and is in no file, because the disk was full, is written before it is answered.
        """
        self.write()
        while True:
            decision, new = self._chosen(customer)
            if new:
                entry = json.dumps({"decision": decision.to_dict()}).encode()
                name = self.store.append_after(entry, self._cursor)
                if name is None:  # another process wrote meanwhile, what may change the choice
                    self.catch_up()
                    continue
                self._cursor, self._seen = name, self._seen + 1
                self._stand(decision)
            self._file(decision)
            self.write()
            return decision

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

    def check(self) -> None:
        """See whether all can be answered: the store, and the files.

        Raises
        ------
        Unavailable
            Something cannot.
        """
        self.catch_up()
        self.write()

    def health(self, found: Unavailable | None = None) -> dict[str, Any]:
        """Tell how fresh the features are, and what is to be known.

        Parameters
        ----------
        found : Unavailable, optional
            What `check` raised.
        """
        return {
            "status": "ok" if found is None else found.status,
            "week": str(self.week.week),
            "store": self.store.name,
            "as_of": self._as_of,
            "events_until": _utc(self.live.last),
            "notes": [*([] if found is None else [str(found)]), *self.notes()],
        }

    def notes(self) -> list[str]:
        """Say in sentences what is to be known: a week that is over, or has no model."""
        found = []
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


def _utc(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC)
