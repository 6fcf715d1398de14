"""Whether anybody is offered anything after a no that was acknowledged, in random orders."""

from __future__ import annotations

import gc
import http.client
import os
import shutil
import signal
import socket
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.serve import TOKEN, Connection, Valkey
from benchmarks.table import Row, at_most

ORDERS, AT_ONCE = 10_000, 500
"""Orders in all, and between two fresh starts of store, log and list."""
FORMS = ("unsubscribe", "complaint", "right", "right of no date")
WAYS = ("plain", "late", "twice", "padded", "conflicting")
HEAVY = ("kill service", "kill store", "empty store")


@dataclass
class Process:
    """A service in a process of its own, which can be killed; the week is opened once for all."""

    week: Any
    url: str
    clock: Callable[[], float]
    pid: int = 0
    port: int = 0

    def start(self) -> None:
        """Begin anew: read the files and the log, and answer."""
        from promolab.serve.running import answer
        from promolab.serve.service import Service
        from promolab.serve.stores import open_store
        from promolab.serve.web import application

        listening = socket.socket()
        listening.bind(("127.0.0.1", 0))
        listening.listen(64)
        listening.setblocking(False)
        self.port = listening.getsockname()[1]
        self.pid = os.fork()
        if self.pid:
            listening.close()
            return
        try:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            gc.freeze()  # what is of the parent stays
            silent = os.open(os.devnull, os.O_WRONLY)
            os.dup2(os.dup2(silent, 1), 2)
            service = Service(self.week, open_store(self.url, "refusals"), self.clock)
            answer(application(service, TOKEN), listening)
        finally:
            os._exit(1)

    def kill(self) -> None:
        """End it where it is."""
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
            self.pid = 0


@dataclass
class Order:
    """One customer, a form of saying no, a way in which it comes, and whether it is known."""

    customer: Any
    form: str
    way: str
    number: int
    acknowledged: bool = False
    consented: bool = False
    acts: list[str] = field(default_factory=list)


