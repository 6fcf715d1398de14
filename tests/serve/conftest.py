"""A released week of a made-up shop with a model of its own, and a store that lasts."""

import http.client
import json
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, replace
from datetime import datetime
from email.message import Message
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from benchmarks.serve import Valkey
from promolab import LiveFeatures
from promolab.campaign.outlook import past_pairs
from promolab.contract import NONE, Shop
from promolab.features import build_features
from promolab.folder import RunFolder
from promolab.loop import week_lifecycle
from promolab.model import ResponseModel
from promolab.report.running import PAGES
from promolab.serve.service import Service
from promolab.serve.stores import MemoryStore
from promolab.serve.week import ReleasedWeek, open_week
from promolab.sources import load_shop
from tests.features.conftest import as_shop, small_frames
from tests.report.made_weeks import FIRST, MadeShop

WEEK = str(FIRST)
TOKEN = "Bearer secret"
REFUSED, UNLISTED = range(0, 12), range(12, 18)
"""Customers without the right to be contacted."""
NOW = pd.Timestamp(FIRST.start("America/New_York")) + pd.Timedelta(hours=3)
"""When tests ask, unless they say otherwise: the week's promotion has begun."""
BEGIN = datetime(2021, 4, 5, 13, 30)
"""As of when live features of the small shop begin."""
COLUMNS = ["orders", "recency_days", "amount_28d", "kind_contacts", "promotion_lines_28d"]
release_week = partial(week_lifecycle.release_week, pages=PAGES)


@pytest.fixture(scope="session")
def released_once(tmp_path_factory):
    made = MadeShop(tmp_path_factory.mktemp("made"), customers=150)
    rights = made.frames["contact_rights"]
    rights = rights[~rights["customer_id"].isin(UNLISTED)]
    allowed = ~rights["customer_id"].isin(REFUSED)
    made.frames["contact_rights"] = rights.assign(allowed=allowed)
    made.write()
    run = made.draft(0, list_size=40, holdout=0.2, standing_holdout=0.1)
    # A model of the week's own past pairs, where the report puts it.
    shop = load_shop(run.path / "shop")
    pairs = past_pairs(shop, run.week.start(shop.zone), run.as_of)
    labels = np.random.default_rng(0).random(len(pairs)) < 0.3
    model = ResponseModel(l2=1.0).fit(pairs[COLUMNS], labels.astype(int))
    model.save(run.path / "model.safetensors")
    release_week(WEEK, made.out)
    return made.root


@pytest.fixture
def reports(released_once, tmp_path) -> Path:
    """The reports folder with the released week, to be changed."""
    copied = Path(tmp_path) / "made"
    shutil.copytree(released_once, copied)
    return copied / "reports"


@dataclass
class Clock:
    now: pd.Timestamp

    def __call__(self) -> float:
        return float(self.now.timestamp())


@pytest.fixture
def clock() -> Clock:
    return Clock(NOW)


@pytest.fixture(scope="session")
def opened(released_once) -> ReleasedWeek:
    """The released week as it is opened, which takes seconds; see `week`."""
    return open_week(WEEK, released_once / "reports")


@pytest.fixture
def week(opened, reports) -> Callable[[], ReleasedWeek]:
    """Return what opens the week of `reports`: each time as if for the first time."""
    return lambda: replace(deepcopy(opened), run=RunFolder(reports / WEEK, FIRST))


@pytest.fixture
def service(week, clock) -> Service:
    return Service(week(), MemoryStore(), clock)


@dataclass
class Small:
    """The small shop of the features' tests, and its features as of a moment."""

    frames: dict[str, pd.DataFrame]
    shop: Shop
    known: pd.DataFrame
    begun: LiveFeatures

    @property
    def live(self) -> LiveFeatures:
        """The features, to be brought along."""
        return deepcopy(self.begun)


@pytest.fixture(scope="session")
def small() -> Small:
    frames = small_frames()
    shop = as_shop(frames)
    known = build_features(shop, BEGIN).execute()
    return Small(frames, shop, known, LiveFeatures(shop, BEGIN))


