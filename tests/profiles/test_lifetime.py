"""Who still is a customer, how often they will order and what they will bring."""

import os
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.special import roots_jacobi

from promolab import load_shop
from promolab.cleaning import known_by
from promolab.display import tried
from promolab.profiles import build_profiles, customer_value, profile_card
from promolab.profiles.bg_nbd import OrderModel, fit_orders
from promolab.profiles.lifetime import fit_order_value
from promolab.profiles.order_forecast import Check, spread_of
from tests.made_up import shop_of
from tests.refused import refused, spoilt


@pytest.fixture(scope="module")
def cdnow() -> pd.DataFrame:
    path = Path(os.environ.get("PROMOLAB_DATA", "")) / "cdnow_summary.csv"
    if not path.is_file():
        pytest.skip("cdnow_summary.csv is where PROMOLAB_DATA points")
    return pd.read_csv(path)


def test_the_published_maximum_of_cdnow_is_found(cdnow: pd.DataFrame) -> None:
    # Fader, Hardie & Lee (2005), table 2, and the customer of section 4.4.
    model = fit_orders(cdnow["frequency"], cdnow["recency"], cdnow["T"])
    found = [round(value, 3) for value in (model.r, model.alpha, model.a, model.b)]
    assert found == pytest.approx([0.243, 4.414, 0.793, 2.426], abs=0.0015)
    assert model.log_likelihood == pytest.approx(-9582.4, abs=0.1)
    assert model.orders([2], [30.43], [38.86], 39)[0] == pytest.approx(1.226, abs=5e-4)


def customers(n: int, leaving: bool, seed: int = 0) -> tuple[np.ndarray, ...]:
    """Draw customers of the model, and the orders of each in the 84 days after."""
    rng = np.random.default_rng(seed)
    rate, age = rng.gamma(0.8, 1 / 30, n), rng.uniform(50, 365, n)
    leave = rng.beta(0.6, 3, n) if leaving else np.zeros(n)
    gone = np.where(leave > 0, rng.geometric(np.maximum(leave, 1e-12)), 10**9)
    times = np.cumsum(rng.exponential(1, (n, 400)) / rate[:, None], axis=1)
    order = np.arange(1, 401)
    real = order <= gone[:, None]
    seen = real & (times < age[:, None])
    later = real & ~seen & (times < age[:, None] + 84)
    return seen.sum(1), np.where(seen, times, 0).max(1), age, later.sum(1), gone > seen.sum(1)


@pytest.mark.parametrize("leaving", [True, False])
def test_orders_and_who_is_still_there_are_foretold(leaving: bool) -> None:
    x, t_x, age, later, there = customers(20_000, leaving)
    model = fit_orders(x, t_x, age)
    told, alive = model.orders(x, t_x, age, 84), model.alive(x, t_x, age)
    assert told.sum() == pytest.approx(later.sum(), rel=0.03)
    assert np.polyfit(told, later, 1)[0] == pytest.approx(1, abs=0.05)
    held: list[tuple[Any, ...]] = [
        (model.buys(x, t_x, age, 84), later > 0, (0, 0.25, 0.5, 0.75, 1.01)),
        *[(alive, there, (0, 0.4, 0.7, 1.01))] * leaving,
    ]
    for chance, came, ends in held:
        for low, high in pairwise(ends):
            some = (chance >= low) & (chance < high)
            assert some.sum() > 200
            assert chance[some].mean() == pytest.approx(came[some].mean(), abs=0.03)
    assert model.a > 0 if leaving else model.a == 0 and (alive == 1).all()


@pytest.mark.parametrize("a", [0.3, 1.0, 1.7])
def test_expected_orders_are_the_integral_that_they_stand_for(a: float) -> None:
    model = OrderModel(r=0.9, alpha=20.0, a=a, b=4.0, log_likelihood=0.0)
    # Of one who is alive, rate and chance to leave have known distributions: what is expected by
    # time t is the integral of E[rate · still there], which equation 10 has in closed form.
    x, age, ahead = np.array([0, 1, 6]), np.array([30.0, 200.0, 90.0]), 60.0
    told = model.orders(x, age * (x > 0), age, ahead)
    odds = a / (4.0 + np.maximum(x, 1) - 1) * (x > 0)
    for i in range(3):
        r, beta = 0.9 + x[i], 20.0 + age[i]
        nodes, weights = roots_jacobi(60, 3.0 + x[i], a - 1)  # the density of the chance to leave
        leave = (1 + nodes) / 2
        lasting = (1 - (beta / (beta + leave * ahead)) ** r) / leave
        whole = (weights * lasting).sum() / weights.sum() / (1 + odds[i])
        assert told[i] == pytest.approx(whole, rel=1e-6)


