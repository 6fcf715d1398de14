"""Who bought a promotion's products in each of the last periods, counted by hand."""

from __future__ import annotations

import math

import pandas as pd
import pytest

from promolab.campaign.bought_anyway import habitual_buyers, share_bought_anyway
from tests.campaign.made_up import shop_of

DAY = pd.Timedelta(days=1)
NOW = pd.Timestamp("2021-03-01")
SECOND = pd.Timedelta(seconds=1)


@pytest.fixture(scope="module")
def shop():
    lines = {
        # Each of the last three periods of ten days; the ends of a period are in it.
        "always": [NOW - SECOND, NOW - 20 * DAY, NOW - 30 * DAY],
        "gap": [NOW - 1 * DAY, NOW - 2 * DAY, NOW - 25 * DAY],
        "other": [NOW - 5 * DAY, NOW - 15 * DAY, NOW - 25 * DAY],
        "late": [NOW, NOW - 15 * DAY, NOW - 25 * DAY],
        "old": [NOW - 95 * DAY],
    }
    rows = [(c, ts, "p2" if c == "other" else "p1") for c, times in lines.items() for ts in times]
    events = pd.DataFrame(rows, columns=["customer_id", "ts", "product_id"])
    # What was brought back was bought all the same; a view is no purchase.
    more = [("gap", NOW - 15 * DAY, "p1", "view"), ("always", NOW - 2 * DAY, "p1", "return")]
    events = pd.concat(
        [
            events.assign(kind="purchase"),
            pd.DataFrame(more, columns=["customer_id", "ts", "product_id", "kind"]),
        ]
    )
    promotions = pd.DataFrame(
        {"promotion_id": ["P", "L"], "kind": "coupon"}
        | {"starts_at": NOW + 2 * DAY, "ends_at": [NOW + 12 * DAY, NOW + 42 * DAY]}
    )
    offers = [("P", "p1", 1), ("P", "p1", 2), ("P", "p3", 1), ("L", "p1", 1)]
    return shop_of(
        {
            "events": events.assign(amount=1.0),
            "promotions": promotions,
            "promotion_products": pd.DataFrame(
                offers, columns=["promotion_id", "product_id", "coupon_id"]
            ),
        }
    )


def test_bought_in_each_period_and_before_now(shop) -> None:
    promotions = shop.promotions.execute()
    found = habitual_buyers(shop, NOW.to_pydatetime(), promotions)
    # Three times 40 days are not in the data.
    assert found == {"P": ["always"], "L": None}
    assert habitual_buyers(shop, NOW.to_pydatetime(), promotions.head(0)) == {}


def test_without_products_it_is_not_known(shop) -> None:
    tables = {n: t for n, t in shop.tables.items() if n != "promotion_products"}
    found = habitual_buyers(
        shop.with_tables(tables), NOW.to_pydatetime(), shop.promotions.execute()
    )
    assert found == {"P": None, "L": None}
    share = share_bought_anyway(pd.Series([0.5], index=["always"]), None, 10)
    assert math.isnan(share.of_list.value) and "cannot even be guessed" in share.summary()


def test_shares_of_the_list_and_by_chance_to_redeem() -> None:
    chances = pd.Series([0.9, 0.5, 0.1, 0.1], index=[*"abcd"])
    share = share_bought_anyway(chances, ["a", "d", "z"], 10)
    assert share.of_list.value == 0.5 and share.of_redeemers.value == pytest.approx(1.0 / 1.6)
    for e in (share.of_list, share.of_redeemers):
        assert 0 <= e.ci_low < e.value < e.ci_high <= 1 and e.n == 4
    assert share.summary().startswith("A guess: ") and "3 periods of 10 days" in share.summary()
    assert len(share.to_frame()) == 2
    assert share_bought_anyway(chances * 0, ["a"], 10).of_list.value == 0.25
