"""What a redemption costs: sums of past windows by hand, and intervals against simulations."""

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from promolab.metrics.pooling import PastRatios
from promolab.promotions.costs import discount_per_redeemer, past_discounts, product_of
from promolab.results import Estimate
from tests.draws import bounds, draws
from tests.made_up import cut, shop_of
from tests.promotions.made_up import DAY, NOW, dated


def small_shop(**more: pd.DataFrame):
    """Return a shop with two coupon promotions that are over, and one that runs."""
    promotions = pd.DataFrame({"promotion_id": [*"ABR"], "kind": "coupon", "type": [*"xxy"]})
    promotions["starts_at"] = NOW - pd.to_timedelta([40, 20, 5], unit="D")
    promotions["ends_at"] = NOW - pd.to_timedelta([30, 10, -5], unit="D")
    lines = [
        ("c1", 35, "p1", 2.0),
        ("c1", 35, "p9", 9.0),  # not on offer
        ("c1", 29, "p1", 7.0),  # after the window
        ("c2", 34, "p1", 4.0),  # did not redeem
        ("c1", 15, "p2", 1.5),
        ("c3", 14, "p2", 0.5),
        ("c3", 13, "p1", 1.0),
        ("c2", 3, "p3", 5.0),
    ]
    events = dated(lines, "customer_id ago product_id coupon_discount")
    offers = [("A", "p1", 1), ("A", "p1", 2), ("B", "p1", 1), ("B", "p2", 1), ("R", "p3", 1)]
    products = pd.DataFrame(offers, columns=["promotion_id", "product_id", "coupon_id"])
    redeemed = [("A", "c1", 35), ("B", "c1", 15), ("B", "c3", 14), ("R", "c2", 3), ("A", "c3", 20)]
    columns = "promotion_id customer_id ago"
    frames = {
        "events": events.assign(kind="purchase", amount=10.0),
        "promotions": promotions,
        "promotion_products": products,
        "exposures": dated([("A", "c1", 40), ("B", "c1", 20)], columns),
        "responses": dated(redeemed, columns).assign(kind="redeem"),
    }
    return shop_of({**frames, **more})


def test_the_redeemers_own_discounts_in_the_window_less_what_comes_back() -> None:
    past = past_discounts(small_shop(), NOW.to_pydatetime()).set_index("promotion_id")
    # Who redeemed after the window is no redeemer of A; R is not over; a product in two coupons
    # counts once.
    assert past["redeemers"].to_dict() == {"A": 1, "B": 2}
    assert past["discount"].to_dict() == {"A": 2.0, "B": 3.0}
    assert past["squares"].to_dict() == {"A": 4.0, "B": 1.5**2 + 1.5**2}
    assert past["per_redeemer"].to_dict() == {"A": 2.0, "B": 1.5}
    lines = [
        ("c1", 36, "purchase", "p1", 2.0),
        ("c1", 35, "purchase", "p1", 3.0),
        ("c1", 34, "return", "p1", 2.0),  # written as an amount, not as a sign
        ("c3", 34, "purchase", "p1", 4.0),
        ("c3", 33, "cancel", "p1", 4.0),
    ]
    events = dated(lines, "customer_id ago kind product_id coupon_discount").assign(amount=10.0)
    redeemed = pd.DataFrame({"promotion_id": "A", "customer_id": ["c1", "c3"], "kind": "redeem"})
    shop = small_shop(events=events, responses=redeemed.assign(ts=NOW - 35 * DAY))
    past = past_discounts(shop, NOW.to_pydatetime()).set_index("promotion_id")
    assert past.loc["A", "discount"] == 3.0 and past.loc["A", "squares"] == 9.0


def test_what_happens_later_changes_nothing_nor_what_comes_at_the_very_end() -> None:
    shop = small_shop()
    then = (NOW - 9 * DAY).to_pydatetime()
    pd.testing.assert_frame_equal(past_discounts(shop, then), past_discounts(cut(shop, then), then))
    early = past_discounts(shop, (NOW - 12 * DAY).to_pydatetime())
    assert early["promotion_id"].tolist() == ["A"]
    events = shop.events.execute()
    more = [("c1", 30, "p1", 7.0), ("c2", -1, "p3", 11.0)]
    lines = dated(more, "customer_id ago product_id coupon_discount")
    events = pd.concat([events, lines.assign(kind="purchase", amount=10.0)], ignore_index=True)
    shop, now = small_shop(events=events), NOW.to_pydatetime()
    over, runs = (past_discounts(shop, now, running=r).set_index("promotion_id") for r in (0, 1))
    assert over["discount"].to_dict() == {"A": 2.0, "B": 3.0}
    assert runs["discount"].to_dict() == {"R": 5.0}


def test_single_redeemers_and_whole_promotions_both_make_the_interval_wide() -> None:
    # A: 1 and 3, B: 2, 4 and 6. Around the means 2 and 4, each squared: (2/4 + 8/16) ÷ (1 + 2).
    past = pd.DataFrame({"promotion_id": ["A", "B"], "type": "x", "kind": "coupon"})
    past = past.assign(starts_at=NOW, redeemers=[2, 3], discount=[4.0, 12.0], squares=[10.0, 56.0])
    past["per_redeemer"] = past["discount"] / past["redeemers"]
    told = discount_per_redeemer(past, {"kind": "coupon", "type": "x"})
    assert told.variation == pytest.approx(1 / 3)
    # A mean of 2 known to 30 %, promotions that differ by 0.4 in the logarithm, 5 degrees of
    # freedom: s² = 0.4² + log 1.09 + log(1 + 1/3 ÷ 4), and 2 · exp(−s²/2 ± 2.0150 s).
    ratios = PastRatios(("",), (2.0,), (0.3,), 2.0, 0.3, 0.4, 5, 7)
    s2 = 0.16 + math.log(1.09) + math.log(1 + 1 / 12)
    found = replace(told, ratios=ratios).per_redeemer(4)
    ends = [2 * math.exp(-s2 / 2 + sign * 2.015048 * math.sqrt(s2)) for sign in (-1, 1)]
    assert (found.ci_low, found.ci_high) == pytest.approx(ends, rel=1e-5)
    assert ends == pytest.approx([0.5375, 5.3706], abs=1e-4)


