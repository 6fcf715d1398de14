"""A seeded frame of customer features: skewed, with nulls, with groups that differ."""

import numpy as np
import pandas as pd
import pytest

from promolab.segmentation.response_rates import SegmentResponse, segment_response


def answered(frame: pd.DataFrame, segment: np.ndarray) -> SegmentResponse:
    """Return the response of segments of counts by customer."""
    contacts = frame["contacts"].to_numpy()
    row = np.repeat(np.arange(len(frame)), contacts)
    turn = np.arange(len(row)) - np.repeat(np.cumsum(contacts) - contacts, contacts)
    pairs = pd.DataFrame({"customer_id": frame["customer_id"].to_numpy()[row]})
    pairs["promotion_id"] = turn
    pairs["redeemed"] = turn < frame["responses"].to_numpy()[row]
    return segment_response(pairs, np.asarray(segment, dtype=object)[row])


@pytest.fixture(scope="session")
def features() -> pd.DataFrame:
    """Features of 600 customers; one in ten has ordered only once."""
    rng, n = np.random.default_rng(0), 600
    orders = np.where(rng.random(n) < 0.1, 1, 1 + rng.poisson(rng.lognormal(2, 1, n)))
    basket = rng.lognormal(3, 0.6, n)
    contacts = rng.poisson(2, n)
    coupon_orders = rng.binomial(orders, 0.1)
    frame = pd.DataFrame(
        {
            "customer_id": rng.permutation(np.arange(1000, 1000 + n)),
            "as_of": pd.Timestamp("2017-10-30"),
            "recency_days": np.ceil(rng.lognormal(2, 1.2, n)),
            "orders": orders,
            "amount": orders * basket,
            "average_order_amount": basket,
            "orders_84d": rng.binomial(orders, 0.4),
            "days_between_orders": np.where(orders > 1, 300 / orders, np.nan),
            "tenure_days": rng.integers(1, 300, n),
            "categories": 1 + rng.poisson(np.sqrt(orders) * 4),
            "category_entropy": rng.gamma(5, 0.5, n),
            "discount_share": rng.beta(2, 6, n),
            "private_label_share": rng.beta(3, 5, n),
            "price_level": rng.beta(5, 5, n),
            "weekend_share": rng.beta(2, 4, n),
            "evening_share": rng.beta(2, 4, n),
            "coupon_orders": coupon_orders,
            "coupon_order_share": coupon_orders / orders,
            "contacts": contacts,
            "responses": rng.binomial(contacts, 0.2),
            "top_category": rng.choice(["BREAD", "MILK", "WINE"], n),
        }
    )
    frame["amount_84d"] = frame["orders_84d"] * basket
    frame["products"] = frame["categories"] * 2
    frame["response_rate"] = (frame["responses"] + 0.2) / (frame["contacts"] + 1)
    frame.loc[rng.random(n) < 0.05, ["price_level", "discount_share"]] = np.nan
    return frame


@pytest.fixture(scope="session")
def planted() -> tuple[pd.DataFrame, np.ndarray]:
    """Features of three groups far apart, and the group of each row."""
    rng, n = np.random.default_rng(1), 150
    group = np.repeat([0, 1, 2], n)
    centre = np.array([[120, 1, 0.60, 15], [5, 30, 0.10, 20], [8, 12, 0.15, 150]])[group]
    noise = np.exp(rng.normal(0, 0.15, centre.shape))
    names = ["recency_days", "orders_84d", "discount_share", "average_order_amount"]
    frame = pd.DataFrame(centre * noise, columns=names)
    frame.insert(0, "customer_id", rng.permutation([f"c{i:04d}" for i in range(3 * n)]))
    frame["orders"] = np.ceil(frame["orders_84d"])
    frame["amount"] = frame["orders"] * frame["average_order_amount"]
    return frame, group
