"""One customer, looked up: what the page shows is what the week's tables hold."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from promolab.explain import explain_row
from promolab.profiles import profile_card
from promolab.widgets import customer
from promolab.widgets.known import Rows
from tests.widgets.explored import WEEK
from tests.widgets.test_reviewing import of


@pytest.fixture(scope="module")
def made(drafted):
    return customer(WEEK, drafted.out)


def test_a_customer_is_found_by_id_and_by_pseudonym_and_shown_under_the_latter(made):
    known = made.prepared_now()
    who, code = known.ids[7], known.codes[7]
    text = made.move(customer=f" {who} ").text
    assert text == made.move(customer=str(code)).text == made.move(customer=code.lower()).text
    assert f"Customer {code}" in text and 'role="alert"' not in text
    for wrong in ("", "nobody", "9999", "C-XXXXXXXXXX"):
        assert "no active customer is called" in made.move(customer=wrong).text
    assert made.state.customer == code.lower()


def test_the_card_the_timeline_and_the_scores_are_those_of_the_library(made, drafted):
    known = made.prepared_now()
    run = of(drafted.out)
    for place in (0, 20, 59):
        who = known.ids[place]
        text = made.move(customer=str(who), weeks=156).text
        card = profile_card(
            run.read_table("profiles"), who, run.read_table("features"),
            shown_as=known.codes[place], shop=known.shop,
        )  # fmt: skip
        assert card._repr_html_() in text
        orders = known.shop.events.filter(known.shop.events.customer_id == int(who)).count()
        assert f"{orders.execute()} orders" in text
        rows = known.candidates.at(place)
        told = explain_row(known.model, rows.assign(customer_id=who))
        assert f"chance of {100 * told.probability:.1f} %" in text
        score = run.read_table("scores").set_index("customer_id")["p_redeemed"][who]
        assert told.probability == pytest.approx(score)
    assert made.move(weeks=4).text != text


def test_the_decision_is_told_with_its_chance_and_reason(made, drafted):
    known = made.prepared_now()
    planned = of(drafted.out).read_table("planned")
    held = planned.loc[planned["holdout"] == "promotion", "customer_id"].iloc[0]
    text = made.move(customer=str(held)).text
    assert "and held out by chance" in text and "held out of this promotion" in text
    sent = planned.loc[planned["holdout"] == "none", "customer_id"].iloc[0]
    text = made.move(customer=str(sent)).text
    assert "Planned for" in text and "to contact" in text and "72.0 %" in text  # 0.9 × 0.8
    other = np.setdiff1d(known.ids, planned["customer_id"])[0]
    text = made.move(customer=str(other)).text
    assert "Gets nothing this week" in text and "not among the likeliest" in text


def test_rows_of_a_customer_are_a_slice():
    table = pd.DataFrame({"customer_id": [3, 1, 3, 9], "x": [1, 2, 3, 4]})
    rows = Rows.of(table, np.array([1, 2, 3]))
    assert [rows.at(k)["x"].tolist() for k in range(3)] == [[2], [], [1, 3]]
    assert Rows.of(None, np.array([1])).at(0).empty
