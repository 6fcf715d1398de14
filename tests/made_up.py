"""A small shop made of data frames."""

from collections.abc import Mapping
from typing import Any

import ibis
import pandas as pd

from promolab.contract import Settings, Shop


def shop_of(frames: Mapping[str, pd.DataFrame | ibis.Table], **settings: Any) -> Shop:
    """Return a shop with these tables, in a database of its own; in UTC unless its zone is said."""
    con = ibis.duckdb.connect(threads=1)
    tables = {name: con.create_table(name, frame) for name, frame in frames.items()}
    return Shop(tables, Settings(**{"zone": "UTC", **settings}))


def cut(shop: Shop, moment: Any) -> Shop:
    """Return the shop without any row of what happened at a moment or later."""
    tables = shop.tables.items()
    return shop.with_tables(
        {n: t.filter(t.ts < pd.Timestamp(moment)) if "ts" in t.columns else t for n, t in tables}
    )
