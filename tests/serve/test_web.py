"""The service over HTTP: who may ask, what is refused, and what is explained."""

from __future__ import annotations

import pytest

from tests.serve.conftest import event

pytest.importorskip("fastapi")

from starlette.testclient import TestClient

from promolab.serve.web import application

TOKEN = {"authorization": "Bearer secret"}


@pytest.fixture
def client(service):
    return TestClient(application(service, "secret", 100_000), raise_server_exceptions=False)


def test_only_who_brings_the_token_is_answered(client):
    for headers in ({}, {"authorization": "Bearer Secret"}):
        refused = client.post("/score", json={"customers": [1]}, headers=headers)
        assert refused.status_code == 401
        assert refused.headers["content-type"] == "application/problem+json"
    told = client.post("/score", json={"customers": [1, "2", 999]}, headers=TOKEN)
    assert [each["new"] for each in told.json()["customers"]] == [False, False, True]
    assert client.get("/health").json()["status"] == "ok"


@pytest.mark.parametrize(
    ("path", "body", "status", "sentence"),
    [
        ("/score", '{"customers": [1], "promotions": ["77"]}', 404, "did you mean '7'"),
        ("/score", '{"customers": []}', 422, "body.customers: List should have at least 1"),
        ("/score", '{"customers": ["Anna Bell"]}', 422, "ids are numbers"),
        ("/score", '{"customers": ["Anna', 422, "JSON decode error"),
        ("/events", '{"events": [{"customer_id": 1, "kind": "Bell"}]}', 422, "ts is missing"),
        ("/events", f'{{"events": "{"Anna Bell" * 20_000}"}}', 413, "send less at a time"),
        ("/nothing", "Anna Bell", 404, "there are /score, /events"),
    ],
)
def test_an_error_is_a_problem_in_a_sentence_without_what_was_sent(
    client, path, body, status, sentence
):
    found = client.post(path, content=body, headers=TOKEN | {"content-type": "application/json"})
    told = found.json()
    assert (found.status_code, told["status"]) == (status, status)
    assert sentence in told["detail"] and "Bell" not in found.text


def test_an_event_is_in_the_next_answer_and_counted(client):
    row = event(30, "purchase", 1, amount=500.0, quantity=1, product_id="p")
    before = client.post("/score", json={"customers": [30]}, headers=TOKEN).json()
    for said in ("new", "repeated"):
        found = client.post("/events", json={"events": [row]}, headers=TOKEN).json()
        assert found == {"new": 0, "repeated": 0, "late": 0} | {said: 1}
    after = client.post("/score", json={"customers": [30]}, headers=TOKEN).json()
    chances = [told["customers"][0]["promotions"][0]["chance"] for told in (before, after)]
    assert chances[0] != chances[1]
    counted = client.get("/metrics", headers=TOKEN).text
    assert 'promolab_events{said="repeated"} 1.0' in counted
    assert 'promolab_requests_total{path="/score",status="200"} 2.0' in counted


def test_every_field_is_explained_on_a_page_that_loads_nothing(client):
    api = client.get("/openapi.json", headers=TOKEN).json()
    ours = {n: s for n, s in api["components"]["schemas"].items() if "Validation" not in n}
    silent = [
        f"{name}.{field}"
        for name, schema in ours.items()
        for field, told in schema.get("properties", {}).items()
        if not told.get("description")
    ]
    assert silent == [] and {"Asked", "Answers", "Pair", "Happened", "Taken"} <= set(ours)
    page = client.get("/docs", headers=TOKEN).text
    assert "Chance of a response if contacted" in page
    assert "src=" not in page and "http" not in page.replace("HTTP", "")
