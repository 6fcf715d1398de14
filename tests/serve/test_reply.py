"""Replies to questions: templates alone, and a promotion named only to whom it may be offered."""

from dataclasses import replace

import pytest

from promolab.contract import NONE
from promolab.serve.service import Service
from promolab.serve.stores import MemoryStore
from tests.refused import refused
from tests.serve.conftest import REFUSED, answering, given, newcomers, no, planned

PLAIN, NAMED = "It is on its way.", "It is on its way. Spring voucher is yours until 2021-03-18."
LATE = "My package is late!! 😡"


def first(service, customer, question=LATE, promotion=None):
    """Return the first template's text, and the promotion that it names."""
    told = service.reply(question, customer, promotion, 3)["replies"][0]
    return told["text"], told["promotion_id"]


def test_a_promotion_is_named_only_to_who_may_be_offered_it(service, reports):
    (promotion,) = service.week.promotions
    assert service.week.replies.foreign == 0.2
    table = planned(reports)
    for customer in table.index:
        (pair,) = service.score([customer], None, False)["customers"][0]["promotions"]
        free = pair["eligible"] and pair["holdout"] == NONE
        meant = table.loc[customer, "planned_action"] != NONE
        assert first(service, customer) == ((NAMED, promotion) if free and meant else (PLAIN, None))
        asked = first(service, customer, promotion=promotion)  # by name, whatever the plan has
        assert asked == ((NAMED, promotion) if free else (PLAIN, None))
    held = table.index[table["holdout"] != NONE]
    assert len(held) > 3 and {first(service, c, promotion=promotion)[0] for c in held} == {PLAIN}
    assert first(service, REFUSED[0], promotion=promotion) == (PLAIN, None)
    assert first(service, given(reports)[0]) == (NAMED, promotion)
    assert first(service, None, promotion=promotion) == (PLAIN, None)
    (new,) = newcomers(service, 1)  # may be offered it, and the plan has nothing for them
    assert first(service, new) == (PLAIN, None)


@pytest.mark.parametrize("form", [0, 1, 2])
def test_whoever_says_no_is_told_of_nothing_from_then_on(service, reports, form):
    customer = given(reports)[0]
    assert first(service, customer) == (NAMED, "7")
    service.receive([no(service, customer, form)])
    assert first(service, customer) == first(service, customer, promotion="7") == (PLAIN, None)


def test_a_template_that_names_what_the_promotion_lacks_is_given_without(service, reports):
    customer = given(reports)[0]
    assert first(service, customer, "refund my hat") == ("Send it back.", None)
    assert first(service, customer, "我的包裹没到") == ("正在路上。", None)  # no offer in Chinese
    service.week.terms["7"]["discount_rate"] = 0.125
    told = "Send it back. Spring voucher takes 12.5 % off."
    assert first(service, customer, "refund my hat") == (told, "7")


def test_over_http_a_question_gets_templates_or_the_reason_and_is_kept_nowhere(service, week):
    pytest.importorskip("fastapi")
    with answering(service) as client:
        told = client.ask("/reply", {"question": LATE, "customer_id": REFUSED[0], "k": 2}).json()
        assert told["replies"][0]["intent"] == "late" and told["why"] is None
        assert len(told["replies"]) == 2 and told["replies"][0]["text"] == PLAIN
        scores = [each["score"] for each in told["replies"]]
        assert 1 >= scores[0] >= scores[1] >= 0
        for question, why in [
            ("Do you sell vouchers, 13812345678?", "unsure"),
            ("😡 <b></b>", "empty"),
            ("", "empty"),
        ]:
            found = client.ask("/reply", {"question": question})
            assert found.json() == {"replies": [], "why": why} and "138" not in found.text
        for body, status, sentence in [
            ({"question": "Bell", "customer_id": "Bell"}, 422, "ids are numbers"),
            ({"question": "Bell", "customer_id": 1, "promotion_id": "77"}, 404, "did you mean '7'"),
            ({"question": "Bell" * 2_000}, 422, "body.question: String should have at most 4000"),
            ({"question": "Bell", "k": 0}, 422, "body.k"),
            ({"customer_id": 1}, 422, "body.question: Field required"),
        ]:
            found = client.ask("/reply", body)
            assert (found.status_code, "Bell" in found.text) == (status, False)
            assert sentence in found.json()["detail"]
        assert client.ask("/reply", {"question": LATE}, authorization="").status_code == 401
        assert (
            'promolab_requests_total{path="/reply",status="200"} 4.0' in client.ask("/metrics").text
        )
    assert service.store.read("0-0", 0) == []
    bare = Service(replace(week(), replies=None), MemoryStore(), service._clock)
    refused("states no replies; write \\[replies\\]", bare.reply, LATE, None, None, 3)
