"""What the world's customers do, seen in the tables as anybody sees them."""

import numpy as np
import pandas as pd
import pytest

from promolab.contract import TABLES
from promolab.simulated.effects import weekly_rates
from promolab.simulated.people import draw_customers
from promolab.simulated.truth import Truth
from promolab.simulated.world import NONE, World


def test_every_table_is_sound_and_attributes_and_reviews_show_what_they_should(shop):
    assert set(shop.tables) == set(TABLES)
    assert [finding.sentence for finding in shop.check().findings] == []
    events = shop.events.execute()
    local = events.ts + pd.Timedelta(hours=8)
    assert local.min() >= pd.Timestamp(shop.truth.world.starts(0)) - pd.Timedelta(hours=1)
    assert local.max() < pd.Timestamp(shop.truth.world.starts(21))
    customers = shop.customers.execute()
    sizes = customers.groupby("cluster_id").size()
    assert sizes.max() == 2 and 0.08 < (sizes == 2).sum() / len(customers) < 0.12
    drawn = draw_customers(shop.truth.world, 0, 4_000)
    second = np.nonzero(drawn.household != drawn.number)[0]
    logs = np.log(drawn.basket)
    assert 0.55 < np.corrcoef(logs[second], logs[second - 1])[0, 1] < 0.85
    table = customers.set_index("customer_id").sort_index()
    assert np.corrcoef(table.interest_in_offers, drawn.sensitivity)[0, 1] > 0.9
    rates = pd.Series(drawn.rate, index=table.index).groupby(table.tier).mean()
    assert rates["gold"] > 1.5 * rates["silver"] > 1.5 * rates["basic"]
    reviews = shop.reviews.execute()
    words = reviews.groupby("text").rating.mean()
    assert words["good value"] > 3.5 > 2.5 > words["poor quality"]


def test_views_lead_to_clicks_to_carts_to_purchases_to_shares_and_reviews(shop, events):
    n = events.kind.value_counts()
    assert n["view"] > n["click"] > n["cart"] > n["purchase"] > n["share"] > 0
    reviews = shop.reviews.execute()
    assert 0 < len(reviews) < n["purchase"]
    # Whatever is bought was viewed, clicked and put into the cart before, in this order.
    times = {}
    for kind in ("view", "click", "cart", "purchase"):
        some = events[events.kind == kind]
        times[kind] = some.groupby(["customer_id", "product_id"]).ts.min()
    bought = times["purchase"]
    for earlier, later in (("view", "click"), ("click", "cart"), ("cart", "purchase")):
        before = times[earlier].reindex(bought.index)
        assert before.notna().all() and (before < times[later].reindex(bought.index)).all()
    lines = events[events.kind == "purchase"].groupby(["order_id", "product_id"]).ts.min()
    mine = pd.MultiIndex.from_frame(reviews[["order_id", "product_id"]])
    assert (reviews.ts.to_numpy() > lines.reindex(mine).to_numpy()).all()
    assert reviews.rating.between(1, 5).all() and (reviews.text.str.len() > 5).all()


def test_sale_days_are_busy_and_popular_products_sell(events):
    bought = events[events.kind == "purchase"]
    days = bought.groupby(bought.local.dt.date).order_id.nunique()
    sale = days[pd.Timestamp("2024-06-18").date()]
    assert sale > 1.8 * days.median()
    sold = events[events.kind == "purchase"].product_id.value_counts(normalize=True)
    assert sold.head(60).sum() > 0.35  # a tenth of them


def test_customers_have_habits_and_the_loyal_return_to_their_favourites(shop, events):
    bought = events[events.kind == "purchase"].drop_duplicates("order_id")
    bought = bought[~bought.week.isin(shop.truth.world.sale_days)]
    customers = draw_customers(shop.truth.world, 0, 4_000)
    hour = bought.local.dt.hour + bought.local.dt.minute / 60
    assert np.corrcoef(hour, customers.hour[bought.customer_id - 1])[0, 1] > 0.6
    late = bought.local.dt.day_of_week >= 5
    assert abs(late.mean() - 0.325) < 0.03
    bought = events[events.kind == "purchase"]
    groups = bought.groupby("customer_id").product_id.agg(["size", "nunique"])
    repeats = 1 - groups["nunique"] / groups["size"]
    many = groups["size"] >= 8
    loyalty = customers.loyalty[groups.index[many] - 1]
    assert np.corrcoef(repeats[many], loyalty)[0, 1] > 0.4