@dataclass
class Said:
    """What came over HTTP."""

    status: int
    headers: Message
    text: str

    def json(self) -> Any:
        return json.loads(self.text)


@dataclass
class Client:
    """Asks a service over HTTP, each time by a connection of its own."""

    port: int

    def ask(self, path: str, body: Any = None, **headers: str) -> Said:
        """Post a body, if there is one, with the token that the tests agree on."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        told = {"authorization": TOKEN, "content-type": "application/json"} | {
            name.replace("_", "-"): value for name, value in headers.items()
        }
        text = body if body is None or isinstance(body, str) else json.dumps(body)
        connection.request("GET" if body is None else "POST", path, text, told)
        found = connection.getresponse()
        said = Said(found.status, found.headers, found.read().decode())
        connection.close()
        return said


@contextmanager
def answering(
    service: Service, most: int = 1 << 20, token: str | None = TOKEN.removeprefix("Bearer ")
) -> Iterator[Client]:
    """Serve over HTTP, by a thread of this process."""
    from promolab.serve.running import server_of

    server = server_of(service, token, most=most)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        while not server.started:
            time.sleep(0.005)
        yield Client(server.servers[0].sockets[0].getsockname()[1])
    finally:
        server.should_exit = True
        thread.join(20)


class Store(Valkey):
    """A server of one's own, whose log lies in a folder."""

    def hang(self, *, go_on: bool = False) -> None:
        """Stop it where it is, connections open; or let it go on."""
        if self.process is not None:
            self.process.send_signal(signal.SIGCONT if go_on else signal.SIGSTOP)


@pytest.fixture
def valkey(tmp_path_factory) -> Iterator[Store]:
    if not (shutil.which("valkey-server") or shutil.which("redis-server")):
        pytest.skip("neither valkey-server nor redis-server is installed")
    server = Store(tmp_path_factory.mktemp("valkey"))
    server.start()
    yield server
    server.kill()


def event(customer: object, kind: str, hours: float = 1, **more: object) -> dict[str, object]:
    """Return something that happened some hours after the week began."""
    moment = pd.Timestamp(FIRST.start("America/New_York")) + pd.Timedelta(hours=hours)
    return {"customer_id": customer, "ts": f"{moment.isoformat()}Z", "kind": kind, **more}


def contact(customer: object, promotion: str, hours: float = 2) -> dict[str, object]:
    row = event(customer, "", hours, promotion_id=promotion, table="exposures")
    return {name: value for name, value in row.items() if name != "kind"}


NO = [
    {"kind": "unsubscribe", "promotion_id": "7"},
    {"kind": "complaint", "promotion_id": "7"},
    {"table": "contact_rights", "allowed": False},
]


def no(service, customer, form, hours=2.0, **more):
    """Return a row that says no on the channel of the week's promotion."""
    told = NO[form] | more
    row = event(customer, told.pop("kind", ""), hours, **told)
    if "allowed" in row:
        row |= {"since": row.pop("ts"), "channel": f" {channel_of(service).upper()} "}
        del row["kind"]
    return row


def channel_of(service):
    return service.week.rights.offers[service.week.promotions[0]].channel


def decided(service, customer):
    return service.score([customer], None, True)["customers"][0]["decision"]


def planned(reports):
    run = Path(reports) / WEEK / "tables"
    return pd.read_parquet(run / "decisions.parquet").set_index("customer_id")


def given(reports):
    """Return the customers whom the plan gives something, in order."""
    rows = planned(reports)
    return rows.index[rows["action"] != NONE].tolist()


def newcomers(service, n, first=1000, least=0.0, contacts=100_000):
    """Let customers come whom the plan does not know, with the right to be contacted."""
    for action in service.week.actions.values():
        object.__setattr__(action, "least", least)  # of this made-up plan the chances are not its
        object.__setattr__(action, "contacts", contacts)
    channel, customers = channel_of(service), range(first, first + n)
    bought = {"amount": 400.0, "product_id": "p", "quantity": 1}
    rows = [event(customer, "purchase", 0.5, **bought) for customer in customers]
    rows += [{"customer_id": c, "channel": channel, "allowed": True} for c in customers]
    if rows:
        service.receive(rows)
    return customers
