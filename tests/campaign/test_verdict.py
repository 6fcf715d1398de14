"""What pays, by hand, and one case for each verdict of the rule."""

import json

import numpy as np
import pytest

from promolab.campaign.readout.promotion_readout import VERDICTS, PaysFrom, judge, pays_from, rule
from promolab.contract.operations import StatedRate as Rate
from promolab.effects.differences import Difference, not_identified
from promolab.promotions import Costs
from promolab.results import Estimate

PAYS_FROM = PaysFrom(2.5, 2.0, 0.5, 0.25, (), "EUR")
CALM = Estimate(0.003, 0.001, 0.009, 900)
ANNOYED = Estimate(0.05, 0.04, 0.07, 900)
UNSURE = Estimate(0.01, 0.002, 0.05, 60)
UNRECORDED = Estimate(np.nan, np.nan, np.nan, 900)


def sells(low: float, high: float, identification: str = "randomised") -> Difference:
    return Difference(Estimate((low + high) / 2, low, high, 900), identification, "", 900, 100)


def test_each_verdict_and_without_a_break_even_only_a_loss_can_be_told():
    for low, high, harm, word, why in [
        (2.5, 5.0, CALM, "repeat", "pay from 2.00 EUR on"),
        (2.5, 5.0, UNRECORDED, "repeat", "whether it annoys is not recorded"),
        (2.5, 5.0, UNSURE, "cannot tell", "may be over 2 %"),
        (2.5, 5.0, ANNOYED, "change", "over 2 %"),
        (0.5, 1.5, CALM, "change", "do not pay"),
        (-1.0, 1.5, CALM, "stop", "do not pay"),
        (-3.0, -1.0, CALM, "stop", "do not pay"),
        (0.5, 1.5, ANNOYED, "stop", "over 2 %"),
        (-1.0, 5.0, ANNOYED, "stop", "over 2 %"),
        (1.0, 5.0, CALM, "cannot tell", "may or may not reach"),
        (-1.0, 5.0, CALM, "cannot tell", "may or may not reach"),
    ]:
        found = judge(sells(low, high), harm, PAYS_FROM)
        assert found.word == word and found.word in VERDICTS
        assert why in found.why and found.rule == rule()
        assert found.summary().startswith(word.capitalize())
        json.dumps(found.to_dict(), allow_nan=False)
    found = judge(not_identified("nobody was alike", 900), CALM, PAYS_FROM)
    assert (found.word, found.text) == ("cannot tell", "cannot tell")
    assert judge(sells(2.5, 5.0), CALM, None).word == "cannot tell"
    assert judge(sells(-2.5, 5.0), CALM, None).word == "cannot tell"
    assert judge(sells(-5.0, -0.5), CALM, None).word == "stop"


def test_what_pays_is_that_by_hand_and_the_words_say_what_a_verdict_rests_on():
    costs = Costs(Rate(0.4, False), Rate(0.5, False), Rate(0.1, False), funder_share=0.2)
    found = pays_from(100, 30, 150.0, costs, "EUR")
    assert found.cost == pytest.approx(150 * 0.8 / 100 + 30 * 0.1 / 100 + 0.5)
    assert found.sales == pytest.approx(found.cost / 0.4) and found.assumed == ()
    # With just these sales the margin of what is sold, less discounts and costs, is 0.
    assert found.net == pytest.approx(found.sales - 1.5)
    assert (found.net + 1.5) * 0.4 - found.cost == pytest.approx(0)
    costs = Costs(Rate(0.25, True), Rate(0.5, False), Rate(0.0, True))
    found = pays_from(10, 1, 10.0, costs, "EUR")
    assert found.assumed == ("margin_rate", "coupon_cost")
    assert pays_from(10, 1, np.nan, costs, "EUR") is pays_from(0, 1, 10.0, costs, "EUR") is None
    assumed = PaysFrom(2.5, 2.0, 0.5, 0.25, ("margin_rate",), "EUR")
    told = judge(sells(2.5, 5.0, "adjusted"), CALM, assumed, provisional=True)
    assert told.text == "repeat (adjusted, provisional, margin assumed)"
    assert "2.00 EUR (assumed: margin)" in told.why
    # Of 60 contacts 1 %, from 0.2 to 5 %.
    lost = "cannot tell (pays, may annoy: 1 [0, 3] would unsubscribe or complain if repeated)"
    assert judge(sells(2.5, 5.0), UNSURE, PAYS_FROM).text == lost
