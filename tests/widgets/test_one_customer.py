"""One customer, looked up: what the page shows is what the week's tables hold."""

import numpy as np
import pytest

from promolab.campaign.plan import step_words
from promolab.contract import NONE
from promolab.explain import explain_row
from promolab.profiles import profile_card
from promolab.widgets import customer
from promolab.wording import percent, plural


@pytest.fixture(scope="module")
def made(explored_week):
    return customer(explored_week)


def test_a_customer_is_found_by_id_and_by_pseudonym_and_shown_under_the_latter(made):
    known = made.prepared_now()
    who, code = known.ids[7], known.codes[7]
    text = made.move(customer=f" {who} ").text
    assert text == made.move(customer=str(code)).text == made.move(customer=code.lower()).text
    assert f"Customer {code}" in text and 'role="alert"' not in text
    for wrong in ("", "nobody", "9999", "C-XXXXXXXXXX"):
        assert "no active customer is called" in made.move(customer=wrong).text
    assert made.state.customer == code.lower()


def test_the_card_the_timeline_and_the_scores_are_those_of_the_library(made, explored_week):
    known = made.prepared_now()
    run = explored_week
    for place in (0, 20, 59):
        who = known.ids[place]
        text = made.move(customer=str(who), weeks=156).text
        card = profile_card(
            run.read_table("profiles"), who, run.read_table("features"),
            shown_as=known.codes[place], shop=known.shop,
        )  # fmt: skip
        assert card._repr_html_() in text
        events = known.shop.events
        mine = events.filter(events.customer_id == int(who), events.kind == "purchase")
        assert plural(mine.order_id.nunique().execute(), "order") in text
        rows = known.rows("candidates", place)
        rows = rows[rows["promotion_id"] == made.state.promotion]
        told = explain_row(known.model, rows.assign(customer_id=who))
        assert f"chance of {100 * told.probability:.1f} %" in text
        score = run.read_table("scores").set_index(["customer_id", "promotion_id"])["p_redeemed"]
        assert told.probability == pytest.approx(score[who, made.state.promotion])
    assert made.move(weeks=4).text != text


def test_the_decision_is_told_with_its_chance_and_reason(made, explored_week):
    planned = explored_week.read_table("planned").set_index("customer_id")
    chances = made.prepared_now().tables["decision_propensities"]
    measured = explored_week.metrics["plan"]["by_effect"]
    words = step_words(measured, measured)
    for holdout, says in (("promotion", "and held out by chance"), (NONE, "Planned for")):
        who = planned.index[planned["holdout"] == holdout][0]
        text = made.move(customer=str(who)).text
        step = "held_out_promotion" if holdout == "promotion" else "to_contact"
        assert says in text and words[step] in text
        mine = chances.loc[[who]]
        chance = mine.loc[mine["action"] == planned["promotion_id"][who], "propensity"].item()
        assert f">{percent(chance)}<" in text
    steps = explored_week.read_table("steps")
    left = steps.loc[steps["step"] == "not_planned", "customer_id"]
    other = np.setdiff1d(left, planned.index)[0]
    text = made.move(customer=str(other)).text
    assert "Gets nothing this week" in text and words["not_planned"] in text
    assert "predicted to add" in text
