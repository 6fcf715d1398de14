"""Satisfaction by promotion and segment: stars, and words of reviews without; intervals hold."""

import numpy as np
import pandas as pd
import pytest

from promolab.stats import around, spread_of
from promolab.text import Feedback, read_reviews
from promolab.text.ratings import powered, share_of, slope_of_stars
from promolab.text.ratings import satisfaction as of_reviews
from tests.draws import check_cover, draws
from tests.made_up import shop_of
from tests.refused import refused

NOW = pd.Timestamp("2024-06-01")


def satisfaction(shop, as_of, segments=None):
    return Feedback().fit(read_reviews(shop, as_of)).by_promotion(shop, as_of, segments)


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
    rows = [reviews_of(300, seed=k).assign(score=np.nan, kind="") for k in range(60)]
    found = [of_reviews(r.assign(promotion=r["promotion_id"].fillna(""))) for r in rows]
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


def drawn(rng: np.random.Generator, n: int = 500, starred: float = 0.6) -> tuple[np.ndarray, ...]:
    """Draw reviews of customers who differ in taste: who, stars, which are given, scores."""
    who = rng.integers(0, n // 2, n)
    latent = 3.9 + rng.normal(0, 0.6, n)[who] + rng.normal(0, 0.9, n)
    score = 1 / (1 + np.exp(-1.5 * (latent - 3.2) - rng.normal(0, 1.0, n)))
    score[rng.uniform(size=n) < 0.05] = np.nan  # stars without words
    given = np.isnan(score) | (rng.uniform(size=n) < starred)
    return who, np.clip(np.rint(latent), 1, 5), given, score


def test_intervals_hold_with_words_and_are_narrower_than_of_stars_alone() -> None:
    rng = np.random.default_rng(1)
    stars = drawn(rng, 400_000)[1]
    found: dict[str, list[tuple[float, ...]]] = {"share": [], "alone": [], "mean": []}
    for _ in range(draws(400)):
        who, true, given, score = drawn(rng)
        unit, rated = pd.factorize(who)[0], pd.factorize(who[given])[0]
        for name, y in (("share", (true >= 4).astype(float)), ("mean", true)):
            known = np.where(given, y, np.nan)
            made = powered(known, score, unit, slope_of_stars(known, score))
            assert made is not None
            spread = spread_of((made - made.mean()) / len(made), unit)
            low, high = around(made.mean(), spread, 0.95)
            if name == "share":
                found["alone"].append(share_of(y[given], rated, 0.95, rated.max() + 1))
                low, high = share_of(made, unit, 0.95, rated.max() + 1)[1:]
            found[name].append((made.mean(), low, high))
    check_cover(found["share"], (stars >= 4).mean(), slack=0.005)
    check_cover(found["mean"], stars.mean(), slack=0.005)
    share, alone = (np.array(found[name]) for name in ("share", "alone"))
    wide, wider = share[:, 2] - share[:, 1], alone[:, 2] - alone[:, 1]
    assert (wide < wider * 1.06).all() and wide.mean() < 0.95 * wider.mean()


def test_words_mend_stars_that_the_angry_do_not_give() -> None:
    """By hand: where words tell all, the mean is that of everybody, not of those who gave stars."""
    y = np.array([1.0] * 60 + [0.0] * 40)
    score, unit = np.where(y > 0, 0.9, 0.1), np.arange(100)
    known = np.where(np.arange(100) < 80, y, np.nan)  # of the forty angry ones twenty give none
    slope = slope_of_stars(known, score)
    made = powered(known, score, unit, slope)
    assert slope == pytest.approx(1.25) and made is not None
    assert np.nanmean(known) == pytest.approx(0.75) and made.mean() == pytest.approx(0.6)
    # Words that say nothing, or stars that are all alike: the stars stand alone.
    assert powered(known, np.full(100, 0.5), unit, slope_of_stars(known, np.full(100, 0.5))) is None
    assert powered(np.where(y > 0, 1.0, np.nan), score, unit, 1.25) is None
    assert powered(known, score, unit // 20, slope) is None  # four customers with stars and words


def test_reviews_without_stars_count_by_their_words_and_the_rest_is_said() -> None:
    rng = np.random.default_rng(2)
    who, true, given, score = drawn(rng, 2_000)
    rows = pd.DataFrame({"customer_id": who, "rating": np.where(given, true, np.nan)})
    rows = rows.assign(score=score, promotion=rng.choice(["", "P1"], 2_000), kind="")
    rows.loc[~given & (np.arange(2_000) < 300), "score"] = np.nan  # nothing but a picture
    found = of_reviews(rows)
    assert found.scored + found.unread == (~given).sum()
    assert found.unread == (~given[:300]).sum()
    assert found.overall.n == 2_000 - found.unread
    assert abs(found.overall.value - (true >= 4).mean()) < 0.03
    told = found.summary()
    said, read = told.splitlines()  # what was found, and how words were read
    assert said.startswith(found.at_the_top()) and "proves no effect" in said
    assert read.startswith(f"{found.scored} reviews without stars count by their words")
    assert f"{found.unread} reviews without stars count for nothing" in told
    rows = found.frame[found.frame["by"] == "orders"]
    assert rows["scored"].sum() == found.scored and (rows["customers"] > 300).all()


def test_a_small_group_of_one_opinion_is_not_taken_for_certain() -> None:
    rows = reviews_of(600)
    few = rows.head(12).assign(promotion_id="P3", rating=5.0, customer_id=range(900, 912))
    rows = pd.concat([rows.assign(promotion_id=None), few], ignore_index=True)
    promotions = pd.DataFrame({"promotion_id": ["P3"], "kind": ["coupon"]})
    row = satisfaction(shop_with(rows, promotions), NOW).frame.set_index("group").loc["Coupons P3"]
    assert row["satisfied"] == 1.0 and row["satisfied_low"] < 0.8
    assert row["difference_low"] < 0.1 and row["p_value"] > 0.005