def test_forecasts_are_finite_for_many_orders_few_and_customers_all_alike() -> None:
    model = OrderModel(r=0.9, alpha=0.5, a=0.3, b=4.0, log_likelihood=0.0)
    told = model.orders([2_000, 0, 500], [999.0, 0.0, 400.0], [1_000.0, 0.001, 4_000.0], 84)
    assert np.isfinite(told).all() and (told >= 0).all() and told[0] == pytest.approx(168, rel=0.1)
    # The fit ends at its bounds, where the hypergeometric function cannot be worked out.
    for many in (1, 40):
        same = [1] * many, [30.0] * many, [334.0] * many
        told = fit_orders(*same).orders(*same, 84)
        assert np.isfinite(told).all() and ((told >= 0) & (told < 1)).all()
    near = OrderModel(r=300.0, alpha=9e3, a=0.5, b=400.0, log_likelihood=0.0)
    assert near.orders([9], [270.0], [300.0], 84)[0] == pytest.approx(84 / 30, rel=0.05)


def test_orders_are_drawn_towards_the_mean_of_all() -> None:
    rng = np.random.default_rng(0)
    own = 15 / rng.gamma(4, 1, 20_000)
    x = rng.integers(1, 9, 20_000)
    mean = own * rng.gamma(6.0 * x) / x
    model = fit_order_value(x, mean)
    told = model.expected(x, mean)
    assert told.mean() == pytest.approx(6 * own.mean(), rel=0.02)
    assert np.polyfit(told, 6 * own, 1)[0] == pytest.approx(1, abs=0.03)
    assert np.abs(told - 6 * own).mean() < np.abs(mean - 6 * own).mean()


@pytest.fixture(scope="module")
def shop():
    return load_shop("simulated", customers=1_500, weeks=60, seed=2)


@pytest.fixture(scope="module")
def worth(shop):
    return customer_value(shop, as_of=shop.span()[1] - pd.Timedelta("84D"))


def test_what_comes_lies_in_the_intervals_and_nothing_later_is_read(shop, worth) -> None:
    now = shop.span()[1] - pd.Timedelta("84D")
    events = shop.events.execute()
    later = events[(events["kind"] == "purchase") & (events["ts"] >= now)]
    came = later.groupby("customer_id")["order_id"].nunique()
    frame = worth.frame.set_index("customer_id")
    came = came.reindex(frame.index).fillna(0)
    inside = came.between(frame["orders_12w_low"], frame["orders_12w_high"])
    # Whole numbers: an interval of 90 % holds that much or somewhat more.
    assert 0.86 <= inside.mean() <= 0.98
    assert (frame["orders_12w_high"] - frame["orders_12w_low"]).mean() < 4 * came.std()
    row = worth.totals.set_index("weeks").loc[12]
    assert row["orders_low"] < came.sum() < row["orders_high"]
    assert row["orders_high"] / row["orders_low"] < 3
    again = customer_value(known_by(shop, now), as_of=now)
    pd.testing.assert_frame_equal(again.frame, worth.frame)


