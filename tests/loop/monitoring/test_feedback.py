"""Satisfaction: stars by promotion and segment, with intervals that hold and few false alarms."""

import numpy as np
import pandas as pd
import pytest

from promolab.loop.monitoring import satisfaction
from tests.made_up import shop_of
from tests.refused import refused

NOW = pd.Timestamp("2024-06-01")


def shop_with(reviews, promotions=None):
    events = pd.DataFrame({"customer_id": [1], "ts": [NOW], "kind": ["purchase"]})
    given = {"events": events, "reviews": reviews, "promotions": promotions}
    tables = {name: table for name, table in given.items() if table is not None}
    return shop_of(tables, name="Corner shop")


def reviews_of(n: int = 800, seed: int = 0, worse: float = 0.0) -> pd.DataFrame:
    """Customers differ in how they rate; ``worse`` lowers what promotion P1 gets."""
    rng = np.random.default_rng(seed)
    who = rng.integers(0, n // 2, n)
    promotion = rng.choice(["", "P1", "P2"], n, p=[0.6, 0.2, 0.2])
    taste = rng.normal(0, 0.8, n // 2)[who]
    rating = 4 + taste + rng.normal(0, 0.7, n) - worse * (promotion == "P1")
    columns = {"customer_id": who, "product_id": 1, "ts": NOW - pd.Timedelta(days=3)}
    columns |= {"rating": np.clip(np.rint(rating), 1, 5)}
    columns |= {"promotion_id": pd.Series(promotion).replace("", None)}
    return pd.DataFrame(columns)


PROMOTIONS = pd.DataFrame({"promotion_id": ["P1", "P2"], "kind": ["coupon", "recommendation"]})


def test_what_disappoints_stands_out_and_ratings_of_a_few_are_told_not_drawn() -> None:
    found = satisfaction(shop_with(reviews_of(worse=1.2), PROMOTIONS), NOW)
    assert found.standing_out() == ["coupon", "Coupons P1"]
    row = found.frame.set_index("group").loc["Coupons P1"]
    assert row["difference_high"] < 0 and row["p_holm"] < 0.01
    found = satisfaction(shop_with(reviews_of(8), PROMOTIONS), NOW)
    assert found and found.frame.empty
    refused("rated by 10 customers or more", found.plot)


def test_figures_are_those_of_the_rows_and_what_came_later_is_not_read() -> None:
    rows = reviews_of()
    late = rows.head(50).assign(ts=NOW, rating=1.0)
    segments = pd.DataFrame({"customer_id": range(400), "segment": ["a", "b"] * 200})
    found = satisfaction(shop_with(pd.concat([rows, late]), PROMOTIONS), NOW, segments)
    assert found.overall.value == pytest.approx((rows["rating"] >= 4).mean())
    assert found.mean.value == pytest.approx(rows["rating"].mean()) and found.overall.n == len(rows)
    mine = rows[rows["customer_id"] % 2 == 0]
    row = found.frame[found.frame["by"] == "segment"].set_index("group").loc["a"]
    assert row["rating"] == pytest.approx(mine["rating"].mean())
    assert row["ratings"] == len(mine) and row["customers"] == mine["customer_id"].nunique()
    other = rows[rows["customer_id"] % 2 == 1]
    gap = (mine["rating"] >= 4).mean() - (other["rating"] >= 4).mean()
    assert row["difference"] == pytest.approx(gap)


def test_intervals_hold_though_a_customer_rates_often_and_nobody_stands_out_by_chance() -> None:
    truth = (reviews_of(400_000, seed=99)["rating"] >= 4).mean()
    found = [satisfaction(shop_with(reviews_of(300, seed=k), PROMOTIONS), NOW) for k in range(60)]
    held = np.mean([f.overall.ci_low <= truth <= f.overall.ci_high for f in found])
    assert held >= 0.87  # 95 %, less what 60 draws allow
    assert np.mean([f.overall.ci_high - f.overall.ci_low for f in found]) < 0.15
    assert np.mean([bool(f.standing_out()) for f in found]) <= 0.2


def test_where_there_is_nothing_one_sentence_says_so() -> None:
    for reviews, sentence in [
        (None, "Corner shop records no ratings"),
        (reviews_of().drop(columns="rating"), "Corner shop records no ratings"),
        (reviews_of().head(1), "Fewer than two customers"),
        (reviews_of().assign(ts=NOW), "Fewer than two customers"),
    ]:
        found = satisfaction(shop_with(reviews), NOW)
        assert not found and sentence in found.summary()
        assert found.to_frame().empty and found.to_dict()["satisfied"]["value"] is None


def test_without_promotions_known_and_with_one_opinion_only() -> None:
    same = reviews_of().assign(rating=5.0)
    found = satisfaction(shop_with(same.drop(columns="promotion_id")), NOW)
    assert found.overall.value == 1.0 and found.overall.ci_low > 0.98
    assert "cannot be compared" in found.summary()
    assert satisfaction(shop_with(same, PROMOTIONS), NOW).standing_out() == []


def test_ten_ratings_of_one_customer_are_one_customers() -> None:
    rows = reviews_of(60)
    many = rows.iloc[[0] * 10].assign(promotion_id="P3", rating=1.0)
    rows = pd.concat([rows.assign(promotion_id=None), many], ignore_index=True)
    promotions = pd.DataFrame({"promotion_id": ["P3"], "kind": ["coupon"]})
    found = satisfaction(shop_with(rows, promotions), NOW)
    assert found.few == 1 and set(found.frame["group"]) == {"without a promotion"}
