"""A simulated shop's rows, soiled on purpose, and the list of what was done to which."""

from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from promolab.simulated.world import BEGIN


def always(value: Any, old: Any) -> Any:
    return pa.array([value] * len(old), old.type)


def below(old: Any) -> Any:
    return pc.negate(pc.max_element_wise(pc.abs(old), 1.0))


def later(days: int, old: Any) -> Any:
    return pc.add(old, timedelta(days=days))


NOTHING, NAN, ZERO = (
    partial(always, value) for value in (None, float("nan"), datetime(1970, 1, 1))
)
EARLY, LATE, X99 = partial(later, -3650), partial(later, 3650), partial(always, "X99")
STAINS = (
    # What is wrong, table, column, rule or flag that finds it, what stands there, of which kind;
    # without a column the row is written once more.
    ("twice", "events", "", "duplicate", None, "view"),  # equal lines of an order are pieces
    ("no customer", "events", "customer_id", "missing_key", NOTHING, ""),
    ("no time", "events", "ts", "missing_key", NOTHING, ""),
    ("unknown kind", "events", "kind", "unknown_kind", partial(always, "wishlist"), ""),
    ("too early", "events", "ts", "outside_life", EARLY, ""),
    ("too late", "events", "ts", "outside_life", LATE, ""),
    ("time 0", "events", "ts", "outside_life", ZERO, ""),
    ("amount below 0", "events", "amount", "negative_amount", below, "purchase"),
    ("units below 0", "events", "quantity", "negative_quantity", below, "purchase"),
    ("discount below 0", "events", "discount", "negative_discount", below, "purchase"),
    ("amount NaN", "events", "amount", "not_finite", NAN, "purchase"),
    ("absurd units", "events", "quantity", "odd_unit", partial(always, 99_999.0), "purchase"),
    ("no units", "events", "quantity", "zero_quantity", partial(always, 0.0), "purchase"),
    ("unknown product", "events", "product_id", "unknown_product", partial(always, 9_999_999), ""),
    ("no product", "events", "product_id", "", NOTHING, "purchase"),
    ("no order", "events", "order_id", "", NOTHING, "purchase"),
    ("twice", "exposures", "", "duplicate", None, ""),
    ("unknown promotion", "exposures", "promotion_id", "unknown_promotion", X99, ""),
    ("too late", "exposures", "ts", "outside_life", LATE, ""),
    ("twice", "responses", "", "duplicate", None, ""),
    ("unknown promotion", "responses", "promotion_id", "unknown_promotion", X99, ""),
    ("unknown kind", "responses", "kind", "unknown_kind", partial(always, "bounced"), ""),
    ("no customer", "responses", "customer_id", "missing_key", NOTHING, ""),
    ("too early", "responses", "ts", "outside_life", EARLY, ""),
    ("twice", "customers", "", "duplicate", None, ""),
    ("no customer", "customers", "customer_id", "missing_key", NOTHING, ""),
    ("future", "customers", "since", "", partial(always, BEGIN + timedelta(9_999)), ""),
    ("twice", "reviews", "", "duplicate", None, ""),
    ("rating 0", "reviews", "rating", "", partial(always, 0), ""),
)


def soil(folder: Path, share: float) -> pd.DataFrame:
    """Soil a share of a written shop's rows, as many in each way; decisions stay clean.

    Returns table, row (from 0 in its one file), what and rule of each.
    """
    rng, done = np.random.default_rng(8), []
    for name in ("events", "exposures", "responses", "customers", "reviews"):
        path = folder / name / "part-00000.parquet"
        table, stains = pq.read_table(path), [s for s in STAINS if s[1] == name]
        each, free = round(share * table.num_rows / len(stains)), rng.permutation(table.num_rows)
        kinds = np.asarray(table["kind"]) if "kind" in table.column_names else None
        copies: Any = []
        for what, _, column, rule, values, kind in sorted(stains, key=lambda s: not s[5]):
            rows = np.sort(free[kinds[free] == kind if kind else slice(None)][:each])
            free = free[~np.isin(free, rows)]
            if values is None:
                copies, at = rows, table.num_rows + np.arange(len(rows))
            else:
                old, at = table[column].combine_chunks(), rows
                mask = np.isin(np.arange(len(table)), rows)
                new = pc.replace_with_mask(old, mask, values(old.take(rows)).cast(old.type))
                table = table.set_column(table.column_names.index(column), column, new)
            done += [(name, int(row), what, rule) for row in at]
        pq.write_table(pa.concat_tables([table, table.take(copies)]), path)
    return pd.DataFrame(done, columns=["table", "row", "what", "rule"])