@dataclass
class Round:
    """Some orders at once, their acts mixed with kills and an emptied store.

    Parameters
    ----------
    week : ReleasedWeek
        Opened; its folder's ``served/`` and list are emptied at the start.
    store : Valkey
    clock : callable
        Of the services.
    rng : Generator
    """

    week: Any
    store: Valkey
    clock: Callable[[], float]
    rng: np.random.Generator
    seen: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)

    def run(self, customers: Sequence[Any], heavy: int) -> None:
        """Make the orders of these customers, with so many kills of each kind in between."""
        reports = self.week.run.reports.path
        shutil.rmtree(self.week.run.path / "served", ignore_errors=True)
        (reports / "suppressions.jsonl").unlink(missing_ok=True)
        self.promotion = self.week.promotions[-1]
        self.channel = self.week.rights.offers[self.promotion].channel or "mail"
        self.process = Process(self.week, self.store.url, self.clock)
        self._empty()
        self.process.start()
        self.connection = Connection(self.process.port)
        try:
            for act, order in self._mixed(customers, heavy):
                self.seen[act] += 1
                if order is None:
                    self._heavy(act)
                elif act == "no":
                    self._say_no(order)
                elif act == "yes":
                    self._consent(order)
                else:
                    self._check(order)
        finally:
            self.process.kill()

    def _mixed(self, customers: Sequence[Any], heavy: int) -> Iterator[tuple[str, Order | None]]:
        orders = []
        for number, customer in enumerate(customers):
            form, way = self.rng.choice(FORMS), self.rng.choice(WAYS)
            order = Order(customer, str(form), str(way), number)
            more = [["no", "ask"], ["ask", "no", "ask"], ["no", "yes", "no", "ask"]]
            order.acts = list(more[int(self.rng.choice(3, p=[0.3, 0.6, 0.1]))])
            orders.append(order)
            self.seen["orders"] += 1
        turns: list[Order | str] = [order for order in orders for _ in order.acts]
        turns += [act for act in HEAVY for _ in range(heavy)]
        for place in self.rng.permutation(len(turns)):
            turn = turns[place]
            yield (turn, None) if isinstance(turn, str) else (turn.acts.pop(0), turn)
        for order in orders:
            yield "ask", order

    def _heavy(self, act: str) -> None:
        if act == "kill store":
            self.store.kill()
            self.store.start()
        elif act == "empty store":
            self._empty()
        else:
            self._restart()

    def _empty(self) -> None:
        import redis

        redis.Redis(port=self.store.port).flushall()

    def _restart(self) -> None:
        self.process.kill()
        self.process.start()
        self.connection = Connection(self.process.port)

    def _ask(self, path: str, body: Any) -> Any:
        """Ask until there is an answer, as a sender does; an emptied log needs a restart."""
        for _ in range(200):
            try:
                status, told = self.connection.ask(path, body)
            except (OSError, http.client.HTTPException):
                if os.waitpid(self.process.pid, os.WNOHANG)[0]:
                    raise RuntimeError("the service has ended by itself") from None
                self.connection = Connection(self.process.port)
                time.sleep(0.02)
                continue
            if status == 200:
                return told
            if status != 503:
                self.wrong.append(f"{path} answered {status}: {told['detail']}")
                return told
            self.seen["503"] += 1
            if "emptied" in told["detail"]:
                self._restart()
            time.sleep(0.05)
        raise RuntimeError(f"{path} was not answered")

    def _row(self, order: Order, event_id: str) -> dict[str, Any]:
        at = self.week.as_of + timedelta(hours=2, seconds=order.number)
        if order.consented:
            at += timedelta(hours=2)
        elif order.way == "late":
            at -= timedelta(days=3)
        when = f"{at.isoformat()}Z"
        row: dict[str, Any] = {"customer_id": order.customer, "event_id": event_id}
        if order.way == "padded":
            row["customer_id"] = f" {order.customer} "
        if order.form.startswith("right"):
            row |= {"channel": f" {self.channel.upper()} ", "allowed": False}
            return row if "date" in order.form else row | {"since": when}
        return row | {"promotion_id": self.promotion, "kind": order.form, "ts": when}

    def _say_no(self, order: Order) -> None:
        event_id = f"e{order.number}"
        event_id += "" if order.way == "conflicting" else f"-{order.consented}"
        row = self._row(order, event_id)
        if order.way == "conflicting":  # another system used the id for somebody else
            other = row | {"customer_id": self.week.live.reader.id_of("customer_id", "900000000")}
            other |= {"allowed": True} if "allowed" in row else {"kind": "click"}
            self._ask("/events", {"events": [other]})
        for _ in range(2 if order.way == "twice" else 1):
            self._ask("/events", {"events": [row]})
        order.acknowledged, order.consented = True, False

    def _consent(self, order: Order) -> None:
        at = self.week.as_of + timedelta(hours=3, seconds=order.number)
        row = {"customer_id": order.customer, "channel": self.channel, "allowed": True}
        row |= {"since": f"{at.isoformat()}Z", "event_id": f"yes{order.number}"}
        self._ask("/events", {"events": [row]})
        order.acknowledged, order.consented = False, True

    def _check(self, order: Order) -> None:
        body = {"customers": [order.customer], "promotions": [self.promotion]}
        told = self._ask("/score?choose=1", body)["customers"][0]
        offered = told["decision"]["action"] != "none"
        eligible = told["promotions"][0]["eligible"]
        self.seen["offered before"] += offered and not order.acknowledged
        if order.acknowledged and (offered or eligible):
            self.wrong.append(f"{order.form}, {order.way}: offered after the no")


def refused_orders(week: Any, clock: Callable[[], float], scratch: Path) -> Row:
    """Return for how many of many random orders something was offered after a no.

    Parameters
    ----------
    week : ReleasedWeek
        Opened.
    clock : callable
        Seconds since 1970, in the week.
    scratch : Path
        Where the store lies.
    """
    store, rng = Valkey(scratch / "refusals"), np.random.default_rng(0)
    store.start()
    mixed = Round(week, store, clock, rng)
    customers = [c for c in sorted(week.customers) if week.plans.of(c) is not None]
    try:
        while (left := ORDERS - mixed.seen["orders"]) > 0:
            some = rng.choice(customers, min(AT_ONCE, left, len(customers)), replace=False)
            mixed.run(some.tolist(), 5)
    finally:
        store.kill()
    wrong = Counter(mixed.wrong)
    first = f" ({next(iter(wrong))})" if wrong else ""
    seen = mixed.seen
    what = (
        f"{seen['orders']:,} random orders of refusals: late, repeated, odd, "
        f"between {seen['kill service']} kills of the service, {seen['kill store']} of the store "
        f"and {seen['empty store']} emptied stores: offers after a no that was acknowledged"
    )
    before = seen["offered before"]
    told = f"{before:,} offered before{first}"
    return at_most(what, wrong.total(), 0, told=told, also=before > 0)
