import ibis
import matplotlib
import numpy as np
import pandas as pd
import pytest
from scipy.stats import rankdata

from promolab.contract import Attributes
from promolab.errors import InputError
from promolab.profiles import (
    AXES,
    build_profiles,
    compare_cards,
    contrast_customers,
    profile_card,
)
from tests.refused import refused

matplotlib.use("Agg")


def make_features(n: int = 200, seed: int = 3) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    columns = {c.feature for axis in AXES.values() for c in axis.components}
    frame = pd.DataFrame({name: rng.lognormal(0, 1, n) for name in sorted(columns)})
    # Whole days and counts bring ties.
    for name in ("recency_days", "categories", "products", "orders_84d"):
        frame[name] = np.ceil(frame[name] * 2)
    frame.loc[rng.random(n) < 0.2, "days_between_orders"] = np.nan
    frame.insert(0, "customer_id", rng.permutation(n) + 1)
    frame["top_category"] = rng.choice(["MILK", "<b>WINE</b>"], n)
    return frame


@pytest.fixture(scope="module")
def features() -> pd.DataFrame:
    return make_features()


@pytest.fixture(scope="module")
def profiles(features: pd.DataFrame) -> pd.DataFrame:
    return build_profiles(features)


def test_components_are_mid_percentile_ranks(features, profiles):
    n = len(features)
    up = 100 * (rankdata(features["orders_84d"]) - 0.5) / n
    down = 100 * (rankdata(-features["recency_days"]) - 0.5) / n
    depth = 100 * (rankdata(features["products"] / features["categories"]) - 0.5) / n
    np.testing.assert_allclose(profiles["loyalty_frequency"], up)
    np.testing.assert_allclose(profiles["loyalty_recency"], down)
    np.testing.assert_allclose(profiles["interests_depth"], depth)
    known = features["days_between_orders"].dropna()
    rhythm = 100 * (rankdata(-known) - 0.5) / len(known)
    np.testing.assert_allclose(profiles.loc[known.index, "loyalty_rhythm"], rhythm)
    assert profiles["loyalty_rhythm"].isna().sum() == n - len(known)


@pytest.mark.parametrize("axis", AXES)
def test_axis_is_the_mean_of_the_components_there_are(axis: str, profiles: pd.DataFrame) -> None:
    columns = [f"{axis}_{c.name}" for c in AXES[axis].components]
    np.testing.assert_allclose(profiles[axis], np.nanmean(profiles[columns].to_numpy(), axis=1))
    assert profiles[axis].between(0, 100).all()
    assert profiles[columns].mean().sub(50).abs().max() < 1e-9


def test_ties_share_a_rank_and_missing_features_leave_what_there_is(features: pd.DataFrame) -> None:
    same = build_profiles(pd.DataFrame({"customer_id": [1, 2, 3], "recency_days": [4, 4, 9]}))
    assert same["loyalty"].tolist() == pytest.approx([200 / 3, 200 / 3, 100 / 6])
    one = build_profiles(make_features(200).head(1).assign(days_between_orders=3.0))
    assert one[list(AXES)].to_numpy().tolist() == [[50.0] * 4]
    bare = build_profiles(features[["customer_id", "recency_days"]].assign(price_level=None))
    assert bare["loyalty"].equals(bare["loyalty_recency"].rename("loyalty"))
    assert bare[["interests", "purchasing_power", "habits"]].isna().all(axis=None)
    assert len(build_profiles(features.head(0))) == 0


def test_scores_do_not_depend_on_row_order_or_the_kind_of_table(features, profiles):
    shuffled = features.sample(frac=1, random_state=0)
    again = build_profiles(shuffled)
    assert again["customer_id"].tolist() == shuffled["customer_id"].tolist()
    by_id = [frame.set_index("customer_id").sort_index() for frame in (again, profiles)]
    pd.testing.assert_frame_equal(*by_id)
    result = build_profiles(ibis.memtable(features))
    assert result["customer_id"].is_monotonic_increasing
    merged = result.merge(profiles, on="customer_id")
    np.testing.assert_allclose(merged["loyalty_x"], merged["loyalty_y"])