def window(events, shop, kind, place=0):
    """Order totals of those assigned a kind, in its window."""
    week = shop.truth.world.rounds[place]
    decisions = shop.decisions.filter(shop.decisions.action == f"W{week + 1:02d}-{kind}").execute()
    inside = events[(events.kind == "purchase") & (events.week == week)]
    return inside[inside.customer_id.isin(decisions.customer_id)]


def test_discounts_fall_where_the_terms_say_and_none_outside_a_window(shop, events):
    products = shop.products.execute().set_index("product_id").category
    limited = window(events, shop, "limited_time_discount")
    offers = shop.promotion_products.execute()
    offered = offers[offers.promotion_id == "W06-limited_time_discount"].product_id
    inside = limited.product_id.isin(offered)
    assert set(products[offered]) == {products[offered].iloc[0]}
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


def test_baskets_are_topped_up_to_the_threshold(shop, events):
    promotions = shop.promotions.execute().set_index("promotion_id")
    at = promotions.threshold["W06-full_reduction"]
    parts = [window(events, shop, "full_reduction", place) for place in range(3)]
    lines = pd.concat(parts)
    totals = (lines.amount + lines.discount).groupby(lines.order_id).sum()
    other = events[(events.kind == "purchase") & ~events.week.isin(shop.truth.world.rounds)]
    usual = (other.amount + other.discount).groupby(other.order_id).sum()

    def just_at(money):
        return ((money > at - 0.5) & (money < at + 0.5)).mean()

    assert just_at(totals) > 0.02 > 0.008 > just_at(usual)
    off = lines.groupby("order_id").discount.sum()
    reduction = promotions.reduction["W06-full_reduction"]
    assert np.allclose(off[totals >= at + 0.05], reduction, atol=0.05)
    assert (off[totals < at - 0.05] == 0).all()


@pytest.mark.parametrize("place", range(4))
def test_orders_are_pulled_forward_and_missing_afterwards_and_contact_tires(place):
    world = World(customers=4_000, weeks=22)
    customers = draw_customers(world, 0, 4_000)
    # Who hardly buys at all has nothing that could be pulled forward.
    usual = ~customers.averse & ~customers.settled & (customers.rate > 0.05)
    weeks = range(world.rounds[2], world.rounds[2] + 5)
    found = []
    for before in (NONE, place):
        action = np.tile([before, before, NONE], (4_000, 1))
        assigned = np.tile([before, before, place], (4_000, 1))
        given = world.promotions, world.week_factors(), weeks
        without, with_ = (weekly_rates(world, customers, a, *given) for a in (action, assigned))
        found.append((with_ - without)[usual])
    fresh, tired = found
    assert (fresh[:, 0] > 0).all() and (fresh[:, 1:] < 0).all()
    assert np.allclose(fresh[:, 1:].sum(axis=1), -0.3 * fresh[:, 0])
    assert np.allclose(tired / fresh, np.exp(-2 * 0.12))


def test_the_truth_counts_contacts_and_they_make_the_averse_complain(shop):
    """Who was contacted twice before the third round gains less of it than it would fresh."""
    world = shop.truth.world
    before = shop.exposures.execute().query("promotion_id < 'W16'").groupby("customer_id").size()
    fresh = World(**{**world.__dict__, "fatigue": 0.0})
    last = f"W{world.rounds[-1] + 1:02d}-recommendation"
    tired, rested = (t.effects(last).margin_effect for t in (shop.truth, Truth(fresh)))
    ratio = (tired / rested).to_numpy()
    contacts = before.reindex(np.arange(4_000) + 1).fillna(0).to_numpy()
    drawn = draw_customers(world, 0, 4_000)
    # Who hardly buys at all has nothing that could be pulled forward.
    usual = ~drawn.averse & ~drawn.settled & (drawn.rate > 0.1)
    assert np.allclose(ratio[usual], np.exp(-0.12 * contacts[usual]))
    answers = shop.responses.execute()
    off = answers[answers.kind == "unsubscribe"].customer_id
    assert drawn.averse[off - 1].mean() > 4 * drawn.averse.mean()
    claims = answers[answers.kind == "claim"]
    assert claims.promotion_id.str.contains("coupon").all() and len(claims)
    used = answers[(answers.kind == "redeem") & answers.promotion_id.str.contains("coupon")]
    both = used.merge(claims, on=["customer_id", "promotion_id"], suffixes=("", "_claim"))
    assert len(both) == len(used) and (both.ts > both.ts_claim).all()
