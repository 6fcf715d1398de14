import numpy as np
import pandas as pd

from promolab.segmentation import THEMES
from promolab.segmentation.naming import COMMON, name_segments, named_groups


def test_names_say_what_sets_a_segment_apart() -> None:
    rng = np.random.default_rng(0)
    code = np.repeat([0, 1, 2], 50)
    frame = pd.DataFrame(
        {
            "recency_days": np.where(code == 0, 150, 5) + rng.normal(0, 1, 150),
            "discount_share": np.where(code == 0, 0.6, 0.2) + rng.normal(0, 0.1, 150),
            "average_order_amount": np.where(code == 1, 200, 20) + rng.normal(0, 1, 150),
        }
    )
    names = name_segments(frame, code)
    assert names[0] == "Lapsed bargain hunters"
    assert "ig-basket" in names[1]
    assert "mall-basket" in names[2]


def test_names_are_distinct_even_for_equal_segments() -> None:
    frame = pd.DataFrame({"recency_days": [1.0, 9.0] * 6})
    names = name_segments(frame, np.repeat([0, 1, 2], 4))
    assert names == [COMMON, f"{COMMON} (2)", f"{COMMON} (3)"]
    none = name_segments(frame[[]], np.zeros(12, dtype=int))
    assert none == [COMMON]


def test_a_turned_round_feature_is_read_the_other_way() -> None:
    frame = pd.DataFrame({"days_between_orders": [2.0, 2.0, 60.0, 60.0]})
    assert name_segments(frame, np.array([0, 0, 1, 1])) == ["Regulars", "Occasional visitors"]


def test_groups_come_largest_first_and_noise_stays() -> None:
    frame = pd.DataFrame({"recency_days": [90.0, 95.0, 1.0, 2.0, 3.0, 40.0]})
    names, codes = named_groups(frame, np.array([4, 4, 7, 7, 7, -1]))
    assert names == ["Recent visitors", "Lapsed customers"]
    assert codes.tolist() == [1, 1, 0, 0, 0, -1]
    assert named_groups(frame, np.full(6, -1))[0] == []


def test_the_phrase_table_has_each_word_once() -> None:
    phrases = [p for theme in THEMES for p in (theme.high, theme.low) if p is not None]
    assert len({adjective for adjective, _ in phrases}) == len(phrases)
    assert len({noun for _, noun in phrases}) == len(phrases)
