"""What comes off orders, of one promotion and of several at once: by hand."""

from datetime import datetime, timedelta

import numpy as np
import pytest

from promolab.promotions import Coupon, FullReduction, LimitedTimeDiscount, Recommendation
from promolab.promotions.stacking import _combined

START = datetime(2024, 1, 1)
WEEK = {"starts_at": START, "ends_at": START + timedelta(days=7)}
FULL = {"promotion_id": "F", "threshold": 100, "reduction": 10, **WEEK}


@pytest.mark.parametrize(
    ("offer", "orders", "expected"),
    [
        (LimitedTimeDiscount(promotion_id="L", rate=0.15, **WEEK), [10.0, 3.0], [1.5, 0.45]),
        (FullReduction(**FULL), [99.0, 100.0, 250.0], [0.0, 10.0, 10.0]),
        (FullReduction(**FULL, steps=0), [350.0], [30.0]),
        (FullReduction(**FULL, steps=2), [350.0], [20.0]),
        (Coupon(promotion_id="C", value=5, minimum=20, **WEEK), [19.9, 20.0], [0.0, 5.0]),
        (Coupon(promotion_id="C", value=5, **WEEK), [3.0], [3.0]),  # no more than there is
        (Coupon(promotion_id="C", **WEEK), [50.0], [0.0]),  # its face value is not stated
        (Recommendation(promotion_id="R", **WEEK), [50.0], [0.0]),
    ],
)
def test_each_kind_by_hand(offer, orders, expected):
    assert offer.off(np.array(orders)).tolist() == pytest.approx(expected)


def together(offers, order, used=1.0):
    rows = [(p, np.array([True]), np.ones((1, 1))) for p in offers]
    return float(_combined(rows, np.array([[order]]), np.array([used]))[0, 0])


def test_those_that_do_not_stack_compete_and_the_others_come_after_each_on_what_is_left():
    rate = LimitedTimeDiscount(promotion_id="L", rate=0.1, **WEEK)
    step = FullReduction(promotion_id="F", threshold=100, reduction=8, **WEEK)
    share = Coupon(promotion_id="C", rate=0.5, **WEEK)
    assert together([rate, step, share], 200.0) == 20 + 90
    assert together([rate, step, share], 200.0, used=0.5) == 20 + 45
    assert together([step, rate], 70.0) == 7.0
    # All stack: discount, then reduction, then coupon.
    stacked = [
        Coupon(promotion_id="A", rate=0.1, **WEEK),
        FullReduction(promotion_id="B", threshold=80, reduction=10, stacking=True, **WEEK),
        LimitedTimeDiscount(promotion_id="C", rate=0.2, stacking=True, **WEEK),
    ]
    assert together(stacked, 100.0) == 20 + 10 + 7
    assert together(stacked, 99.0) == pytest.approx(19.8 + 7.92)  # 79.20 is left: below 80
