"""The command ``promolab serve``: from a released week to answers, and what it refuses."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest

from promolab import cli
from promolab.serve import stores
from promolab.serve.running import lines_of
from tests.serve.conftest import NOW, TOKEN, WEEK, Client, event

pytest.importorskip("fastapi")
redis = pytest.importorskip("redis")
REPOSITORY = Path(__file__).parents[2]


def started(reports, valkey):
    """Start the command as an operator does: with a store, a token, and a queue."""
    line = [sys.executable, "-m", "promolab.cli", "serve", WEEK, "--out", str(reports)]
    line += ["--store", valkey.url, "--port", "0", "--events", "-", "--now", f"{NOW}"]
    run = subprocess.Popen(
        line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env=os.environ | {"PYTHONPATH": str(REPOSITORY), "PROMOLAB_TOKEN": TOKEN[7:]},
    )  # fmt: skip
    return run


def test_the_command_answers_takes_a_queue_in_and_goes_on_where_it_was(reports, valkey):
    """With a queue whose lines are not all good, a store that is gone for a while, then emptied."""
    run = started(reports, valkey)
    assert run.stdin is not None and run.stdout is not None
    rows = [event(5000 + k, "view", event_id=f"e{k}") for k in range(3)]
    told = [json.dumps(rows[0]), "[" * 200_000, "{no", '{"kind": "view"}', *map(json.dumps, rows)]
    told.insert(5, json.dumps(event(1, "view", 9)))  # refused with its whole lot, but not for it
    print("\n".join(told), file=run.stdin, flush=True)
    client = Client(int(run.stdout.readline().strip().rpartition(":")[2]))
    assert client.ask("/score", {"customers": [1]}, authorization="").status == 401
    counts = ""
    for _ in range(200):
        counts = client.ask("/metrics").text
        if 'said="new"} 3.0' in counts:
            break
        time.sleep(0.02)
    assert 'said="new"} 3.0' in counts and 'said="repeated"} 1.0' in counts
    decision = client.ask("/score?choose=1", {"customers": [5000, 30]}).json()["customers"]
    valkey.kill()
    print(json.dumps(event(5003, "view")), file=run.stdin, flush=True)
    assert client.ask("/score", {"customers": [5003]}).status == 503
    valkey.start()
    run.stdin.close()  # the queue ends; answers go on
    for _ in range(200):
        found = client.ask("/score?choose=1", {"customers": [5000, 30, 5003]})
        if found.status == 200 and not found.json()["customers"][2]["new"]:
            break
        time.sleep(0.05)
    again = found.json()["customers"]
    assert not again[2]["new"]
    assert [one["decision"] for one in again[:2]] == [one["decision"] for one in decision]
    # Three say no: before the week, with an id that another system used, and on an odd channel.
    customers = pd.read_parquet(reports / WEEK / "tables" / "decisions.parquet")
    three = customers.loc[customers["action"] != "none", "customer_id"].tolist()[:3]
    rows = [
        event(three[0], "unsubscribe", -50, promotion_id="7", event_id="1"),
        event(9, "click", 1, promotion_id="7", event_id="2"),
        event(three[1], "complaint", 1, promotion_id="7", event_id="2"),
    ]
    said = client.ask("/events", {"events": rows}).json()
    assert (said["late"], said["new"], said["conflicting"]) == (1, 1, 1)
    right = {"customer_id": f" {three[2]}", "channel": "E-Mail", "allowed": False}
    assert client.ask("/events", {"events": [right]}).status == 422
    sides = [right | {"channel": channel} for channel in (" EMAIL ", "App")]
    assert client.ask("/events", {"events": sides}).json()["new"] == 2
    body = {"customers": three}
    told = client.ask("/score?choose=1", body).json()["customers"]
    assert [one["decision"]["action"] for one in told] == ["none"] * 3
    redis.Redis(port=valkey.port).flushall()
    assert client.ask("/score?choose=1", {"customers": [40]}).status == 503
    health = client.ask("/health")
    assert (health.status, health.json()["status"]) == (503, "log gone")
    assert client.ask("/alive", authorization="").status == 200
    run.send_signal(signal.SIGTERM)
    assert run.wait(20) == 128 + signal.SIGTERM and run.stderr is not None
    said = run.stderr.read()
    assert "Traceback" not in said and f"opening {WEEK}" in said
    for sentence in ("it is no JSON", "customer_id is missing", "it is dated ahead of the clock"):
        assert f"an event of the queue is left out: {sentence}" in said
    assert "events wait until it does" in said and "the queue of events has ended" in said
    run = started(reports, valkey)
    assert run.stdin is not None and run.stdout is not None
    client = Client(int(run.stdout.readline().strip().rpartition(":")[2]))
    told = client.ask("/score?choose=1", body).json()["customers"]
    assert [one["decision"]["action"] for one in told] == ["none"] * 3
    assert not any(pair["eligible"] for one in told for pair in one["promotions"])
    run.kill()
    run.communicate()


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["2021-W99"], "2021-W99"),
        (["2021-W30"], "there is no report of 2021-W30"),
        ([WEEK, "--out", "nowhere"], "nowhere"),
        ([WEEK, "--port", "TAKEN"], "cannot be listened on"),
        ([WEEK, "--port", "99999"], "--port 99999 on 127.0.0.1 cannot be listened on"),
        ([WEEK, "--host", "0.0.0.0"], "PROMOLAB_TOKEN states no token"),
        ([WEEK, "--host", "till"], "--host till is no address"),
        ([WEEK, "--store", "http://till"], "neither memory nor redis://host:port"),
        ([WEEK, "--store", "redis://127.0.0.1:1"], "the store does not answer"),
        ([WEEK, "--now", "noon"], "a time is not written as expected"),
        ([WEEK, "--events", "f.json"], "write - and pipe events in"),
    ],
)
def test_what_cannot_be_served_is_said(released_once, options, sentence, capsys, monkeypatch):
    monkeypatch.delenv("PROMOLAB_TOKEN", raising=False)
    monkeypatch.setattr(stores, "START", 0.1)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        options = [port if option == "TAKEN" else option for option in options]
        out = ["--out", str(released_once / "reports")] if "--out" not in options else []
        code = cli.main(["serve", *options, *out])
    said = capsys.readouterr()
    assert code in (1, 2) and said.out == ""
    assert sentence in said.err and "Traceback" not in said.err
    assert said.err.splitlines()[-1].startswith("promolab: ")


def test_a_queue_is_taken_in_by_lots_as_it_comes():
    parts = [b"a\nb", b"b\n" + b"c\n" * 600, b"d", b""]
    pipe = SimpleNamespace(read1=lambda _: parts.pop(0))
    found = list(lines_of(pipe))
    assert [len(lot) for lot in found] == [1, 500, 101, 1]
    assert found[1][:2] == [b"bb", b"c"] and found[-1] == [b"d"]
