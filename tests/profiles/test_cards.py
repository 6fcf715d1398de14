from typing import Any

import ibis
import numpy as np
import pandas as pd
import pytest
from scipy.stats import rankdata

from promolab.contract import Attributes
from promolab.profiles import AXES, build_profiles, compare_cards, contrast_customers, profile_card
from tests.refused import refused


@pytest.fixture(scope="module")
def features() -> pd.DataFrame:
    rng, n = np.random.default_rng(3), 200
    columns = {c.feature for axis in AXES.values() for c in axis.components}
    frame = pd.DataFrame({name: rng.lognormal(0, 1, n) for name in sorted(columns)})
    ties = ["recency_days", "categories", "products", "orders_84d"]  # whole days and counts
    frame[ties] = np.ceil(frame[ties] * 2)
    frame.loc[rng.random(n) < 0.2, "days_between_orders"] = np.nan
    frame.insert(0, "customer_id", rng.permutation(n) + 1)
    return frame.assign(top_category=rng.choice(["MILK", "<b>WINE</b>"], n))


@pytest.fixture(scope="module")
def profiles(features: pd.DataFrame) -> pd.DataFrame:
    return build_profiles(features)


def test_components_are_mid_percentile_ranks_and_an_axis_their_mean(features, profiles):
    n, known = len(features), features["days_between_orders"].dropna()
    for name, values in {
        "loyalty_frequency": features["orders_84d"],
        "loyalty_recency": -features["recency_days"],
        "interests_depth": features["products"] / features["categories"],
        "loyalty_rhythm": -known,
    }.items():
        expected = 100 * (rankdata(values) - 0.5) / len(values)
        np.testing.assert_allclose(profiles.loc[values.index, name], expected)
    assert profiles["loyalty_rhythm"].isna().sum() == n - len(known)
    for axis, made in AXES.items():
        columns = [f"{axis}_{c.name}" for c in made.components]
        np.testing.assert_allclose(profiles[axis], np.nanmean(profiles[columns].to_numpy(), axis=1))
        assert profiles[axis].between(0, 100).all()
        assert profiles[columns].mean().sub(50).abs().max() < 1e-9


def test_ties_share_a_rank_and_missing_features_leave_what_there_is(features: pd.DataFrame) -> None:
    same = build_profiles(pd.DataFrame({"customer_id": [1, 2, 3], "recency_days": [4, 4, 9]}))
    assert same["loyalty"].tolist() == pytest.approx([200 / 3, 200 / 3, 100 / 6])
    one = build_profiles(features.head(1).assign(days_between_orders=3.0))
    assert one[list(AXES)].to_numpy().tolist() == [[50.0] * 4]
    bare = build_profiles(features[["customer_id", "recency_days"]].assign(price_level=None))
    assert bare["loyalty"].equals(bare["loyalty_recency"].rename("loyalty"))
    assert bare[["interests", "purchasing_power", "habits"]].isna().all(axis=None)
    assert len(build_profiles(features.head(0))) == 0


def test_scores_do_not_depend_on_row_order_or_the_kind_of_table(features, profiles):
    shuffled = features.sample(frac=1, random_state=0)
    again = build_profiles(shuffled)
    assert again["customer_id"].tolist() == shuffled["customer_id"].tolist()
    executed = build_profiles(ibis.memtable(features))
    assert executed["customer_id"].is_monotonic_increasing
    told = profiles.set_index("customer_id").sort_index()
    for other in (again, executed):
        pd.testing.assert_frame_equal(other.set_index("customer_id").sort_index(), told)


def test_favourites_and_demographics_are_attached(features: pd.DataFrame) -> None:
    columns = {"customer_id": [1, 1, 1, 1, 2], "amount": [5.0, 9.0, 5.0, 1.0, 2.0]}
    favourites = pd.DataFrame(columns | {"category": ["TEA", "MILK", "BEER", "EGGS", "TEA"]})
    demographics = pd.DataFrame({"customer_id": [2, 999], "age": ["25-34", "65+"]})
    result = build_profiles(features, demographics, favourites).set_index("customer_id")
    assert len(result) == len(features) and result["age"].dropna().to_dict() == {2: "25-34"}
    assert result.loc[1, "favourite_categories"] == "MILK · BEER · TEA"


def test_bad_features_are_refused(features: pd.DataFrame, profiles: pd.DataFrame) -> None:
    bad: list[tuple[list[Any], str]] = [
        ([features.drop(columns="customer_id")], "no column 'customer_id'"),
        ([pd.concat([features, features.head(2)])], "repeats customers in 2 rows"),
        ([features.assign(price_level="dear")], r"features\.price_level is not numeric"),
        ([features.assign(customer_id=None)], "customer_id is missing"),
        ([3], "expected a DataFrame or Ibis table"),
        ([features, pd.DataFrame({"customer_id": ["1"]})], "one type of id"),
        ([features, pd.DataFrame({"customer_id": [1], "loyalty": ["gold"]})], r"\['loyalty'\]"),
    ]
    for given, message in bad:
        refused(message, build_profiles, *given)
    refused("customer 12345 is not among the 200 customers", profile_card, profiles, 12345)


def test_card_shows_the_customer_and_escapes_everything(features: pd.DataFrame) -> None:
    first = features["customer_id"].iloc[0]
    demographics = pd.DataFrame({"customer_id": [first], "note": "<script>alert(1)</script>"})
    features = features.assign(top_category="<i>TEA</i>", orders=3, recency_days=7)
    told = {"shown_as": "<u>A1</u>", "attributes": Attributes(("note",))}
    card = profile_card(build_profiles(features, demographics), first, features, **told)
    page = card._repr_html_()
    assert not any(tag in page for tag in ("<script", "<i>", "<u>"))
    assert "&lt;script&gt;" in page and "&lt;u&gt;A1" in page and "&lt;i&gt;TEA" in page
    assert (card.details["Orders"], card.details["Days since the last order"]) == ("3", "7")
    assert str(first) not in card.summary().split("stands")[0]


def test_cards_agree_with_the_profile_and_contrasts_are_the_ends_of_loyalty(profiles):
    pair, rows = compare_cards(profiles, 17, 4), profiles.set_index("customer_id")
    for card, row in ((pair.first, rows.loc[17]), (pair.second, rows.loc[4])):
        assert card.scores == {axis: row[axis] for axis in AXES}
        best = max(AXES, key=lambda axis: row[axis])
        assert f"highest in {AXES[best].label.lower()} ({row[best]:.0f} of 100)" in card.summary()
        for axis in AXES:
            assert f"width:{row[axis]:.0f}%" in pair._repr_html_()
    assert pair._repr_html_().count("promolab-card") == 2
    four = pd.DataFrame({"customer_id": [1, 2, 3, 4], "loyalty": [50.0, 90.0, 10.0, 90.0]})
    others = dict.fromkeys({*AXES} - {"loyalty"}, 1.0)
    assert contrast_customers(four.assign(**others)) == (4, 3)
    alone = profile_card(build_profiles(pd.DataFrame({"customer_id": [1], "recency_days": 3})), 1)
    assert "highest in loyalty (50 of 100), compared with" in alone.summary()  # its only axis
    unknown = profile_card(build_profiles(pd.DataFrame({"customer_id": [1]})), 1)
    assert "nothing is known" in unknown.summary() and "Customer 1" in unknown._repr_html_()