def test_favourites_and_demographics_are_attached(features: pd.DataFrame) -> None:
    columns = {"customer_id": [1, 1, 1, 1, 2], "amount": [5.0, 9.0, 5.0, 1.0, 2.0]}
    favourites = pd.DataFrame(columns | {"category": ["TEA", "MILK", "BEER", "EGGS", "TEA"]})
    demographics = pd.DataFrame({"customer_id": [2, 999], "age": ["25-34", "65+"]})
    result = build_profiles(features, demographics, favourites).set_index("customer_id")
    assert len(result) == len(features)
    assert result.loc[1, "favourite_categories"] == "MILK · BEER · TEA"
    assert result.loc[2, "age"] == "25-34"
    assert result["age"].notna().sum() == 1


def test_bad_features_are_refused(features: pd.DataFrame, profiles: pd.DataFrame) -> None:
    for change, message in [
        (lambda f: f.drop(columns="customer_id"), "no column 'customer_id'"),
        (lambda f: pd.concat([f, f.head(2)]), "repeats customers in 2 rows"),
        (lambda f: f.assign(price_level="dear"), r"features\.price_level is not numeric"),
        (lambda f: f.assign(customer_id=None), "customer_id is missing"),
        (lambda f: 3, "expected a DataFrame or Ibis table"),
    ]:
        refused(message, build_profiles, change(features))
    refused("one type of id", build_profiles, features, pd.DataFrame({"customer_id": ["1"]}))
    with pytest.raises(InputError, match=r"\['loyalty'\]"):
        build_profiles(features, pd.DataFrame({"customer_id": [1], "loyalty": ["gold"]}))
    refused("customer 12345 is not among the 200 customers", profile_card, profiles, 12345)


def test_card_shows_the_customer_and_escapes_everything(features: pd.DataFrame) -> None:
    people = features["customer_id"].head(50)
    demographics = pd.DataFrame({"customer_id": people, "note": "<script>alert(1)</script>"})
    features = features.assign(top_category="<i>TEA</i>", orders=3, recency_days=7)
    profiles = build_profiles(features, demographics)
    told = {"shown_as": "<u>A1</u>", "attributes": Attributes(("note",))}
    card = profile_card(profiles, people.iloc[0], features, **told)
    page = card._repr_html_()
    for tag in ("<script", "<i>", "<u>"):
        assert tag not in page
    assert "&lt;script&gt;" in page
    assert card.details["Orders"] == "3"
    assert card.details["Last order"] == "7 days ago"
    assert "&lt;u&gt;A1" in page
    assert "5" not in card.summary().split("stands")[0]


def test_card_agrees_with_the_profile(profiles: pd.DataFrame) -> None:
    card = profile_card(profiles, 17)
    row = profiles.set_index("customer_id").loc[17]
    assert card.scores == {axis: row[axis] for axis in AXES}
    best = max(AXES, key=lambda axis: row[axis])
    assert f"highest in {AXES[best].label.lower()} ({row[best]:.0f} of 100)" in card.summary()
    assert card.to_dict()["scores"]["loyalty"] == row["loyalty"]
    for axis in AXES:
        assert f"width:{row[axis]:.0f}%" in card._repr_html_()


def test_a_customer_of_whom_nothing_is_known() -> None:
    card = profile_card(build_profiles(pd.DataFrame({"customer_id": [1]})), 1)
    assert "nothing is known" in card.summary()
    assert "Customer 1" in card._repr_html_()


def test_two_cards_side_by_side_and_contrast_customers_are_the_ends_of_loyalty(profiles):
    pair = compare_cards(profiles, 3, 4)
    frame = pair.to_frame().set_index("axis")
    by_id = profiles.set_index("customer_id")
    expected = (by_id.loc[3, list(AXES)] - by_id.loc[4, list(AXES)]).astype(float)
    np.testing.assert_allclose(frame["difference"], expected)
    assert AXES[frame["difference"].abs().idxmax()].label.lower() in pair.summary()
    assert pair._repr_html_().count("promolab-card") == 2
    four = pd.DataFrame({"customer_id": [1, 2, 3, 4], "loyalty": [50.0, 90.0, 10.0, 90.0]})
    others = dict.fromkeys({*AXES} - {"loyalty"}, 1.0)
    assert contrast_customers(four.assign(**others)) == (4, 3)
