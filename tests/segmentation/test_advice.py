"""The line of each segment: by the stated rules, and without a claim of effect."""

import numpy as np
import pandas as pd
import pytest

from promolab.language import speaking
from promolab.results import words_of
from promolab.segmentation import Segmenter, advice_words
from promolab.segmentation.advice import _FIGURE_OF, RULES, segment_advice
from tests.refused import refused
from tests.segmentation.conftest import answered


def shop(**of_b: float) -> tuple[pd.DataFrame, list[str]]:
    """Two segments alike but for what is given of the second one."""
    rng, n = np.random.default_rng(0), 300
    usual = {"recency_days": 10.0, "orders_84d": 10.0, "price_level": 0.5}
    usual |= {"coupon_order_share": 0.10, "answered": 0.2}
    parts = []
    for figures in (usual, usual | of_b):
        part = pd.DataFrame({c: v * rng.uniform(0.9, 1.1, n) for c, v in figures.items()})
        parts.append(part.assign(contacts=2, responses=rng.binomial(2, part.pop("answered"))))
    frame = pd.concat([*[parts[0]] * 3, parts[1]], ignore_index=True)
    frame.insert(0, "customer_id", range(len(frame)))
    return frame, ["a"] * 900 + ["b"] * 300


@pytest.mark.parametrize(
    ("figures", "line", "because"),
    [
        ({"recency_days": 90.0, "coupon_order_share": 0.4}, "winning them", "order 88 [87, 89]"),
        ({"recency_days": 90.0, "answered": 0.6}, "than others, though", "answer rate 5"),
        ({"recency_days": 90.0}, "Test a reminder", "], all customers 10"),
        ({"answered": 0.6, "coupon_order_share": 0.4}, "test a smaller coupon", "a coupon 40.1 %"),
        ({"answered": 0.6}, "Likelier to answer than others: test whether", "answer rate 5"),
        ({"orders_84d": 20.0, "coupon_order_share": 0.02}, "test news, not", "orders in the"),
        ({"orders_84d": 20.0, "price_level": 0.8}, "test asking nothing", "price level 0.80"),
        ({"orders_84d": 20.0, "coupon_order_share": 0.3}, "Test smaller coupons", "coupon 30"),
        ({"answered": 0.05}, "test writing less often", "answer rate"),
        ({"orders_84d": 3.0}, "Test an offer on what they already buy", "2.98 [2.96, 3.03]"),
        ({"recency_days": 20.0}, "Nothing sets them apart", ""),
        ({}, "Nothing sets them apart", ""),
    ],
)
def test_the_figures_decide(figures, line, because) -> None:
    frame, segment = shop(**figures)
    response = answered(frame, segment)
    row = segment_advice(frame, segment, response=response).frame.set_index("segment").loc["b"]
    assert line in row["so_do_this"] and because in row["because"]
    assert (row["because"] == "") == (because == "")


def test_every_rule_is_of_known_signs_the_last_one_fits_all_and_none_claims_an_effect() -> None:
    assert all(sign in _FIGURE_OF for rule in RULES for sign in rule) and RULES[-1] == ()
    # No rule stands behind one that always fits before it.
    for place, rule in enumerate(RULES):
        assert not any(set(earlier) <= set(rule) for earlier in RULES[:place])
    lines = words_of("promolab.segmentation.advice", "SegmentAdvice").words["word"]
    for rule in RULES:
        said = lines[", ".join(rule) or "average"]["en"]
        assert not any(word in said for word in ("will ", "brings", "increase", "pays"))
        # What a rule asks for is nothing that a plan may not do.
        assert not said.startswith(("Ask nothing", "Write less", "Contact"))
    with speaking("zh"):
        assert advice_words("Test a coupon from a minimum spend on.") == "测试满额可用的优惠券。"
        assert advice_words("Of another version.") == "Of another version."


def test_few_customers_get_no_line_of_their_own_and_a_segmenter_gives_its_advice(features) -> None:
    frame, _ = shop(recency_days=90.0)
    segment = ["a"] * 1170 + ["b"] * 29 + ["No purchases yet"]
    advice = segment_advice(frame, segment, absent={"No history": 7})
    lines = advice.frame.set_index("segment")["so_do_this"]
    assert lines["b"].startswith("Fewer than 30")
    assert lines["No history"].startswith("Nothing is known of them")
    assert "welcome offer" in lines["No purchases yet"]
    assert advice.frame.set_index("segment").loc["No history", "customers"] == 7
    fitted = Segmenter(k=3, bootstraps=0).fit(features, customers=range(990, 1600))
    advice = fitted.advice()
    assert advice.frame["segment"].tolist() == [*fitted.names_, "No history"]
    assert len(advice.frame) == 4 and "not from an experiment" in advice.summary()


def test_bare_features_give_no_sign_and_a_point_more_is_not_said_to_be_more() -> None:
    frame = pd.DataFrame({"customer_id": range(80), "recency_days": [2.0, 3.0] * 40})
    advice = segment_advice(frame, ["a", "b"] * 40)
    assert (advice.frame["signs"] == "").all() and "nan" not in advice.to_table().text
    unknown = segment_advice(frame[["customer_id"]], ["a", "b"] * 40)
    assert unknown.summary() == advice.summary()
    refused("one name per row", segment_advice, frame, ["a"])
    frame, segment = shop(orders_84d=20.0, coupon_order_share=0.125)
    row = segment_advice(frame, segment).frame.set_index("segment").loc["b"]
    assert row["coupon_order_share_low"] > 0.11  # beyond doubt above the others' 10 %, by a fifth
    assert "coupons" not in row["signs"] and "coupon" not in row["so_do_this"]
