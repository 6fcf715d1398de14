"""Order values against a simulated shop's customers, and on a shop small enough to count."""

import numpy as np
import pandas as pd
import pytest

from promolab.promotions import order_values
from promolab.simulated.people import draw_customers
from promolab.sources import simulated
from tests.made_up import cut, shop_of
from tests.refused import refused, spoilt

NOW = pd.Timestamp("2024-06-03")


@pytest.fixture(scope="module")
def shop():
    return simulated(customers=2_000, weeks=31, seed=5)


@pytest.fixture(scope="module")
def last(shop):
    found = shop.promotions.order_by("starts_at", "promotion_id").execute().tail(4)
    return found["promotion_id"].tolist(), found["starts_at"].iloc[0]


def test_customers_are_found_as_they_were_made_and_errors_those_of_the_rates(shop, last):
    found = order_values(shop, last[1], promotions=last[0])
    world = shop.truth.world
    people = draw_customers(world, 0, world.customers)
    rate = found.frame["orders_a_day"].to_numpy() * 7
    assert rate.mean() == pytest.approx(people.rate.mean(), rel=0.12)
    assert np.corrcoef(rate, people.rate)[0, 1] > 0.8
    assert found.mean_value.mean() == pytest.approx(people.basket.mean(), rel=0.03)
    assert np.corrcoef(found.mean_value, people.basket)[0, 1] > 0.3
    assert found.frame["margin_rate"].mean() == pytest.approx(people.margin_rate.mean(), abs=0.01)
    assert found.frame["log_sd"].mean() == pytest.approx(world.noise_of_baskets, rel=0.08)
    place = found.place(next(one for one in last[0] if "discount" in one))
    category = next(p.category for p in world.promotions if p.id == found.promotions[place])
    assert np.corrcoef(found.shares[:, place], people.interest[:, category])[0, 1] > 0.3
    used = found.frame["coupon_use"].mean()
    assert used == pytest.approx((0.2 + 0.6 * people.sensitivity).mean(), abs=0.08)
    assert 0 < found.week_spread < 0.25
    assert found.summary().startswith("Of 2,000 customers: how often each orders")
    found = order_values(shop, last[1])
    rate, error = (found.frame[c].to_numpy() for c in ("orders_a_day", "orders_error"))
    miss = (people.rate / 7 - rate) / rate / error
    assert 0.75 < np.sqrt(np.mean(miss**2)) < 1.2


def test_nothing_at_or_after_the_moment_is_read(shop, last):
    moment = shop.promotions.order_by("starts_at").execute()["starts_at"].iloc[8]
    whole = order_values(shop, moment, promotions=last[0])
    before = order_values(cut(shop, moment), moment, promotions=last[0])
    pd.testing.assert_frame_equal(whole.frame, before.frame)
    np.testing.assert_array_equal(whole.shares, before.shares)
    assert (whole.top_up, whole.week_spread) == (before.top_up, before.week_spread)


@pytest.fixture(scope="module")
def small_shop():
    """Three customers over ten weeks; B's orders in weeks 3 and 4 are in the window of a coupon."""
    begin = NOW - pd.Timedelta(weeks=10)
    rows = [
        (who, begin + pd.Timedelta(days=7 * week + 1), f"{who}{week}", product, amount, off)
        for who, weeks, amount in (("A", range(10), 100.0), ("B", (3, 4, 8), 50.0))
        for week in weeks
        for product, off in (("x", 0.0), ("y", 5.0))
    ]
    columns = ["customer_id", "ts", "order_id", "product_id", "amount", "discount"]
    events = pd.DataFrame(rows, columns=columns).assign(kind="purchase", coupon_discount=0.0)
    back = events[events["order_id"] == "A9"].head(1)
    back = back.assign(ts=NOW - pd.Timedelta(days=3), kind="return")
    starts = begin + pd.Timedelta(weeks=3)
    window = pd.DataFrame({"promotion_id": ["C"], "kind": "coupon", "discount_rate": 0.1})
    sent = {"promotion_id": ["C"], "customer_id": "B", "ts": starts}
    products = {"product_id": ["x", "y"], "category": "c", "margin_rate": [0.2, 0.4]}
    return shop_of(
        {
            "events": pd.concat([events, back], ignore_index=True),
            "customers": pd.DataFrame({"customer_id": ["A", "B", "C"], "since": begin}),
            "products": pd.DataFrame(products),
            "promotions": window.assign(starts_at=starts, ends_at=starts + pd.Timedelta(weeks=2)),
            "promotion_products": pd.DataFrame({"promotion_id": ["C"], "product_id": ["x"]}),
            "exposures": pd.DataFrame(sent),
        }
    )


def test_orders_in_the_window_of_an_own_promotion_do_not_count_nor_who_is_not_known(small_shop):
    found = order_values(small_shop, NOW, promotions=["C"])
    rows = found.frame.set_index("customer_id")
    # A orders every week, B once in the eight weeks outside the window, C never.
    assert rows["orders_a_day"].is_monotonic_decreasing
    assert rows.loc["B", "orders_a_day"] < 0.5 * rows.loc["A", "orders_a_day"]
    assert rows["orders_error"].is_monotonic_increasing
    # At list price: 100 and 105 with A, 50 and 55 with B.
    assert 105 < found.mean_value[1] < found.mean_value[0] < 215
    assert found.shares[0, 0] == pytest.approx(100 / 205, abs=0.02)
    assert rows.loc["A", "returned"] > rows.loc["B", "returned"] > 0
    found = order_values(small_shop, NOW, customers=["new", "A"], promotions=["C"])
    assert found.frame["customer_id"].tolist() == ["new", "A"]
    assert found.frame.notna().drop(columns="coupon_use").all(axis=None)
    assert 0 < found.frame.loc[0, "orders_a_day"] < found.frame.loc[1, "orders_a_day"]


def test_bad_input_is_a_sentence(small_shop):
    for changed, message in [
        ({"customers": ["A", "A"]}, "customers names 'A' twice"),
        ({"promotions": ["c"]}, "there is no promotion 'c'"),
        ({"promotions": ["C", "C"]}, "at least one, each once"),
        ({"as_of": "soon"}, "as_of = 'soon'"),
    ]:
        refused(message, order_values, **{"shop": small_shop, "as_of": NOW} | changed)
    spoilt("has no orders before 2020-01-01", order_values, small_shop, "2020-01-01")


def test_newcomers_count_for_the_days_since_they_came_and_not_all_is_lost_of_returns():
    """A hundred came a week ago, order three times each, and bring all of it back."""
    who = [f"c{n:02d}" for n in range(100)]
    rows = [
        (c, NOW - pd.Timedelta(days=day), f"{c}{day}", kind)
        for c in who for day in (7, 4, 2) for kind in ("purchase", "return")
    ]  # fmt: skip
    events = pd.DataFrame(rows, columns=["customer_id", "ts", "order_id", "kind"])
    since = pd.DataFrame({"customer_id": who, "since": NOW - pd.Timedelta(days=7)})
    events = events.assign(product_id="x", amount=50.0, discount=0.0)
    found = order_values(shop_of({"events": events, "customers": since}), NOW).frame
    assert found["orders_a_day"].mean() == pytest.approx(3 / 7, rel=0.02)
    assert found["returned"].unique().tolist() == [0.95]
