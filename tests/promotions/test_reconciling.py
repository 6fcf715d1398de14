"""Discounts computed from terms are those in the events, to the cent; what is left has a name."""

import pandas as pd
import pytest

import promolab
from promolab.promotions import reconcile_discounts
from tests.made_up import shop_of
from tests.refused import spoilt

START = pd.Timestamp("2024-01-08")
DAY = pd.Timedelta(days=1)


@pytest.mark.parametrize("variant", ["default", "weekly"])
def test_on_the_simulated_shop_every_line_agrees(variant):
    shop = promolab.load_shop("simulated", customers=1_500, weeks=26, variant=variant)
    found = reconcile_discounts(shop)
    recorded = float(shop.events.discount.sum().execute())
    assert found.by_terms and found.recorded == pytest.approx(recorded, abs=0.005)
    by_kind = found.frame.groupby("kind")["discount"].sum()
    assert (by_kind.drop("recommendation") > 100).all() and by_kind["recommendation"] == 0
    assert (found.differing, found.unattributed) == (0, 0.0)
    # The default shop spreads a reduction by prices that are not whole cents.
    assert found.rounded <= (0.005 * found.lines if variant == "default" else 0)
    coupons = found.frame.loc[found.frame["kind"] == "coupon", "discount"].sum()
    own = float(shop.events.coupon_discount.sum().execute())
    assert coupons == pytest.approx(own, abs=0.005)


def test_on_complete_journey_redemptions_and_a_named_rest_add_up():
    shop = promolab.load_shop("complete_journey")
    found = reconcile_discounts(shop)
    assert not found.by_terms and len(found.frame) == 27
    assert found.recorded == pytest.approx(float(shop.events.coupon_discount.sum().execute()))
    assert round(found.frame["discount"].sum() + found.unattributed, 2) == found.recorded
    rows = found.to_frame().set_index("promotion_id")["discount"]
    assert rows["events"] == round(rows.drop("events").sum(), 2)
    assert 0 < found.attributed < 0.1 * found.recorded
    assert "unattributed: no coupon that a promotion handed out was redeemed" in found.summary()


def corner(**more):
    lines = [
        # customer, order, day, product, amount, discount, of it coupons
        ("a", "1", 1, "x", 45.0, 5.0, 0.0),  # L
        ("a", "1", 1, "y", 50.0, 0.0, 0.0),
        ("b", "2", 2, "y", 15.0, 5.0, 5.0),  # C, redeemed
        ("b", "3", 2.5, "y", 20.0, 0.0, 0.0),  # the same day, not used
        ("c", "4", 3, "x", 9.0, 1.0, 0.0),  # was not contacted
        ("a", "5", 9, "x", 40.0, 0.0, 0.0),  # after the window
    ]
    columns = ["customer_id", "order_id", "ago", "product_id", "amount", "discount"]
    events = pd.DataFrame(lines, columns=[*columns, "coupon_discount"])
    events = events.assign(ts=START + events.pop("ago") * DAY, kind="purchase")
    promotions = pd.DataFrame(
        {
            "promotion_id": ["L", "C"],
            "kind": ["limited_time_discount", "coupon"],
            "discount_rate": [0.1, None],
            "reduction": [None, 5.0],
            "starts_at": START,
            "ends_at": START + 7 * DAY,
        }
    )
    return shop_of(
        {
            "events": events,
            "promotions": promotions,
            "promotion_products": pd.DataFrame({"promotion_id": ["L"], "product_id": ["x"]}),
            "exposures": pd.DataFrame(
                {"promotion_id": ["L", "C"], "customer_id": ["a", "b"], "ts": START}
            ),
            "responses": pd.DataFrame(
                {"promotion_id": ["C"], "customer_id": ["b"], "kind": "redeem"}
            ).assign(ts=START + 2 * DAY + pd.Timedelta(minutes=1)),
        }
        | more
    )


def test_what_no_promotion_explains_and_what_differs_is_counted():
    found = reconcile_discounts(corner())
    assert found.frame.set_index("promotion_id")["discount"].to_dict() == {"C": 5.0, "L": 5.0}
    assert (found.recorded, found.unattributed) == (11.0, 1.0)
    assert (found.lines, found.differing) == (4, 0)
    shop = corner()
    events = shop.events.execute()
    events.loc[0, "discount"] = 7.0
    found = reconcile_discounts(corner(events=events))
    assert (found.differing, found.unattributed, found.recorded) == (1, 2.8, 13.0)
    assert "1 line differs, by 1.80" in found.summary()
    shop = corner()
    events = shop.events.drop("discount")
    spoilt("discount", reconcile_discounts, shop.with_tables({**shop.tables, "events": events}))
