"""What a contact must bring, by hand: costs and margins."""

import math

import numpy as np
import pandas as pd
import pytest

from promolab.contract import Settings
from promolab.contract.operations import StatedRate as Rate
from promolab.contract.operations import read_operations
from promolab.promotions import Costs, break_even, promotion_costs
from promolab.results import Estimate
from tests.made_up import shop_of

DAY = pd.Timedelta(days=1)
NOW = pd.Timestamp("2021-03-01")
STATED = Settings(operations={"economics": {"margin_rate": 0.3, "contact_cost": 0.2}})


def shop(margins: dict[str, float] | None = None):
    lines = [
        # customer, days ago, product, amount
        ("a", 5, "p1", 30.0),
        ("b", 8, "p2", 10.0),
        ("a", 15, "p1", 10.0),
        ("c", 25, "p2", 50.0),
        ("a", 35, "p1", 5.0),
        ("a", 120, "p2", 5000.0),  # too long ago to weigh
        ("b", -1, "p2", 9000.0),  # later
    ]
    events = pd.DataFrame(lines, columns=["customer_id", "ago", "product_id", "amount"])
    frames = {"events": events.assign(ts=NOW - events.pop("ago") * DAY, kind="purchase")}
    if margins is not None:
        frames["products"] = pd.DataFrame(
            {"product_id": list(margins), "category": "x", "margin_rate": list(margins.values())}
        )
    return shop_of(frames)


def test_the_shops_own_rates_and_a_promotions_first_and_what_is_assumed_is_marked() -> None:
    economics = read_operations(STATED).economics
    found = promotion_costs(shop(), NOW.to_pydatetime(), {"kind": "coupon"}, economics)
    assert found == Costs(Rate(0.3, False), Rate(0.2, False), Rate(0.0, True))
    nothing = promotion_costs(
        shop(), NOW.to_pydatetime(), {}, read_operations(Settings()).economics
    )
    assert nothing.margin_rate.assumed and nothing.contact_cost.assumed
    economics = read_operations(Settings()).economics
    row = {"contact_cost": 0.7, "funder_share": 0.5}
    found = promotion_costs(shop(), NOW.to_pydatetime(), row, economics)
    assert (found.contact_cost, found.funder_share) == (Rate(0.7, False), 0.5)
    gaps = {"contact_cost": np.nan, "funder_share": None}
    assert promotion_costs(shop(), NOW.to_pydatetime(), gaps, economics).contact_cost.assumed


def test_products_margins_are_weighed_by_the_last_sales() -> None:
    economics = read_operations(Settings()).economics
    known = shop({"p1": 0.5, "p2": 0.1})
    rate = promotion_costs(known, NOW.to_pydatetime(), {}, economics).margin_rate
    assert rate == Rate(pytest.approx((45 * 0.5 + 60 * 0.1) / 105), False)
    partly = shop({"p1": 0.5, "p2": np.nan})
    rate = promotion_costs(partly, NOW.to_pydatetime(), {}, economics).margin_rate
    assert rate == Rate(pytest.approx((45 * 0.5 + 60 * 0.25) / 105), True)
    loss = shop({"p1": -0.5, "p2": -0.1})
    assert promotion_costs(loss, NOW.to_pydatetime(), {}, economics).margin_rate == Rate(0.25, True)


def test_break_even_by_hand() -> None:
    costs = Costs(Rate(0.4, False), Rate(0.5, False), Rate(0.1, False), funder_share=0.25)
    redemptions, discount = Estimate(20.0, 10.0, 40.0, 9), Estimate(60.0, 20.0, 160.0, 9)
    cost, extra = break_even(100, redemptions, discount, costs)
    assert cost.value == 0.75 * 60 + 0.1 * 20 + 50
    assert (cost.ci_low, cost.ci_high) == (0.75 * 20 + 1 + 50, 0.75 * 160 + 4 + 50)
    assert extra.value == pytest.approx(cost.value / 40) and extra.n == 100
    unknown = Estimate(math.nan, math.nan, math.nan, 0)
    assert math.isnan(break_even(100, redemptions, unknown, costs)[1].value)
    nobody = Estimate(0.0, 0.0, 0.0, 9)
    assert math.isnan(break_even(0, nobody, nobody, costs)[1].value)
