"""A made-up promotion with all that its design is explored by."""

from typing import Any

import numpy as np

from promolab.promotions import LimitedTimeDiscount, Promotion
from tests.promotions.test_design import Measured
from tests.promotions.test_values import WINDOW, orders_of


def designed(n: int = 300, promotion: Promotion | None = None, **more: Any) -> dict[str, Any]:
    """Return arguments of `promotion_design` for n customers, by default of a discount of 10 %."""
    draw = np.random.default_rng(0)
    offer = promotion or LimitedTimeDiscount(promotion_id="L", rate=0.1, contact_cost=0.5, **WINDOW)
    given = {"orders_a_day": draw.gamma(1.0, 0.1, n), "log_mean": draw.normal(4.5, 0.5, n)}
    return {
        "promotion": offer,
        "orders": orders_of([offer], n=n, **given, log_sd=0.5),
        "effect": draw.normal(2.0, 1.0, n),
        "effect_se": np.full(n, 0.5),
        "dose": Measured((0.05, 0.1, 0.2), (0.7, 1.0, 1.2), 0.1),
        "mean_se": 0.1,
    } | more
