"""One dirty shop for two engines, and what is asked of both: DuckDB's answer counts."""

import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

import ibis
import numpy as np
import pandas as pd

import promolab
from promolab.contract import Shop
from promolab.engines import keep
from tests.features.conftest import as_shop, small_frames

NOW = datetime(2022, 1, 1)
MOMENT = datetime(2021, 7, 1, 3)
_NOT_A_NUMBER = -9876.5
"""Stands for NaN, which a frame cannot hand to an engine: it would be null."""


def _soiled(frames: dict[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """Add what engines are known to take differently from DuckDB, and rows that break rules."""
    events, products = frames["events"].drop(columns="flags"), frames["products"]
    # Sorted as English, "bread" stands before "COFFEE" and "Äpfel" before both.
    names = {"COFFEE": "Coffee", "BREAD": "bread", "MILK": "Äpfel"}
    products["category"] = products["category"].map(names)
    letter = np.where(events.customer_id < "C10", "c", "C")
    events["customer_id"] = letter + events.customer_id.str[1:]
    # Amounts that lie on the edge of a rounding, and parts of a second.
    edges = [0.00015, 1.00005, 2.67505, 1e-7, 123456.78905]
    events.loc[events.index[::7], "amount"] = np.resize(edges, len(events.index[::7]))
    events.loc[events.index[::5], "ts"] += pd.Timedelta(milliseconds=250)
    bad = events.iloc[:12].copy()
    bad["kind"] = ["purchase", "bought", None, *["purchase"] * 9]
    bad.iloc[3:5, bad.columns.get_loc("amount")] = [np.inf, -3.0]
    bad.iloc[5, bad.columns.get_loc("quantity")] = -1.0
    bad.iloc[6, bad.columns.get_loc("ts")] = pd.NaT
    bad.iloc[7, bad.columns.get_loc("ts")] = pd.Timestamp("2031-01-01")
    bad.iloc[8:10, bad.columns.get_loc("customer_id")] = ["  ", None]
    bad.iloc[10, bad.columns.get_loc("order_id")] = 'tab\t, "quotes"\nand\\lines é 你'
    bad.iloc[10, bad.columns.get_loc("amount")] = -1.5
    bad.iloc[[9, 11], bad.columns.get_loc("amount")] = _NOT_A_NUMBER
    again = events.iloc[20:25]
    robot = events.iloc[[0] * 60].assign(kind="purchase", customer_id="robot", amount=1.0)
    robot["order_id"] = [f"R{i}" for i in range(60)]
    twice = products.iloc[[0, 1, 1]].assign(category=["tea", "a", "B"])
    backwards = frames["promotions"].iloc[[7]].assign(promotion_id="P9", ends_at="2021-01-01")
    backwards["ends_at"] = pd.to_datetime(backwards["ends_at"])
    nowhere = frames["exposures"].iloc[:3].assign(promotion_id="P99")
    return frames | {
        "events": pd.concat([events, bad, again, robot], ignore_index=True),
        "products": pd.concat([products, twice], ignore_index=True),
        "promotions": pd.concat([frames["promotions"], backwards], ignore_index=True),
        "exposures": pd.concat([frames["exposures"], nowhere], ignore_index=True),
        "customers": pd.DataFrame({"customer_id": events.customer_id.unique()[:20]}),
    }


def dirty_shop() -> Shop:
    """Return the tests' shop for features, soiled, in DuckDB."""
    shop = as_shop(_soiled(small_frames()))
    amount, nan = shop.events.amount, ibis.literal("nan").cast("float64")
    events = shop.events.mutate(amount=ibis.ifelse(amount == _NOT_A_NUMBER, nan, amount))
    return shop.with_tables({**shop.tables, "events": keep(shop.backend, events)})


def same(one: pd.DataFrame, other: pd.DataFrame) -> None:
    assert len(one)
    pd.testing.assert_frame_equal(one, other, check_dtype=False, rtol=1e-9, atol=1e-9)


def same_cleaning(cleaned: list[tuple[Shop, Any]]) -> None:
    """Check that both engines keep and quarantine the same rows, for the same reasons."""
    (here, one), (there, other) = cleaned
    same(one.rows, other.rows)
    same(one.rules, other.rules)
    same(one.left_out(here).to_frame(), other.left_out(there).to_frame())
    for name in here.tables:
        columns = list(here[name].columns)
        tables = [shop[name].execute() for shop in (here, there)]
        same(*(rows.sort_values(columns, ignore_index=True) for rows in tables))
    rows = [
        [(r.table, r.rule, json.loads(r.row)) for r in found.itertuples()]
        for found in (one.quarantine.execute(), other.quarantine.execute())
    ]
    assert rows[0] == rows[1]


def _moments(shop: Shop) -> pd.DataFrame:
    customers = sorted(set(shop.events.customer_id.execute().dropna()))
    days = [pd.Timestamp(d) for d in ("2021-03-01", "2021-06-15 12:00:00.5", "2021-10-01")]
    return pd.DataFrame([(c, d) for c in customers for d in days], columns=["customer_id", "as_of"])


RESULTS: dict[str, Callable[[Shop], pd.DataFrame]] = {
    "features": lambda s: promolab.build_features(s, MOMENT).execute(),
    "features at several moments": lambda s: promolab.build_features(s, _moments(s)).execute(),
    "pairs": lambda s: promolab.build_pairs(s, MOMENT).execute(),
    "candidates": lambda s: promolab.features.build_candidates(s, MOMENT, ["P5", "P6"]).execute(),
    "favourites": lambda s: promolab.features.favourite_categories(s, MOMENT).execute(),
}
