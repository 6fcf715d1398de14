import re

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest, circmean

from promolab.profiles import build_profiles, profile_overview
from promolab.profiles.overview import ProfileOverview, median_interval
from tests.refused import refused


@pytest.fixture(scope="module")
def features() -> pd.DataFrame:
    rng, n = np.random.default_rng(5), 400
    frame = pd.DataFrame({"customer_id": rng.permutation(n), "categories": rng.poisson(30, n)})
    frame["average_order_amount"] = rng.lognormal(3, 0.5, n)
    frame["recency_days"], frame["amount"] = rng.exponential(25, n), rng.lognormal(6, 1, n)
    frame["hour_of_day"] = rng.normal(23.5, 2, n) % 24
    frame.loc[:9, ["recency_days", "average_order_amount", "hour_of_day"]] = np.nan
    frame.loc[:9, "amount"] = 0
    return frame


def overview_of(features: pd.DataFrame) -> ProfileOverview:
    return profile_overview(build_profiles(features), features, currency="EUR")


@pytest.fixture(scope="module")
def overview(features: pd.DataFrame) -> ProfileOverview:
    return overview_of(features)


@pytest.mark.parametrize("n", [6, 7, 40, 101, 1000])
def test_the_medians_interval_holds_what_a_sign_test_does_not_reject(n: int) -> None:
    values = np.random.default_rng(n).permutation(np.arange(1.0, n + 1))
    median, low, high = median_interval(np.append(values, np.nan))
    kept = [m for m in np.arange(n) + 0.5 if binomtest(int((values < m).sum()), n).pvalue > 0.05]
    # The sign test's interval is open between two values; its ends are those values.
    assert low == np.ceil(min(kept)) - 1
    assert high == np.floor(max(kept)) + 1
    assert median == np.median(values)


def test_too_few_values_have_no_interval_and_ends_are_in_the_lower_band() -> None:
    assert np.isnan(median_interval(np.arange(5.0))[1:]).all()
    assert np.isnan(median_interval(np.array([np.nan]))).all()
    ends = pd.DataFrame({"recency_days": [7, 7.01, 14, 84, 85, None], "amount": 5.0})
    cells = overview_of(ends.assign(customer_id=range(6))).cells
    assert cells["≤ 5.0"].tolist() == [1, 2, 0, 0, 1, 1, 1]


def test_the_table_agrees_with_pandas_and_the_map_counts_everybody_once(features, overview) -> None:
    frame, cells = overview.to_frame().set_index("feature"), overview.cells
    raw = frame.loc[["categories", "average_order_amount", "recency_days"]]
    np.testing.assert_allclose(raw["median"], features[list(raw.index)].median())
    assert raw["missing"].tolist() == [0, 10, 10]
    assert (frame["known"] + frame["missing"] == len(features)).all()
    ends = [-np.inf, 7, 14, 28, 56, 84, np.inf]
    by_band = pd.cut(features["recency_days"], ends).value_counts(sort=False)
    assert cells.sum(axis=1).tolist() == [*by_band, 10] and cells.loc["–", "≤ 0"] == 10
    fifths = cells.drop(columns="≤ 0").sum()
    assert len(fifths) == 5 and fifths.between(0.17 * 390, 0.23 * 390).all()
    last = float(str(fifths.index[-1]).removeprefix("> ").replace(",", ""))
    assert fifths.iloc[-1] == (features["amount"] > last).sum()


def test_hours_have_their_median_at_midnight_and_axes_all_their_customers(overview) -> None:
    row = overview.to_frame().set_index("feature").loc["hour_of_day"]
    around = circmean(overview.figures["hour_of_day"].dropna(), high=24)
    assert abs((row["median"] - around + 12) % 24 - 12) < 0.4
    grid = overview.plot_axes()
    drawn = [sum(bar.get_height() for bar in ax.patches) for ax in grid.flat]
    assert grid.shape == (2, 2) and drawn[3] == 390  # the others leave out what lies outside
    assert grid[1, 1].get_xlim() == (0, 24)


def test_the_summary_says_what_the_data_say(features, overview):
    text, late = overview.summary(), (features["recency_days"] > 28).sum()
    ends = binomtest(int(late), 390).proportion_ci(method="wilson")
    share = f"{late / 3.9:.0f} % [{100 * ends.low:.0f}, {100 * ends.high:.0f}]"
    assert f"{late} of 390 customers ({share}) have not ordered for more than 28 days" in text
    best = overview.cells.iloc[:6, -1]
    assert f"of those with the highest sales, {best.iloc[3:].sum()} of {best.sum()} (" in text


def test_little_is_known(features: pd.DataFrame) -> None:
    nothing = features.assign(recency_days=None, amount=None)
    few = [features.head(1), features.tail(1), features.head(0), features[["customer_id"]], nothing]
    for some in few:
        result = overview_of(some)
        assert "nan" not in result.summary() and result.cells.to_numpy().sum() == len(some)
        result.plot()
        result.plot_axes()


def test_customers_without_features_are_refused_and_the_rest_may_be_left_out(features, overview):
    profiles = build_profiles(features)
    refused("lack 100 of the 400 customers", profile_overview, profiles, features.head(300))
    some = profile_overview(profiles.head(50), features.sample(frac=1, random_state=1))
    pd.testing.assert_frame_equal(some.figures, overview.figures.head(50))


def test_without_hours_habits_are_told_by_weekends(features: pd.DataFrame) -> None:
    weekend = np.random.default_rng(1).integers(0, 5, len(features)) / 4
    bare = features.assign(hour_of_day=np.nan, evening_share=np.nan, weekend_share=weekend)
    profiles = build_profiles(bare)
    # The axis is the mean of what there is.
    assert profiles["habits_evenings"].isna().all()
    assert (profiles["habits"] == profiles["habits_weekends"]).all()
    overview = profile_overview(profiles, bare, currency="EUR")
    assert np.median(weekend) == 0.5
    assert re.search(r"places 50 %( \[\d+, \d+\])? of orders on weekends", overview.summary())
    assert overview.plot_axes().flat[3].get_title(loc="left")
