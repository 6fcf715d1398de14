"""What the world's customers do, seen in the tables as anybody sees them."""

import numpy as np
import pandas as pd
import pytest

from promolab.contract import TABLES
from promolab.simulated.effects import weekly_rates
from promolab.simulated.people import draw_customers
from promolab.simulated.truth import Truth
from promolab.simulated.world import NONE, World


@pytest.fixture(scope="module")
def people(shop):
    return draw_customers(shop.truth.world, 0, 4_000)


def test_tables_are_sound_and_attributes_tell(shop, events, people):
    assert set(shop.tables) == set(TABLES) - {"questions"}
    assert [finding.sentence for finding in shop.check().findings] == []
    begin, end = (pd.Timestamp(shop.truth.world.starts(week)) for week in (0, 21))
    assert begin - pd.Timedelta(hours=1) <= events.local.min() < events.local.max() < end
    customers = shop.customers.execute()
    sizes = customers.groupby("cluster_id").size()
    assert sizes.max() == 2 and 0.08 < (sizes == 2).sum() / len(customers) < 0.12
    table = customers.set_index("customer_id").sort_index()
    assert np.corrcoef(table.interest_in_offers, people.sensitivity)[0, 1] > 0.9
    rates = pd.Series(people.rate, index=table.index).groupby(table.tier).mean()
    assert rates["gold"] > 1.5 * rates["silver"] > 1.5 * rates["basic"]


def test_views_lead_to_clicks_to_carts_to_purchases_to_shares_and_reviews(shop, events):
    n, reviews = events.kind.value_counts(), shop.reviews.execute()
    assert n["view"] > n["click"] > n["cart"] > n["purchase"] > n["share"] > 0
    assert 0 < len(reviews) < n["purchase"]
    # Whatever is bought was viewed, clicked and put into the cart before, in this order.
    times = events.pivot_table("ts", ["customer_id", "product_id"], "kind", aggfunc="min")
    times = times.loc[times.purchase.notna(), ["view", "click", "cart", "purchase"]]
    assert (times.diff(axis=1).iloc[:, 1:] > pd.Timedelta(0)).all(axis=None)  # of none: false
    lines = events[events.kind == "purchase"].groupby(["order_id", "product_id"]).ts.min()
    mine = pd.MultiIndex.from_frame(reviews[["order_id", "product_id"]])
    assert (reviews.ts.to_numpy() > lines.reindex(mine).to_numpy()).all()
    assert reviews.rating.dropna().between(1, 5).all() and (reviews.text.str.len() > 2).all()


def window(events, shop, kind):
    """Order lines of those assigned a kind, in the first window."""
    week = shop.truth.world.rounds[0]
    decisions = shop.decisions.filter(shop.decisions.action == f"W{week + 1:02d}-{kind}").execute()
    inside = events[(events.kind == "purchase") & (events.week == week)]
    return inside[inside.customer_id.isin(decisions.customer_id)]


def test_discounts_fall_where_the_terms_say_and_none_outside_a_window(shop, events):
    products = shop.products.execute().set_index("product_id").category
    limited = window(events, shop, "limited_time_discount")
    offers = shop.promotion_products.execute()
    offered = offers[offers.promotion_id == "W06-limited_time_discount"].product_id
    inside = limited.product_id.isin(offered)
    assert len(set(products[offered])) == 1
    assert (limited[inside].discount > 0).mean() > 0.95 and (limited[~inside].discount == 0).all()
    share = limited[inside].discount / (limited[inside].amount + limited[inside].discount)
    assert abs(share.mean() - 0.1) < 0.005
    coupons = window(events, shop, "coupon")
    assert (coupons.coupon_discount == coupons.discount).all()
    claimed = coupons.groupby("order_id").discount.sum() > 0
    assert 0.3 < claimed.mean() < 0.7
    assert (window(events, shop, "recommendation").discount == 0).all()
    bought = events[events.kind == "purchase"]
    assert (bought[~bought.week.isin(shop.truth.world.rounds)].discount == 0).all()
    assert bought.discount.sum() > 0 and (bought.amount >= 0).all()


@pytest.mark.parametrize("place", range(4))
def test_orders_are_pulled_forward_and_missing_afterwards_and_contact_tires(place):
    world = World(customers=1_000, weeks=22)
    customers = draw_customers(world, 0, 1_000)
    # Who hardly buys at all has nothing that could be pulled forward.
    usual = ~customers.averse & ~customers.settled & (customers.rate > 0.05)
    given = world.promotions, world.week_factors(), range(world.rounds[2], world.rounds[2] + 5)

    def added(before):
        actions = (np.tile([before, before, last], (1_000, 1)) for last in (NONE, place))
        without, with_ = (weekly_rates(world, customers, each, *given) for each in actions)
        return (with_ - without)[usual]

    fresh, tired = added(NONE), added(place)
    assert (fresh[:, 0] > 0).all() and (fresh[:, 1:] < 0).all()
    assert np.allclose(fresh[:, 1:].sum(axis=1), -0.3 * fresh[:, 0])
    assert np.allclose(tired / fresh, np.exp(-2 * 0.12))


def test_the_truth_counts_contacts_and_coupons_are_claimed_before_they_are_used(shop, people):
    """Who was contacted twice before the third round gains less of it than it would fresh."""
    world = shop.truth.world
    before = shop.exposures.execute().query("promotion_id < 'W16'").groupby("customer_id").size()
    fresh = World(**{**world.__dict__, "fatigue": 0.0})
    last = f"W{world.rounds[-1] + 1:02d}-recommendation"
    tired, rested = (t.effects(last).margin_effect for t in (shop.truth, Truth(fresh)))
    ratio = (tired / rested).to_numpy()
    contacts = before.reindex(np.arange(4_000) + 1).fillna(0).to_numpy()
    # Who hardly buys at all has nothing that could be pulled forward.
    usual = ~people.averse & ~people.settled & (people.rate > 0.1)
    assert np.allclose(ratio[usual], np.exp(-0.12 * contacts[usual]))
    answers = shop.responses.execute()
    claims = answers[answers.kind == "claim"]
    assert claims.promotion_id.str.contains("coupon").all() and len(claims)
    used = answers[(answers.kind == "redeem") & answers.promotion_id.str.contains("coupon")]
    both = used.merge(claims, on=["customer_id", "promotion_id"], suffixes=("", "_claim"))
    assert len(both) == len(used) and (both.ts > both.ts_claim).all()
