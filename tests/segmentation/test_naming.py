import numpy as np
import pandas as pd

from promolab.segmentation.groups import naming
from promolab.segmentation.groups.naming import name_segments, named_groups, untrue_names


def test_names_say_what_sets_a_segment_apart_the_largest_first_each_word_once() -> None:
    rng, code = np.random.default_rng(0), np.repeat([0, 1, 2], 50)
    frame = pd.DataFrame({"recency_days": np.where(code == 0, 150, 5) + rng.normal(0, 1, 150)})
    frame["discount_share"] = np.where(code == 0, 0.6, 0.2) + rng.normal(0, 0.1, 150)
    frame["average_order_amount"] = np.where(code == 1, 200, 20) + rng.normal(0, 1, 150)
    names = name_segments(frame, code)
    assert names[0] == "Lapsed bargain hunters"
    assert "ig-basket" in names[1] and "mall-basket" in names[2]
    frame = pd.DataFrame({"recency_days": [1.0, 9.0] * 6})
    names = name_segments(frame, np.repeat([0, 1, 2], 4))
    assert names == [naming.COMMON, f"{naming.COMMON} (2)", f"{naming.COMMON} (3)"]
    assert name_segments(frame[[]], np.zeros(12, dtype=int)) == [naming.COMMON]
    frame = pd.DataFrame({"days_between_orders": [2.0, 2.0, 60.0, 60.0]})
    assert name_segments(frame, np.array([0, 0, 1, 1])) == ["Regulars", "Occasional visitors"]
    frame = pd.DataFrame({"recency_days": [90.0, 95.0, 1.0, 2.0, 3.0, 40.0]})
    names, codes = named_groups(frame, np.array([4, 4, 7, 7, 7, -1]))
    assert names == ["Recent visitors", "Lapsed customers"]
    assert codes.tolist() == [1, 1, 0, 0, 0, -1]
    assert named_groups(frame, np.full(6, -1))[0] == []
    phrases = [p for theme in naming.THEMES for p in (theme.high, theme.low) if p is not None]
    for words in zip(*phrases, strict=True):  # adjectives, and nouns
        assert len(set(words)) == len(phrases)


def test_a_name_holds_for_the_figures_themselves_and_lapsed_by_the_own_rhythm() -> None:
    # Skewed sales: the middle segment is above the average logarithm and below the average sales.
    sales = np.r_[np.full(60, 1.0), np.full(30, 40.0), np.full(10, 2000.0)]
    codes = np.repeat([0, 1, 2], [60, 30, 10])
    frame = pd.DataFrame({"amount_84d": sales})
    assert sales[codes == 1].mean() < sales.mean()
    low, middle, high = name_segments(frame, codes)
    assert (low, high) == ("Light buyers", "Big spenders") and middle == naming.COMMON
    frame = pd.DataFrame({"amount_84d": [10.0, 12.0, 100.0, 90.0], "recency_days": [5.0] * 4})
    codes = np.array([0, 0, 1, 1])
    names = ["Recently seen big spenders", "Light buyers (2)"]
    said = untrue_names(frame, codes, names)
    assert len(said) == 2 and "below average in sales in the last 84 days" in said[0]
    assert untrue_names(frame, codes, name_segments(frame, codes)) == []
    # Away for 40 days: of those who come every other day, and of those who come every 60.
    days, times = [40.0, 40.0, 40.0, 40.0, 2.0, 2.0], [20.0, 21.0, 0.6, 0.7, 1.0, 1.1]
    codes = np.array([0, 0, 1, 1, 2, 2])
    by_days = name_segments(pd.DataFrame({"recency_days": days}), codes)
    frame = pd.DataFrame({"recency_days": days, "away_times": times})
    names = name_segments(frame, codes)
    assert by_days[1].startswith("Lapsed") and names[0] == "Lapsed customers"
    assert "apsed" not in names[1]
    told = untrue_names(frame, np.array([1, 1, 0, 0, 2, 2]), names)
    assert told and "days away, by the own rhythm" in told[0]
