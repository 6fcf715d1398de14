"""A released week of a made-up shop with a model of its own, and a store that lasts."""

import json
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import httpx
import numpy as np
import pandas as pd
import pytest

from benchmarks.serve import Valkey
from promolab.campaign.outlook import past_pairs
from promolab.contract import NONE
from promolab.folder import RunFolder
from promolab.loop import week_lifecycle
from promolab.model import ResponseModel
from promolab.report.running import PAGES
from promolab.serve.service import Service
from promolab.serve.stores import MemoryStore
from promolab.serve.week import ReleasedWeek, open_week
from promolab.sources import load_shop
from tests.report.made_weeks import FIRST, MadeShop

WEEK = str(FIRST)
TOKEN = "Bearer secret"
REFUSED, UNLISTED = range(0, 12), range(12, 18)
"""Customers without the right to be contacted."""
NOW = pd.Timestamp(FIRST.start("America/New_York")) + pd.Timedelta(hours=3)
"""When tests ask, unless they say otherwise: the week's promotion has begun."""
REPLIES = """
[replies]
foreign = 0.2

[replies.intents.late]
text = { en = "It is on its way.", zh = "正在路上。" }
offer = { en = "It is on its way. {offer} is yours until {ends_at}." }
examples = ["parcel late", "parcel lost", "package late", "package lost", "包裹没到", "包裹丢了"]

[replies.intents.size]
text = "See the chart."
examples = ["size large", "size small", "fit large", "fit small", "尺码太大", "尺码太小"]

[replies.intents.refund]
text = "Send it back."
offer = "Send it back. {offer} takes {discount_rate} off."
examples = ["return shoes", "return hat", "refund shoes", "refund hat", "退货鞋子", "退款帽子"]
"""
COLUMNS = ["orders", "recency_days", "amount_28d", "kind_contacts", "promotion_lines_28d"]
release_week = partial(week_lifecycle.release_week, pages=PAGES)


@pytest.fixture(scope="session")
def released_once(tmp_path_factory):
    made = MadeShop(tmp_path_factory.mktemp("made"), customers=150, more=REPLIES)
    made.frames["promotions"]["name"] = "Spring voucher"
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
    shutil.copytree(made.out, made.root / "drafted")
    release_week(WEEK, made.out)
    return made.root


@pytest.fixture
def made(released_once, tmp_path):
    """The folder of the shop, to be changed."""
    return shutil.copytree(released_once, tmp_path / "made")


@pytest.fixture
def reports(made):
    return made / "reports"


class Clock:
    now = NOW

    def __call__(self) -> float:
        return float(self.now.timestamp())


@pytest.fixture
def clock() -> Clock:
    return Clock()


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


class Client(NamedTuple):
    """Asks a service over HTTP, each time by a connection of its own."""

    port: int

    def ask(self, path: str, body: Any = None, **headers: str) -> httpx.Response:
        """Post a body, if there is one, with the token that the tests agree on."""
        told = {"authorization": TOKEN, "content-type": "application/json"}
        told |= {name.replace("_", "-"): value for name, value in headers.items()}
        text = body if body is None or isinstance(body, str) else json.dumps(body)
        how = "GET" if body is None else "POST"
        url = f"http://127.0.0.1:{self.port}{path}"
        return httpx.request(how, url, content=text, headers=told, timeout=20, verify=False)


@contextmanager
def listening(application: Any) -> Iterator[Client]:
    """Serve an application over HTTP, by a thread of this process."""
    from promolab.serve.running import server_of

    server = server_of(application)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        while not server.started:
            time.sleep(0.005)
        yield Client(server.servers[0].sockets[0].getsockname()[1])
    finally:
        server.should_exit = True
        thread.join(20)


@contextmanager
def answering(
    service: Service, most: int = 1 << 20, token: str | None = TOKEN.removeprefix("Bearer ")
) -> Iterator[Client]:
    """Serve a week."""
    from promolab.serve.web import application

    with listening(application(service, token, most)) as client:
        yield client


@pytest.fixture
def valkey(tmp_path_factory) -> Iterator[Valkey]:
    if not (shutil.which("valkey-server") or shutil.which("redis-server")):
        pytest.skip("neither valkey-server nor redis-server is installed")
    server = Valkey(tmp_path_factory.mktemp("valkey"))
    server.start()
    yield server
    server.kill()


def event(customer: object, kind: str, hours: float = 1, **more: object) -> dict[str, object]:
    """Return something that happened some hours after the week began."""
    return {"customer_id": customer, "ts": at(hours), "kind": kind, **more}


def at(hours: float) -> str:
    moment = pd.Timestamp(FIRST.start("America/New_York")) + pd.Timedelta(hours=hours)
    return f"{moment.isoformat()}Z"


def contact(customer: object, promotion: str, hours: float = 2) -> dict[str, object]:
    told = {"table": "exposures", "customer_id": customer, "promotion_id": promotion}
    return told | {"ts": at(hours)}


def no(service, customer, form, hours=2.0, **more):
    """Return a row that says no on the channel of the week's promotion."""
    if form < 2:
        kind = ("unsubscribe", "complaint")[form]
        return event(customer, kind, hours, promotion_id="7", **more)
    told = {"table": "contact_rights", "customer_id": customer, "allowed": False}
    return told | {"since": at(hours), "channel": f" {channel_of(service).upper()} "} | more


def channel_of(service):
    return service.week.rights.offers[service.week.promotions[0]].channel


def decided(service, customer):
    return service.score([customer], None, True)["customers"][0]["decision"]


def planned(reports):
    table = reports / WEEK / "tables" / "decisions.parquet"
    return pd.read_parquet(table).set_index("customer_id")


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
