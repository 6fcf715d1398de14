"""A shop of a hundred customers who buy their own products again, and those of their taste."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

NOW = pd.Timestamp("2024-06-03")


@pytest.fixture(scope="session")
def bought() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Events of half a year before `NOW` and of four weeks after it, and the products."""
    rng = np.random.default_rng(7)
    customers, products, orders = 120, 60, 4_000
    taste = rng.integers(0, 3, customers)
    customer = rng.integers(0, customers, orders)
    # Favourites are four products of the own taste's twenty; one in four is any of the taste.
    favourite = 20 * taste[customer] + (7 * customer + rng.integers(0, 4, orders)) % 20
    other = 20 * taste[customer] + rng.integers(0, 20, orders) // (1 + rng.integers(0, 3, orders))
    product = np.where(rng.random(orders) < 0.75, favourite, other)
    days = rng.uniform(-182, 28, orders)
    events = pd.DataFrame(
        {
            "customer_id": customer,
            "ts": (NOW + pd.to_timedelta(days, unit="D")).astype("datetime64[us]"),
            "kind": "purchase",
            "product_id": np.array([f"p{i:02d}" for i in range(products)])[product],
            "order_id": np.arange(orders),
        }
    )
    table = pd.DataFrame(
        {
            "product_id": [f"p{i:02d}" for i in range(products)],
            "category": [f"category {i // 10}" for i in range(products)],
            "brand": [f"brand {i % 7}" for i in range(products)],
        }
    )
    return events, table


@pytest.fixture(scope="session")
def known(bought) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The events before `NOW`, and the products."""
    events, products = bought
    return events[events["ts"] < NOW], products