def test_every_customer_has_one_row_and_who_is_late_has_rather_left(worth, shop) -> None:
    assert len(worth.checked) >= 2
    assert (worth.checked["error"] < worth.checked["own_error"]).all()
    assert worth.checked["inside"].between(0.85, 0.98).all()
    assert worth.frame["customer_id"].is_unique and (worth.frame["orders"] >= 1).all()
    assert np.isfinite(worth.frame["margin_12w"]).all()
    assert "customers will order" in worth.summary() and "weeks ahead" in str(worth.to_table())
    features = pd.DataFrame({"customer_id": worth.frame["customer_id"], "recency_days": 3.0})
    profiles = build_profiles(features, value=worth)
    assert profiles["orders_12w"].tolist() == worth.frame["orders_12w"].tolist()
    facts = profile_card(profiles, features["customer_id"].iloc[0], shop=shop).details
    assert float(facts["Usual days between orders"]) >= 1
    assert "CNY" in facts["Margin of the next 12 weeks"]
    absent = build_profiles(features, value=tried(customer_value, shop, as_of="2020-01-01"))
    assert "orders_12w" not in absent


def test_a_mistake_is_a_sentence(shop) -> None:
    spoilt("nobody ordered twice", customer_value, shop, as_of=shop.span()[0])
    refused("recency is beyond the age", fit_orders, [1], [5.0], [4.0])
    refused("nobody ordered twice", fit_orders, [0, 0], [0.0, 0.0], [4.0, 2.0])
    refused("more than 0", fit_order_value, [1, 2], [-1.0, -2.0])


def test_a_forecast_is_checked_only_where_it_looks_back_as_far_as_ahead() -> None:
    """Forty customers; twelve weeks before day 160 there are 76 days to look back on."""
    rng, begin = np.random.default_rng(0), pd.Timestamp("2024-01-01")
    rows = [(c, day) for c in range(40) for day in np.cumsum(rng.exponential(5 + c, 20))]
    events = pd.DataFrame([(0, 0.0), *rows], columns=["customer_id", "day"])
    events["ts"] = begin + pd.to_timedelta(events.pop("day"), unit="D").dt.round("s")
    events = events.assign(kind="purchase", product_id="p", order_id=range(len(events)), amount=9.0)
    young = customer_value(shop_of({"events": events}), as_of=begin + pd.Timedelta(days=160))
    assert young.checked.empty and np.isnan(young.spread)


def test_orders_differ_by_what_is_beyond_chance() -> None:
    """Of 1 and 2 foretold 4 and none came: (3² − 1 + 2² − 2) ÷ (1² + 2²) is 2."""
    told, came = np.array([1.0, 2.0]), np.array([4.0, 0.0])
    assert spread_of([Check(None, told, told, came)]) == pytest.approx(np.sqrt(2))
    assert spread_of([Check(None, told, told, told)]) == 0.0 and np.isnan(spread_of([]))


YEAR_BEGAN = pd.Timestamp("2021-01-04")


def seasonal(n: int = 600, weeks: int = 156):
    """Return a shop that sells by the season of the year, and who ordered on which day."""
    rng = np.random.default_rng(0)
    rate, first = rng.gamma(1.5, 1 / 60, n), rng.uniform(0, 7 * 100, n)
    who = np.repeat(np.arange(n), rng.poisson(rate * 1.8 * 7 * weeks))
    day = rng.uniform(0, 7 * weeks, len(who))
    height = (1 + 0.8 * np.sin(2 * np.pi * day / 364)) / 1.8
    real = (rng.random(len(who)) < height) & (day > first[who])
    who, day = who[real], day[real]
    events = pd.DataFrame({"customer_id": who, "order_id": range(len(who)), "product_id": 1})
    events["ts"] = YEAR_BEGAN + pd.to_timedelta((day * 86_400).round(), unit="s")
    products = pd.DataFrame({"product_id": [1], "category": "a"})
    events = events.assign(kind="purchase", amount=10.0)
    return shop_of({"events": events, "products": products}), who, day


def test_a_season_that_is_known_from_a_year_ago_is_foretold() -> None:
    shop, who, day = seasonal()
    for week in (104, 130):  # of the third year, where more is sold, and where less
        now = YEAR_BEGAN + pd.Timedelta(weeks=week)
        found = customer_value(shop, as_of=now)
        known = np.isin(who, who[day < 7 * week])
        came = (known & (day >= 7 * week) & (day < 7 * (week + 12))).sum()
        assert found.frame["orders_12w"].sum() == pytest.approx(came, rel=0.15)
    again = customer_value(known_by(shop, now), as_of=now)
    pd.testing.assert_frame_equal(again.frame, found.frame)
