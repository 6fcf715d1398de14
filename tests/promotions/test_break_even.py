"""What a contact must bring, by hand: costs and margins."""

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest

from promolab.contract import Settings, Shop
from promolab.contract.operations import StatedRate as Rate
from promolab.contract.operations import read_operations
from promolab.promotions import Costs, break_even, promotion_costs
from promolab.results import Estimate
from tests.made_up import shop_of
from tests.promotions.made_up import NOW, dated


def shop(margins: dict[str, float] | None = None):
    lines = [
        ("a", 5, "p1", 30.0),
        ("b", 8, "p2", 10.0),
        ("a", 15, "p1", 10.0),
        ("c", 25, "p2", 50.0),
        ("a", 35, "p1", 5.0),
        ("a", 120, "p2", 5000.0),  # too long ago to weigh
        ("b", -1, "p2", 9000.0),  # later
    ]
    frames = {"events": dated(lines, "customer_id ago product_id amount").assign(kind="purchase")}
    if margins is not None:
        products = pd.DataFrame(margins.items(), columns=["product_id", "margin_rate"])
        frames["products"] = products.assign(category="x")
    return shop_of(frames)


def costs(at: Shop, row: dict[str, Any], **told: float) -> Costs:
    economics = read_operations(Settings(operations={"economics": told})).economics
    return promotion_costs(at, NOW.to_pydatetime(), row, economics)


def test_the_shops_own_rates_and_a_promotions_first_and_what_is_assumed_is_marked() -> None:
    found = costs(shop(), {"kind": "coupon"}, margin_rate=0.3, contact_cost=0.2)
    assert found == Costs(Rate(0.3, False), Rate(0.2, False), Rate(0.0, True))
    nothing = costs(shop(), {})
    assert nothing.margin_rate.assumed and nothing.contact_cost.assumed
    found = costs(shop(), {"contact_cost": 0.7, "funder_share": 0.5})
    assert (found.contact_cost, found.funder_share) == (Rate(0.7, False), 0.5)
    assert costs(shop(), {"contact_cost": np.nan, "funder_share": None}).contact_cost.assumed


def test_products_margins_are_weighed_by_the_last_sales() -> None:
    for margins, rate, assumed in [
        ({"p1": 0.5, "p2": 0.1}, (45 * 0.5 + 60 * 0.1) / 105, False),
        ({"p1": 0.5, "p2": np.nan}, (45 * 0.5 + 60 * 0.25) / 105, True),
        ({"p1": -0.5, "p2": -0.1}, 0.25, True),
    ]:
        assert costs(shop(margins), {}).margin_rate == Rate(pytest.approx(rate), assumed)


def test_break_even_by_hand() -> None:
    stated = Costs(Rate(0.4, False), Rate(0.5, False), Rate(0.1, False), funder_share=0.25)
    redemptions, discount = Estimate(20.0, 10.0, 40.0, 9), Estimate(60.0, 20.0, 160.0, 9)
    cost, extra = break_even(100, redemptions, discount, stated)
    assert cost.value == 0.75 * 60 + 0.1 * 20 + 50
    assert (cost.ci_low, cost.ci_high) == (0.75 * 20 + 1 + 50, 0.75 * 160 + 4 + 50)
    assert extra.value == pytest.approx(cost.value / 40) and extra.n == 100
    unknown = Estimate(math.nan, math.nan, math.nan, 0)
    assert math.isnan(break_even(100, redemptions, unknown, stated)[1].value)
    nobody = Estimate(0.0, 0.0, 0.0, 9)
    assert math.isnan(break_even(0, nobody, nobody, stated)[1].value)
