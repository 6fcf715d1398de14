"""The service over HTTP: who may ask, what is refused, and what is explained."""

import signal
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from promolab.serve.service import COUNTED, Service
from promolab.serve.stores import RETRY, open_store
from tests.serve.conftest import answering, event
from tests.serve.test_refusals import ODD

pytest.importorskip("fastapi")


@pytest.fixture
def client(service):
    with answering(service, 100_000) as client:
        yield client


def test_only_who_brings_the_token_is_answered(client):
    for token in ("", "Bearer Secret"):
        refused = client.ask("/score", {"customers": [1]}, authorization=token)
        found = refused.status_code, refused.headers["content-type"]
        assert found == (401, "application/problem+json")
    told = client.ask("/score", {"customers": [1, "2", 999]})
    assert [each["new"] for each in told.json()["customers"]] == [False, False, True]
    assert client.ask("/health", authorization="").json()["status"] == "ok"


def test_an_error_is_a_sentence_without_what_was_sent(client, service):
    for path, body, status, sentence in [
        ("/score", '{"customers": [1], "promotions": ["77"]}', 404, "did you mean '7'"),
        ("/score", '{"customers": []}', 422, "body.customers: List should have at least 1"),
        ("/score", '{"customers": ["Anna Bell"]}', 422, "ids are numbers"),
        ("/score", '{"customers": ["Anna', 422, "JSON decode error"),
        ("/score", '{"customers": [1], "Bell": 1}', 422, "body: Extra inputs are not permitted"),
        ("/score?choose=Bell", '{"customers": [1]}', 422, "query.choose: Input should be"),
        ("/events", '{"events": [{"customer_id": 1, "kind": "Bell"}]}', 422, "ts is missing"),
        ("/events", {"events": [event(1, "view"), event(1, "Bell")]}, 422, "event 1: kind is none"),
        ("/events", {"events": [event(1, "view", 5)]}, 422, "dated ahead of the clock"),
        ("/events", {"events": [event("Anna Bell", "view")]}, 422, "whose ids are numbers"),
        ("/events", f'{{"events": "{"Anna Bell" * 20_000}"}}', 413, "send less at a time"),
        ("/nothing", "Anna Bell", 404, "there are /score, /events"),
        *(("/events", f'{{"events": [{line}]}}', 422, "") for line in ODD),
    ]:
        found = client.ask(path, body)
        told = found.json()
        assert (found.status_code, told["status"]) == (status, status), body
        assert sentence in told["detail"] and "Bell" not in found.text
    assert service.store.read("0-0", 0) == []
    assert service.taken["refused"] >= 5 and service.taken["new"] == 0
    # A browser sends what a page tells it to, but asks first where the type is JSON.
    told = {"events": [event(1, "view")]}
    found = client.ask("/events", told, content_type="text/plain")
    assert found.status_code == 422
    assert found.json()["detail"] == "header.content-type: send application/json"
    assert client.ask("/events", told).json()["new"] == 1


def test_an_event_is_in_the_next_answer_and_counted(client):
    row = event(30, "purchase", 1, amount=500.0, quantity=1, product_id="p")
    before = client.ask("/score", {"customers": [30]}).json()
    for said in ("new", "repeated"):
        found = client.ask("/events", {"events": [row]}).json()
        assert found == dict.fromkeys(COUNTED, 0) | {said: 1}
    after = client.ask("/score", {"customers": [30]}).json()
    one, other = (told["customers"][0]["promotions"][0]["chance"] for told in (before, after))
    assert one != other
    counted = client.ask("/metrics").text
    assert 'promolab_events{said="repeated"} 1.0' in counted
    assert 'promolab_requests_total{path="/score",status="200"} 2.0' in counted


def test_a_store_that_hangs_is_said_and_holds_nobody_up(valkey, week, clock):
    service = Service(week(), open_store(valkey.url, "week"), clock)
    row = event(30, "purchase", 1, amount=5.0, quantity=1, product_id="p")
    with answering(service) as client, ThreadPoolExecutor(6) as several:
        assert client.ask("/events", {"events": [row]}).json()["new"] == 1
        valkey.process.send_signal(signal.SIGSTOP)  # connections stay open
        begun = time.monotonic()
        waiting = [several.submit(client.ask, "/score", {"customers": [30]}) for _ in range(5)]
        waiting.append(several.submit(client.ask, "/events", {"events": [row]}))
        time.sleep(0.1)
        assert 'promolab_events{said="new"} 1.0' in client.ask("/metrics").text  # the loop goes on
        assert not any(each.done() for each in waiting)
        for said in (each.result() for each in waiting):
            assert (said.status_code, said.headers["retry-after"]) == (503, str(RETRY))
            assert "the store does not answer" in said.json()["detail"]
        health = client.ask("/health")
        assert (health.status_code, health.json()["status"]) == (503, "store down")
        # One waited for the store, the others are told what it found: not one after the other.
        assert time.monotonic() - begun < 4.0
        valkey.process.send_signal(signal.SIGCONT)
        while client.ask("/score", {"customers": [30]}).status_code != 200:
            assert time.monotonic() - begun < 30.0
            time.sleep(0.2)
        assert client.ask("/events", {"events": [row]}).json()["repeated"] == 1
        counted = client.ask("/metrics").text
        assert float(counted.partition("\npromolab_store_down_total ")[2].split()[0]) >= 6
