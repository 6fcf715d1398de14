"""Nobody is offered anything after a no: late, odd, repeated, of two systems, on a full disk."""

import json
import resource
import socket
import sys
import time
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import pandas as pd
import pytest

from benchmarks.refusals import Round
from promolab.contract import NONE
from promolab.errors import InputError
from promolab.folder import RunFolder, append_suppressions, claim, read_suppressions
from promolab.loop import read_served
from promolab.serve import running
from promolab.serve.service import COUNTED, Service
from promolab.serve.stores import MemoryStore, Unavailable
from tests.refused import refused
from tests.report.made_weeks import FIRST
from tests.serve.conftest import (
    WEEK,
    answering,
    at,
    contact,
    decided,
    event,
    given,
    newcomers,
    no,
    planned,
    release_week,
)


def offered(service, customer):
    told = service.score([customer], None, True)["customers"][0]
    return told["decision"]["action"] != NONE or told["promotions"][0]["eligible"]


@contextmanager
def full_disk(service, room):
    """Let files grow to so many bytes more than the served log has, as a full disk does."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    size = (service.week.run.path / "served" / "decisions.jsonl").stat().st_size
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + room, before[1]))
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sys, "dont_write_bytecode", True)  # what is imported would be cut short
            yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("form", range(3))
def test_who_said_no_before_the_week_and_is_heard_late_is_offered_nothing(service, reports, form):
    customer = given(reports)[0]
    assert offered(service, customer)
    assert service.receive([no(service, customer, form, hours=-48)])["late"] == 1
    assert not offered(service, customer)


def test_a_contact_that_is_heard_late_counts_against_limits_once(service, reports):
    customer, promotion = given(reports)[0], service.week.promotions[0]
    for _ in range(2):
        assert service.receive([contact(customer, "3", -24)])["late"] == 1
    known = [one[1] for one in service.week.rights._customers[customer].contacts]
    assert known.count("3") == 1
    told = service.score([customer], [promotion], False)["customers"][0]["promotions"][0]
    assert told["why_not"] == ["over_limit"]


def test_one_id_of_two_systems_swallows_no_refusal(service, reports):
    one, two, three = given(reports)[:3]
    assert service.receive([no(service, one, 0, event_id="17")])["new"] == 1
    rows = [no(service, two, 0, event_id="17")]  # the same table, another customer
    rows += [no(service, three, 2, event_id="17")]  # another table: another event
    rows += [event(two, "purchase", 1, amount=4.0, event_id=name) for name in ("17", "18")]
    told = service.receive([*rows, no(service, one, 0, event_id="17")])
    assert told == dict.fromkeys(COUNTED, 0) | {"new": 3, "repeated": 1, "conflicting": 1}
    assert not any(offered(service, customer) for customer in (one, two, three))
    assert {row["customer_id"] for row in read_suppressions(reports)} == {one, two, three}


def test_ids_and_channels_are_compared_as_everywhere_and_what_is_unknown_is_said(service, reports):
    one, two = given(reports)[:2]
    service.receive([no(service, f" {one} ", 2)])
    assert not offered(service, one)
    refused("is none of the shop's", service.receive, [no(service, two, 2) | {"channel": "E-Mail"}])
    assert offered(service, two)
    told = service.receive([no(service, 77_777, 0), no(service, one, 1)])
    assert told["unknown_customers"] == 1 and service.taken["unknown_customers"] == 1


ROW = '{{"customer_id": {}, "ts": "{}", "kind": "view", {}}}'
ODD = [
    ROW.format(1, "2021-03-08T06:00:00Z", '"amount": 1e308'),
    ROW.format(1, "2021-03-08T06:00:00Z", f'"amount": {"9" * 401}'),
    ROW.format(1, "2021-03-08T06:00:00Z", '"event_id": "\\ud800"'),
    ROW.format(1, "0001-01-01T00:00:00+05:00", '"amount": 1'),
    ROW.format(1, "1969-12-31T23:00:00Z", '"amount": 1'),
    ROW.format("9" * 30, "2021-03-08T06:00:00Z", '"amount": 1'),
]


def test_odd_entries_of_the_log_are_dead_letters_and_the_others_count(week, reports, clock):
    service, one = Service(week(), MemoryStore(), clock), given(reports)[0]
    row = ["responses", "e", 1_615_190_000_000_000, one, 7, None, None, None, "unsubscribe"]
    whole = [*row, *[None] * 7]
    huge = json.dumps({"events": [[*whole[:11], None, 1e308, *whole[13:]]]})
    odd = [*ODD, "[" * 200_000, "null", "", '{"events": [["events"]]}', '{"decision": 7}', huge]
    for entry in (*odd, json.dumps({"events": [whole]})):
        service.store.append(entry.encode())
    assert not offered(service, one)
    service.check()
    letters = (reports / WEEK / "served" / "dead_letters.jsonl").read_text().splitlines()
    assert service.taken["dead_letters"] == len(letters) == len(odd)
    told = json.loads(letters[0])
    assert told["line"] == ODD[0] and told["reason"].startswith("in the log: ")


def test_what_is_answered_is_in_the_file_also_on_a_full_disk(week, reports, clock):
    service = Service(week(), MemoryStore(), clock)
    first, second = given(reports)[:2]
    made = decided(service, first)
    with full_disk(service, room=40):  # a part of a line is written, and taken back
        for _ in range(2):
            with pytest.raises(Unavailable, match="cannot be written"):
                decided(service, second)
        for ask in (service.check, lambda: service.receive([no(service, first, 0)])):
            with pytest.raises(Unavailable):
                ask()
        with answering(service) as client:
            health = client.ask("/health")
            assert (health.status_code, health.json()["status"]) == (503, "not written")
            assert client.ask("/alive", authorization="").status_code == 200
    file = reports / WEEK / "served" / "decisions.jsonl"
    assert [json.loads(line) for line in file.read_text().splitlines()] == [made]
    service.check()
    later = decided(service, second)
    assert read_served(reports / WEEK) == [made, later]


def test_two_services_with_logs_in_memory_do_not_share_a_week(reports, week, monkeypatch):
    monkeypatch.setattr(running, "open_week", lambda *_: week())
    _, held = running._opened(WEEK, reports, "memory", None)
    with held, pytest.raises(InputError, match="another service answers from"):
        running._opened(WEEK, reports, "memory", None)
    lock = reports / WEEK / "served" / ".lock"
    with claim(lock, shared=True), claim(lock, shared=True):
        assert claim(lock) is None


def test_a_decision_survives_its_store_and_a_line_that_cannot_be_read_is_said(week, reports, clock):
    first, second = given(reports)[:2]
    made = decided(Service(week(), MemoryStore(), clock), first)
    file = reports / WEEK / "served" / "decisions.jsonl"

    def write(more):
        file.write_text(file.read_text("utf-8") + more, "utf-8")

    write('{"decision_id": "half')
    again = Service(week(), MemoryStore(), clock)
    assert again.chooser.made[first].to_dict()["decision_id"] == made["decision_id"]
    decided(again, second)
    assert len(read_served(reports / WEEK)) == 2
    write(json.dumps(made | {"decision_id": "a\u2028b"}, ensure_ascii=False) + "\n")
    assert read_served(reports / WEEK)[2]["decision_id"] == "a\u2028b"  # split at its end alone
    write("[1]\n")
    refused(r"line 4 of .*decisions.jsonl cannot be read", Service, week(), MemoryStore(), clock)


def test_no_promotion_is_given_to_more_than_the_plan_contacts(service, reports):
    rows = planned(reports)
    whole = len(given(reports))
    many = newcomers(service, 60, contacts=whole)

    def sent():
        return sum(decided(service, customer)["action"] != NONE for customer in many)

    assert sent() == 0
    service.receive([no(service, given(reports)[0], 0)])  # the place is kept: the no may be lifted
    assert sent() == 0
    for customer in rows.index:
        decided(service, customer)
    for action in service.week.actions.values():  # as [contact.most] of shop.toml says
        object.__setattr__(action, "contacts", whole + 2)
    assert sent() == 2
    contacts = [row for row in read_served(reports / WEEK) if row["action"] != NONE]
    assert len({row["customer_id"] for row in contacts}) == whole + 1


def test_a_page_of_another_site_and_a_slow_sender_are_turned_away(service, monkeypatch):
    pytest.importorskip("fastapi")
    with answering(service, token=None) as client:
        for host in ("evil.example", "127.0.0.1.evil.example", "localhost.evil:80"):
            refused = client.ask("/score", {"customers": [1]}, host=host)
            assert refused.status_code == 421 and "only localhost" in refused.json()["detail"]
        for host in ("localhost:8000", "127.0.0.1", "[::1]:9"):
            assert client.ask("/score", {"customers": [1]}, host=host).status_code == 200
        monkeypatch.setattr(running, "SLOWEST", 0.2)
        with socket.create_connection(("127.0.0.1", client.port), timeout=20) as slow:
            begun = time.monotonic()
            slow.sendall(b"POST /score HTTP/1.1\r\nHost: localhost\r\nContent-Le")
            with suppress(ConnectionResetError):
                assert slow.recv(10) == b""
            assert time.monotonic() - begun > 0.1


def test_a_plan_and_its_release_read_the_list(made):
    """The list names customers of a draft: it cannot be released, and the next draft is without."""
    drafts = made / "drafted"
    run = RunFolder(drafts / WEEK, FIRST)
    rows = run.read_table("planned")
    channel, who = rows["channel"].iloc[0], sorted(rows["customer_id"])[:3]
    how = [(channel, "unsubscribe"), (None, "complaint"), (channel, "right")]
    told = [
        {"customer_id": c, "channel": channel, "kind": kind, "ts": at(-5), "event_id": "e"}
        for c, (channel, kind) in zip(who, how, strict=True)
    ]
    append_suppressions(drafts, told)
    refused("opted out", release_week, WEEK, drafts)
    # The page's own call, on a file where somebody changed a line.
    path = drafts / "suppressions.jsonl"
    path.write_text(path.read_text().replace('"kind": "unsubscribe"', '"kind": "right"'))
    nothing = pd.DataFrame(columns=["customer_id", "action", "propensity", "chosen"])
    run.write_table("allocation", nothing.astype({"action": str}), by="customer_id")
    cells = nbformat.read(Path(__file__).parents[2] / "notebooks" / "08_plan.ipynb", 4).cells
    code = [cell.source for cell in cells if cell.cell_type == "code"]
    page: dict[str, Any] = {}
    for source in code[:4]:  # parameters, imports, what is read, the plan
        exec(source, page)
        page |= {"week": WEEK, "folder": str(run.path), "list_size": 20}
    plan = page["plan"]
    assert len(plan.planned) and not plan.planned["customer_id"].isin(who).any()
    assert any("1 line of suppressions.jsonl not as the service wrote it" in n for n in plan.notes)


def test_nobody_is_offered_after_a_no_in_random_orders(opened, reports, valkey, clock):
    """A part of `benchmarks.refusals`: real processes, killed, and a store that is emptied."""
    clock.now += pd.Timedelta(hours=3)
    week = replace(opened, run=RunFolder(reports / WEEK, FIRST))
    mixed = Round(week, valkey, clock, np.random.default_rng(7))
    mixed.run(planned(reports).index.tolist()[:100], 2)
    assert mixed.wrong == [] and mixed.seen["offered before"] > 3
    assert mixed.seen["empty store"] == mixed.seen["kill service"] == 2 and mixed.seen["503"]
