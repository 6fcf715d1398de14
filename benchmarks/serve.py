"""A released week in the moment: what an answer takes, and whether any is wrong."""

from __future__ import annotations

import http.client
import json
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks import report
from benchmarks.processes import ROOT, environment
from benchmarks.table import Row, Run, at_most, part, unmeasured

NOW = datetime(2017, 10, 31, 12)
"""What the service's clock says at the start: a day into the week."""
TOKEN = "a token of the benchmark"
PROCESSOR, MEDIAN, TAIL = 1.5, 2.0, 5.0
"""Milliseconds a request."""
LOGGED = 1_000_000
"""Events in the log of a week."""
CONNECTIONS, SECONDS, DOWN = 8, 30.0, 2.0
CHOSEN = 100_000


@dataclass
class Valkey:
    """A store of one's own, each entry on disk before it is acknowledged."""

    folder: Path
    port: int = 0
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"redis://127.0.0.1:{self.port}"

    def start(self, fsync: str = "always") -> None:
        """Begin, with what the folder holds."""
        self.folder.mkdir(parents=True, exist_ok=True)
        if not self.port:
            with socket.socket() as free:
                free.bind(("127.0.0.1", 0))
                self.port = free.getsockname()[1]
        line = [_server() or "", "--port", str(self.port), "--dir", str(self.folder), "--save", ""]
        line += ["--bind", "127.0.0.1", "--appendonly", "yes", "--appendfsync", fsync]
        self.process = subprocess.Popen(line, stdout=subprocess.DEVNULL)
        import redis

        for _ in range(3_000):  # it answers once its log is read
            with suppress(redis.ConnectionError, redis.BusyLoadingError):
                redis.Redis(port=self.port).ping()
                return
            time.sleep(0.01)
        raise RuntimeError("the store did not start")

    def kill(self) -> None:
        """End it as a power cut would."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()


def _server() -> str | None:
    return shutil.which("valkey-server") or shutil.which("redis-server")


@dataclass
class Connection:
    """Asks one request after the other, over a connection that stays open."""

    port: int

    @cached_property
    def _open(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)

    def ask(self, path: str, body: Any) -> tuple[int, Any]:
        """Return the status and what was answered."""
        headers = {"authorization": f"Bearer {TOKEN}", "content-type": "application/json"}
        self._open.request("POST", path, json.dumps(body), headers)
        answer = self._open.getresponse()
        return answer.status, json.loads(answer.read())

    def score(self, customer: Any, query: str = "", **body: Any) -> dict[str, Any]:
        """Return the answer about one customer."""
        status, told = self.ask(f"/score{query}", {"customers": [customer], **body})
        if status != 200:
            raise RuntimeError(f"/score answered {status}: {told}")
        found: dict[str, Any] = told["customers"][0]
        return found


@dataclass
class Worker:
    """A service of one process, as ``promolab serve`` starts it."""

    pid: int
    port: int

    def processor(self) -> float:
        """Return the processor seconds that all its threads took so far."""
        tasks = Path(f"/proc/{self.pid}/task").iterdir()
        return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9


@contextmanager
def serving(reports: Path, store: str) -> Iterator[Worker]:
    """Run the service of a released week, until it has answered all that is asked."""
    line = [sys.executable, "-m", "promolab.cli", "serve", report.WEEK, "--port", "0"]
    line += ["--out", str(reports), "--store", store, "--now", f"{NOW.isoformat()}Z"]
    process = subprocess.Popen(
        line, env=environment(PROMOLAB_TOKEN=TOKEN),
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    try:
        address = (process.stdout.readline() if process.stdout else "").strip()
        if not address:
            raise RuntimeError("the service did not start")
        yield Worker(process.pid, int(address.rpartition(":")[2]))
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


@dataclass
class Week:
    """A released week's folder, and what of it the questions are made of."""

    reports: Path

    @property
    def path(self) -> Path:
        """The week's own folder."""
        return self.reports / report.WEEK

    @cached_property
    def customers(self) -> list[Any]:
        """Those whom the report knows."""
        table = pd.read_parquet(self.path / "tables" / "features.parquet")
        found: list[Any] = table["customer_id"].tolist()
        return found

    @cached_property
    def promotions(self) -> list[str]:
        """All that the shop has."""
        table = pd.read_parquet(self.path / "shop" / "promotions.parquet")
        return [str(promotion) for promotion in table["promotion_id"]]

    @cached_property
    def opened(self) -> Any:
        """As a service reads it."""
        from promolab.serve.week import open_week

        return open_week(report.WEEK, self.reports)

    @property
    def channels(self) -> list[str]:
        """Those of the promotions, as rights to contact name them."""
        return sorted({one.channel or "mail" for one in self.opened.rights.offers.values()})

    @property
    def channel(self) -> str:
        """That of the last promotion."""
        return self.opened.rights.offers[self.promotions[-1]].channel or "mail"

    @contextmanager
    def served(self, folder: Path) -> Iterator[tuple[Valkey, Worker]]:
        """Serve it with a store of its own, as if nothing had been decided or refused yet."""
        store = Valkey(folder)
        store.start()
        self.forget()
        try:
            with serving(self.reports, store.url) as worker:
                yield store, worker
        finally:
            store.kill()

    def forget(self) -> None:
        """Take away what an earlier service decided, and was told of refusals."""
        shutil.rmtree(self.path / "served", ignore_errors=True)
        (self.reports / "suppressions.jsonl").unlink(missing_ok=True)


