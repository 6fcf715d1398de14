"""A shop of a hundred customers who buy their own products again, and those of their taste."""

import ibis
import numpy as np
import pandas as pd
import pytest

from promolab.contract import Shop

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


@pytest.fixture(scope="session")
def coupons(bought) -> dict[str, pd.DataFrame]:
    """Five promotions of twelve coupons, four of them over at `NOW`: own purchases are redeemed."""
    events, products = bought
    rng = np.random.default_rng(11)
    ids = products["product_id"].to_numpy()
    starts = NOW + pd.to_timedelta([-120, -90, -60, -30, 0], unit="D")
    tables: dict[str, list[pd.DataFrame]] = {"promotion_products": [], "exposures": []}
    redeemed = []
    for number, start in enumerate(starts):
        promotion = f"P{number}"
        mixed = rng.permutation(ids).reshape(12, 5)
        names = [f"k{number}-{i:02d}" for i in range(12)]
        tables["promotion_products"].append(
            pd.DataFrame({"promotion_id": promotion, "coupon_id": np.repeat(names, 5),
                          "product_id": mixed.ravel()})
        )  # fmt: skip
        contacted = pd.DataFrame({"promotion_id": promotion, "customer_id": np.arange(120)})
        tables["exposures"].append(contacted.assign(ts=start, channel="mail"))
        before = events[events["ts"] < start]
        counts = pd.crosstab(before["customer_id"], before["product_id"]).reindex(
            index=range(120), columns=ids, fill_value=0
        )
        own = np.stack([counts[list(group)].sum(axis=1) for group in mixed], axis=1)
        drawn = np.argsort(-(1.5 * np.log1p(own) + rng.gumbel(size=own.shape)), axis=1)[:, 0]
        takes = np.flatnonzero(rng.random(120) < 0.1 + 0.6 * (own.max(axis=1) > 6))
        for customer in takes:
            redeemed.append((promotion, customer, start + pd.Timedelta(days=3), "redeem",
                             names[drawn[customer]]))  # fmt: skip
    columns = ["promotion_id", "customer_id", "ts", "kind", "coupon_id"]
    promotions = pd.DataFrame({"promotion_id": [f"P{n}" for n in range(5)], "kind": "coupon"})
    promotions["starts_at"], promotions["ends_at"] = starts, starts + pd.Timedelta(days=21)
    return {
        "events": events,
        "products": products,
        "promotions": promotions.assign(type=["even", "even", "even", "chosen", "even"]),
        "responses": pd.DataFrame(redeemed, columns=columns),
        **{name: pd.concat(rows, ignore_index=True) for name, rows in tables.items()},
    }


@pytest.fixture(scope="session")
def shop(coupons):
    """The same as a shop in DuckDB."""
    return in_duckdb(coupons)


def in_duckdb(tables: dict[str, pd.DataFrame]) -> Shop:
    """Return tables as a shop."""
    con = ibis.duckdb.connect()
    return Shop({name: con.create_table(name, rows) for name, rows in tables.items()})