def test_a_shop_without_discounts_knows_nothing_and_one_promotion_has_no_interval() -> None:
    shop = small_shop()
    events = shop.events.drop("coupon_discount")
    past = past_discounts(shop.with_tables({**shop.tables, "events": events}), NOW.to_pydatetime())
    assert past.empty
    nothing = discount_per_redeemer(past, {"kind": "coupon", "type": "x"})
    assert nothing.ratios.k == 0 and nothing.summary()
    assert math.isnan(nothing.of(Estimate(10.0, 5.0, 20.0, 9)).value)
    past = past_of(np.random.default_rng(1), {"x": (1, 1.0)})
    found = discount_per_redeemer(past, {"kind": "coupon", "type": "x"}).per_redeemer(10)
    assert found.value == pytest.approx(past["per_redeemer"].iloc[0]) and math.isnan(found.ci_low)


def past_of(rng: np.random.Generator, types: dict[str, tuple[int, float]], sd: float = 0.3):
    """Return promotions: of each type so many, with this mean of the log discount."""
    rows = []
    for name, (k, mean) in types.items():
        for _ in range(k):
            n = int(rng.integers(4, 60))
            own = math.exp(rng.normal(mean, sd)) * rng.gamma(1.0, 1.0, n)
            rows.append((name, n, own.sum(), (own**2).sum()))
    frame = pd.DataFrame(rows, columns=["type", "redeemers", "discount", "squares"])
    frame["per_redeemer"] = frame["discount"] / frame["redeemers"]
    return frame.assign(promotion_id=range(len(frame)), kind="coupon", starts_at=NOW)


def test_a_type_has_its_own_mean_and_all_share_the_spread() -> None:
    past = past_of(np.random.default_rng(0), {"x": (12, 0.4), "y": (2, 2.0)})
    x, y = (discount_per_redeemer(past, {"kind": "coupon", "type": t}) for t in "xy")
    assert x.ratios == y.ratios and x.ratios.freedom == 11
    assert y.per_redeemer(30).value > 2 * x.per_redeemer(30).value
    # A type never seen may differ as types do; another kind says nothing.
    z = discount_per_redeemer(past, {"kind": "coupon", "type": "z"})
    new, known = z.per_redeemer(30), x.per_redeemer(30)
    assert new.ci_high / new.ci_low > known.ci_high / known.ci_low
    assert discount_per_redeemer(past, {"kind": "full_reduction"}).ratios.k == 0


def test_a_past_discount_counts_as_at_the_promotions_own_face_value() -> None:
    past = past_of(np.random.default_rng(2), {"x": (10, 0.4)})
    deep = past.assign(discount_rate=[0.05, 0.1] * 5, reduction=np.nan)
    half = deep["discount_rate"] == 0.05
    for name, power in (("discount", 1), ("per_redeemer", 1), ("squares", 2)):
        deep.loc[half, name] = deep.loc[half, name] / 2**power
    plain = discount_per_redeemer(past, {"kind": "coupon", "type": "x"})
    told = {"kind": "coupon", "type": "x", "discount_rate": 0.1, "reduction": np.nan}
    at_ten = discount_per_redeemer(deep, told).per_redeemer(20)
    assert at_ten.ends == pytest.approx(plain.per_redeemer(20).ends)
    at_forty = discount_per_redeemer(deep, told | {"discount_rate": 0.4}).per_redeemer(20)
    assert at_forty.value == pytest.approx(4 * at_ten.value, rel=1e-6)
    # Where past ones state no face value, they count as they are.
    assert discount_per_redeemer(past, told).per_redeemer(20) == plain.per_redeemer(20)


def test_the_interval_holds_a_new_promotions_cost() -> None:
    rng = np.random.default_rng(3)
    runs, hits = draws(), 0
    for _ in range(runs):
        past = past_of(rng, {"x": (9, 0.4), "y": (4, 1.2)})
        n = int(rng.integers(20, 80))
        own = math.exp(rng.normal(1.2, 0.3)) * rng.gamma(1.0, 1.0, n)
        found = discount_per_redeemer(past, {"kind": "coupon", "type": "y"}).per_redeemer(n)
        hits += found.ci_low <= own.mean() <= found.ci_high
    least, most = bounds(0.9, runs, 0.01)
    assert least <= hits / runs <= most


def test_a_product_of_two_uncertain_figures_holds_the_truth() -> None:
    rng = np.random.default_rng(4)
    a, b = (np.exp(rng.normal(0, s, 4000)) for s in (0.4, 0.25))
    z = 1.645

    def around(x: float, s: float) -> Estimate:
        return Estimate(x, x * math.exp(-z * s), x * math.exp(z * s), 9)

    found = [product_of(around(x, 0.4), around(y, 0.25)) for x, y in zip(a, b, strict=True)]
    assert 0.88 <= np.mean([e.ci_low <= 1 <= e.ci_high for e in found]) <= 0.92
    assert math.isnan(product_of(around(1.0, 0.4), Estimate(2.0, math.nan, math.nan, 1)).ci_low)
