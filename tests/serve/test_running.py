"""The command ``promolab serve``: from a released week to answers, and what it refuses."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from promolab import cli
from promolab.serve import running
from tests.serve.conftest import NOW, TOKEN, WEEK, Client, event, given

pytest.importorskip("fastapi")
redis = pytest.importorskip("redis")
REPOSITORY = Path(__file__).parents[2]


def test_the_command_answers_and_a_service_goes_on_where_it_was(reports, valkey):
    """As an operator starts it, with a store, which is emptied, and a token."""
    line = [sys.executable, "-m", "promolab.cli", "serve", WEEK, "--out", str(reports)]
    line += ["--store", valkey.url, "--port", "0", "--now", f"{NOW}"]
    env = os.environ | {"PYTHONPATH": str(REPOSITORY), "PROMOLAB_TOKEN": TOKEN[7:]}
    run = subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env)
    client = Client(int(run.stdout.readline().strip().rpartition(":")[2]))
    assert client.ask("/score", {"customers": [1]}, authorization="").status_code == 401
    three = given(reports)[:3]  # say no, each in another way
    right = {"customer_id": f" {three[2]}", "allowed": False}
    rows = [
        event(three[0], "unsubscribe", -50, promotion_id="7"),
        event(three[1], "complaint", 1, promotion_id="7"),
        *(right | {"channel": channel} for channel in (" EMAIL ", "App")),
    ]
    said = client.ask("/events", {"events": rows}).json()
    assert (said["late"], said["new"]) == (1, 3)
    body = {"customers": [*three, 30]}
    before = client.ask("/score?choose=1", body).json()["customers"]
    redis.Redis(port=valkey.port).flushall()
    assert client.ask("/score?choose=1", {"customers": [40]}).status_code == 503
    health = client.ask("/health")
    assert (health.status_code, health.json()["status"]) == (503, "log gone")
    assert client.ask("/alive", authorization="").status_code == 200
    run.send_signal(signal.SIGTERM)
    _, said = run.communicate(timeout=20)
    assert run.returncode == 128 + signal.SIGTERM
    assert "Traceback" not in said and f"opening {WEEK}" in said
    service, held = running._opened(WEEK, reports, valkey.url, f"{NOW}")
    with held:
        again = service.score([*three, 30], None, True)["customers"]
    assert again[3]["decision"] == before[3]["decision"] | {"customer_id": 30}
    for told in (before, again):
        assert [one["decision"]["action"] for one in told[:3]] == ["none"] * 3
        assert not any(pair["eligible"] for one in told[:3] for pair in one["promotions"])


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["2021-W99"], "2021-W99"),
        (["2021-W30"], "there is no report of 2021-W30"),
        ([WEEK, "--out", "nowhere"], "nowhere"),
        ([WEEK, "--port", "TAKEN"], "cannot be listened on"),
        ([WEEK, "--host", "0.0.0.0"], "PROMOLAB_TOKEN states no token"),
        ([WEEK, "--host", "till"], "--host till is no address"),
        ([WEEK, "--store", "redis://127.0.0.1:1"], "the store does not answer"),
        ([WEEK, "--now", "noon"], "a time is not written as expected"),
    ],
)
def test_what_cannot_be_served_is_said(released_once, options, sentence, capsys, monkeypatch):
    monkeypatch.delenv("PROMOLAB_TOKEN", raising=False)
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