def released(out: Path) -> Week:
    """Make the week's report, and release its plan, where that is not done."""
    week = Week(out)
    if not week.path.is_dir():
        report.make_report(out, 2)
    line = [sys.executable, "-m", "promolab.cli", "release", report.WEEK, "--out", str(out)]
    if json.loads((week.path / "manifest.json").read_text())["state"] == "draft":
        subprocess.run(line, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    return week


@dataclass
class Took:
    """Milliseconds a request: what each waited, and the worker's processor by pieces of 100."""

    waited: list[float]
    processor: list[float]

    @property
    def words(self) -> str:
        """All that is told."""
        middle, tail = np.quantile(self.waited, [0.5, 0.99])
        spent = np.median(self.processor)
        return f"processor {spent:.2f} ms, p50 {middle:.2f} ms, p99 {tail:.1f} ms"

    def row(self, what: str, told: str) -> Row:
        """Return whether processor time, middle and tail are below their bars."""
        middle, tail = np.quantile(self.waited, [0.5, 0.99])
        what += f", p50 ≤ {MEDIAN:g} ms, p99 ≤ {TAIL:g} ms"
        met = bool(middle <= MEDIAN and tail <= TAIL)
        spent, told = float(np.median(self.processor)), f"{self.words}; {told}"
        return at_most(what, spent, PROCESSOR, "ms of processor", told, also=met)


def took(worker: Worker, week: Week, customers: Sequence[Any], query: str = "") -> Took:
    """Ask for one customer after the other with all promotions, and return what that took."""
    connection, waited, processor = Connection(worker.port), [], []
    for first in range(0, len(customers), 100):
        piece, begun = customers[first : first + 100], worker.processor()
        for customer in piece:
            start = time.perf_counter()
            connection.score(customer, query, promotions=week.promotions)
            waited.append(1e3 * (time.perf_counter() - start))
        processor.append(1e3 * (worker.processor() - begun) / len(piece))
    return Took(waited, processor)


def latency(week: Week, scratch: Path, requests: int = 10_000) -> Iterator[Row]:
    """Yield what a request takes, first and later ones, with and without a decision."""
    rng = np.random.default_rng(0)
    some = [week.customers[k] for k in rng.integers(0, len(week.customers), requests)]
    with week.served(scratch / "latency") as (_, worker):
        first = took(worker, week, week.customers)
        again = took(worker, week, some)
        chosen = took(worker, week, week.customers, "?choose=1")
        chosen_again = took(worker, week, some, "?choose=1")
    what = f"/score, one customer × {len(week.promotions)} promotions, one worker, Valkey, token"
    told = f"each customer for the first time: {first.words}"
    yield again.row(f"{what}: {requests:,} requests", told)
    told = f"each one written to disk first: {chosen.words}"
    yield chosen_again.row(f"{what}: ?choose=1, choices that stand", told)


def long_log(week: Week, scratch: Path, events: int = LOGGED) -> Row:
    """Return how much longer a service takes to start where the week's log is long."""
    import redis

    from promolab.folder import ReportsFolder

    store = Valkey(scratch / "log")
    store.start("no")  # quick to fill
    key = f"promolab:{ReportsFolder.there(week.reports).shop}:{report.WEEK}"
    rng, begun = np.random.default_rng(0), int(NOW.timestamp() * 1e6)
    kinds, customers = rng.choice(["view", "cart", "purchase"], events), week.customers
    who = rng.integers(0, 2 * len(customers), events)
    with redis.Redis(port=store.port).pipeline(transaction=False) as pipe:
        for k in range(events):
            known = who[k] < len(customers)
            customer = customers[who[k]] if known else 10_000_000 + int(who[k])
            first = ["events", f"e{k}", begun - 3_600_000_000 + k, customer, *[None] * 4]
            row = [*first, str(kinds[k]), None, None, 1.0, 3.0, *[None] * 3]
            pipe.xadd(key, {"e": json.dumps({"events": [row]})})
            if k % 10_000 == 9_999:
                pipe.execute()
        pipe.execute()
    store.kill()
    store.start()
    try:
        took = []
        for address in ("memory", store.url):
            with serving(week.reports, address) as worker:
                took.append(worker.processor())
                told = Connection(worker.port).score(customers[0])
                assert not told["new"]
    finally:
        store.kill()
    what = f"a start with {events:,} events in the week's log, an entry each, beside one without"
    return at_most(what, took[1] - took[0], 10, "s of processor more")


@dataclass
class Asker:
    """One of several connections: says that a customer leaves or comes back, and asks at once.

    Its customers are its own, so that it knows what every answer must say.
    """

    number: int
    customers: list[Any]
    promotion: str
    channel: str
    port: int
    until: float
    seen: list[tuple[float, int]] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    events: int = 0

    def run(self) -> None:
        """Ask until the time is over."""
        rng, left, connection = np.random.default_rng(self.number), set[Any](), None
        while time.monotonic() < self.until:
            connection = connection or Connection(self.port)
            customer = self.customers[int(rng.integers(len(self.customers)))]
            try:
                if rng.random() < 0.3:
                    self._event(connection, customer, left)
                body = {"customers": [customer], "promotions": [self.promotion]}
                said = self._tried(connection, "/score", body)
            except (OSError, http.client.HTTPException) as error:
                self.wrong.append(f"no answer: {type(error).__name__}")
                connection = None
                continue
            self._check(customer, customer in left, said)

    def _event(self, connection: Connection, customer: Any, left: set[Any]) -> None:
        self.events += 1
        now = f"{(NOW + timedelta(microseconds=self.events)).isoformat()}Z"
        name = f"{self.number}-{self.events}"
        row: dict[str, Any] = {"event_id": name, "customer_id": customer}
        if customer in left:
            row |= {"channel": self.channel, "allowed": True, "since": now}
        else:
            row |= {"ts": now, "kind": "unsubscribe", "promotion_id": self.promotion}
        bought = {"event_id": f"{name}-bought", "customer_id": customer, "ts": now}
        bought |= {"kind": "purchase", "amount": 20.0, "quantity": 1}
        counted = self._tried(connection, "/events", {"events": [row, bought]})
        if counted["new"] + counted["repeated"] != 2:
            self.wrong.append(f"an event was counted as {counted}")
        left ^= {customer}

    def _tried(self, connection: Connection, path: str, body: Any) -> Any:
        """Ask until there is an answer; the store may be down."""
        while True:
            asked = time.monotonic()
            status, told = connection.ask(path, body)
            self.seen.append((asked, status))
            if status == 200:
                return told
            if status != 503:
                self.wrong.append(f"{path} answered {status}")
            time.sleep(0.1)

    def _check(self, customer: Any, left: bool, said: Any) -> None:
        answer = said["customers"][0]
        why = answer["promotions"][0]["why_not"]
        if answer["customer_id"] != customer or ("no_right" in why) != left:
            self.wrong.append(f"{customer} {'left' if left else 'stays'}, but {why}")


def under_load(week: Week, scratch: Path) -> Row:
    """Return whether any of several connections is answered wrongly while the store restarts."""
    with week.served(scratch / "load") as (store, worker):
        until, place = time.monotonic() + SECONDS, (week.promotions[-1], week.channel)
        askers = [
            Asker(k, week.customers[k::CONNECTIONS][:100], *place, worker.port, until)
            for k in range(CONNECTIONS)
        ]
        threads = [threading.Thread(target=asker.run) for asker in askers]
        for thread in threads:
            thread.start()
        time.sleep(SECONDS / 2)
        store.kill()
        time.sleep(DOWN)
        store.start()
        back = time.monotonic()
        for thread in threads:
            thread.join()
        same = _same_anew(week, worker, store, [c for a in askers for c in a.customers[:20]])
    seen = [one for asker in askers for one in asker.seen]
    wrong = Counter(said for asker in askers for said in asker.wrong)
    failed = [asked for asked, status in seen if status >= 500]
    # A second after it found the store gone the service asks it again: until then it says so.
    late = sum(asked > back + 1.0 for asked in failed)
    answered = sum(status == 200 for _, status in seen)
    what = f"{CONNECTIONS} connections for {SECONDS:.0f} s, the store killed, back in {DOWN:.0f} s"
    what += ": wrong answers; an event is in the next one, and nothing fails once it is back"
    told = f"{answered:,} answers, {sum(asker.events for asker in askers):,} events{_first(wrong)};"
    told += f" {len(failed)} of 503; {same[0]} of {same[1]} the same to a service that starts anew"
    return at_most(what, wrong.total(), 0, told=told, also=not late and same[0] == same[1])


def _first(wrong: Counter[str]) -> str:
    return f" ({next(iter(wrong))})" if wrong else ""


def _same_anew(week: Week, worker: Worker, store: Valkey, customers: list[Any]) -> tuple[int, int]:
    """Return how many customers a second service, which reads the log, answers the same."""
    with serving(week.reports, store.url) as other:
        connections = Connection(worker.port), Connection(other.port)
        told = [
            [one.score(customer, promotions=week.promotions) for customer in customers]
            for one in connections
        ]
    return sum(_alike(*both) for both in zip(*told, strict=True)), len(customers)


def _alike(one: dict[str, Any], two: dict[str, Any]) -> bool:
    """Whether two answers of two moments are the same: chances to 1e-4, all else exactly."""
    first, second = ([p.pop("chance") or 0 for p in said["promotions"]] for said in (one, two))
    return bool(np.allclose(first, second, rtol=0, atol=1e-4)) and one == two


def never_chosen(week: Week, scratch: Path, requests: int = CHOSEN) -> Row:
    """Return for how many who are held out, or refused, a promotion was ever chosen."""
    held, rng = _held(week), np.random.default_rng(0)
    everybody = [*week.customers, *(f"9{k:06d}" for k in range(2_000))]
    refused, given, wrong = set[Any](), 0, 0
    with week.served(scratch / "chosen") as (_, worker):
        connection = Connection(worker.port)
        for _ in range(requests):
            customer = everybody[int(rng.integers(len(everybody)))]
            if rng.random() < 0.02:
                row = {"customer_id": customer, "allowed": False}
                rows = [row | {"channel": channel} for channel in week.channels]
                connection.ask("/events", {"events": rows})
                refused.add(customer)
            decision = connection.score(customer, "?choose=1", promotions=[])["decision"]
            got = decision["action"] != "none"
            given += got
            wrong += got and (customer in refused or held(customer, decision["action"]))
    what = f"?choose=1, {requests:,} random requests for {len(everybody):,} customers: a promotion"
    told = f"{given:,} answers gave something; {len(refused):,} refused meanwhile"
    what += " chosen for who is held out or refused"
    return at_most(what, wrong, 0, told=told, also=given > 0)


def _held(week: Week) -> Any:
    """Return what tells whether a customer is held out of an action, by the plan's own draws.

    It is asked of the plan's table, and of the draws for those who are not in it.
    """
    from promolab.campaign.plan import is_drawn_out

    told = json.loads((week.path / "metrics.json").read_text())["plan"]
    table = pd.read_parquet(week.path / "tables" / "decisions.parquet").set_index("customer_id")
    planned = table["holdout"].to_dict()
    draws = [(told["standing_holdout"], told["standing_seed"]), (told["holdout"], told["seed"])]

    def held(customer: Any, action: str) -> bool:
        if customer in planned:
            return bool(planned[customer] != "none")
        names = zip((None, action), draws, strict=True)
        return any(share and is_drawn_out(customer, name, share, s) for name, (share, s) in names)

    return held


@part("serve", "the service")
def in_the_moment(run: Run) -> Iterator[Row]:
    """Yield all rows; the week is made and released if it is not."""
    if _server() is None:
        yield unmeasured("a released week in the moment", "neither Valkey nor Redis is here")
        return
    from benchmarks.refusals import refused_orders

    scratch = run.scratch / "stores"
    scratch.mkdir(parents=True, exist_ok=True)
    week = released(run.out / "served")
    yield from latency(week, scratch)
    yield long_log(week, scratch)
    yield under_load(week, scratch)
    yield never_chosen(week, scratch)
    hours = (NOW - datetime(1970, 1, 1)).total_seconds() + 12 * 3600
    yield refused_orders(week.opened, lambda: hours, scratch)
