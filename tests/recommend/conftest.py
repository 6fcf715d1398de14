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
    when = NOW + pd.to_timedelta(rng.uniform(-182, 28, orders), unit="D")
    table = pd.DataFrame({"product_id": [f"p{i:02d}" for i in range(products)]})
    table["category"] = [f"category {i // 10}" for i in range(products)]
    table["brand"] = [f"brand {i % 7}" for i in range(products)]
    events = pd.DataFrame({"customer_id": customer, "ts": when.astype("datetime64[us]")})
    bought = table["product_id"].to_numpy()[product]
    return events.assign(kind="purchase", product_id=bought, order_id=range(orders)), table


@pytest.fixture(scope="session")
def known(bought) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The events before `NOW`, and the products."""
    events, products = bought
    return events[events["ts"] < NOW], products


@pytest.fixture(scope="session")
def coupons(bought) -> dict[str, pd.DataFrame]:
    """Five promotions of twelve coupons, four of them over at `NOW`: own purchases are redeemed."""
    events, products = bought
    rng, ids = np.random.default_rng(11), products["product_id"].to_numpy()
    promotions = pd.DataFrame({"promotion_id": [f"P{n}" for n in range(5)], "kind": "coupon"})
    promotions["starts_at"] = NOW + pd.to_timedelta([-120, -90, -60, -30, 0], unit="D")
    promotions["ends_at"] = promotions["starts_at"] + pd.Timedelta(days=21)
    promotions["type"] = ["even", "even", "even", "chosen", "even"]
    held, redeemed = [], []
    for number, start in enumerate(promotions["starts_at"]):
        mixed, of = rng.permutation(ids).reshape(12, 5), {"promotion_id": f"P{number}"}
        names = np.array([f"k{number}-{i:02d}" for i in range(12)])
        told = {"coupon_id": np.repeat(names, 5), "product_id": mixed.ravel()}
        held.append(pd.DataFrame(told).assign(**of))
        before = events[events["ts"] < start]
        counts = pd.crosstab(before["customer_id"], before["product_id"]).reindex(
            index=range(120), columns=ids, fill_value=0
        )
        own = np.stack([counts[list(group)].sum(axis=1) for group in mixed], axis=1)
        drawn = (1.5 * np.log1p(own) + rng.gumbel(size=own.shape)).argmax(axis=1)
        takes = np.flatnonzero(rng.random(120) < 0.1 + 0.6 * (own.max(axis=1) > 6))
        took = pd.DataFrame({"customer_id": takes, "coupon_id": names[drawn[takes]]})
        redeemed.append(took.assign(ts=start + pd.Timedelta(days=3), kind="redeem", **of))
    sent = promotions[["promotion_id", "starts_at"]].rename(columns={"starts_at": "ts"})
    everybody = pd.DataFrame({"customer_id": range(120), "channel": "mail"})
    return {
        "events": events,
        "products": products,
        "promotions": promotions,
        "promotion_products": pd.concat(held, ignore_index=True),
        "exposures": sent.merge(everybody, how="cross"),
        "responses": pd.concat(redeemed, ignore_index=True),
    }


@pytest.fixture(scope="session")
def shop(coupons):
    """The same as a shop in DuckDB."""
    return in_duckdb(coupons)


def in_duckdb(tables: dict[str, pd.DataFrame]) -> Shop:
    """Return tables as a shop."""
    con = ibis.duckdb.connect()
    return Shop({name: con.create_table(name, rows) for name, rows in tables.items()})
