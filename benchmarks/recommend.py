"""Which products for whom: ways to recommend, on real households out of time, and at size."""

from __future__ import annotations

import resource
import time
from collections.abc import Iterator

import numpy as np
import pandas as pd

from benchmarks.table import Row
from promolab.recommend import Recommender, compare_recommenders
from promolab.recommend.comparing import RecommenderBoard

AS_OF = "2017-10-30"
KINDS = ("popularity", "frequency", "tifu", "ease", "als", "hybrid")
LEAST = {"frequency": 0.315, "tifu": 0.32, "hybrid": 0.33}
CUSTOMERS, PRODUCTS, LINES = 200_000, 20_000, 10_000_000
FIT_SECONDS, LIST_SECONDS, ALS_SECONDS, GIGABYTES = 90.0, 90.0, 240.0, 4.0


def households() -> Iterator[Row]:
    """Yield NDCG of 20 places on what Complete Journey's households bought in four weeks."""
    import promolab

    shop, _ = promolab.clean(promolab.load_shop("complete_journey"))
    events, products = shop.events, shop.products
    board = compare_recommenders(events, products, as_of=AS_OF, kinds=KINDS)
    for kind, least in LEAST.items():
        value, low, high, many = _figures(board, "all", kind, "ndcg")
        yield Row(
            f"Complete Journey, NDCG of 20 places, everything bought: {kind}",
            f"≥ {least}",
            f"{value:.3f} [{low:.3f}, {high:.3f}], {many:.0f} households",
            value >= least,
        )
    for first, second in (("hybrid", "tifu"), ("ease", "popularity")):
        pair = compare_recommenders(events, products, as_of=AS_OF, kinds=(second, first))
        for among in ("all", "new") if first == "hybrid" else ("new",):
            value, low, high, _ = _figures(pair, among, first, "difference")
            yield Row(
                f"the same, {among} products: {first} less {second}, paired",
                "interval above 0",
                f"{value:+.4f} [{low:+.4f}, {high:+.4f}]",
                low > 0,
            )


def _figures(board: RecommenderBoard, among: str, kind: str, name: str) -> tuple[float, ...]:
    frame = board.frame
    row = frame[(frame["among"] == among) & (frame["kind"] == kind)]
    columns = [name, f"{name}_low", f"{name}_high", "customers"]
    return tuple(row[columns].to_numpy(float)[0])


def at_size() -> Iterator[Row]:
    """Yield what 200,000 customers and 10,000,000 purchases take."""
    rng = np.random.default_rng(0)
    taste = rng.integers(0, 40, CUSTOMERS)
    customer = rng.integers(0, CUSTOMERS, LINES)
    popular = (PRODUCTS * rng.random(LINES) ** 3).astype(int)
    product = np.where(rng.random(LINES) < 0.5, popular, (500 * taste[customer] + popular // 40))
    events = pd.DataFrame({"customer_id": customer, "product_id": product % PRODUCTS})
    events["ts"] = pd.Timestamp("2024-01-01") + pd.to_timedelta(
        rng.integers(0, 180 * 86_400, LINES), unit="s"
    )
    for kind, bar in (("tifu", FIT_SECONDS), ("als", ALS_SECONDS)):
        begin = time.perf_counter()
        model = Recommender(kind).fit(events, None, as_of="2024-07-01")
        fitted = time.perf_counter() - begin
        yield Row(
            f"{kind}, {CUSTOMERS:,} customers × {PRODUCTS:,} products, {LINES:,} purchases: fit",
            f"≤ {bar:.0f} s",
            f"{fitted:.0f} s",
            fitted <= bar,
        )
        begin = time.perf_counter()
        model.recommend(range(CUSTOMERS), 20, reasons=False)
        listed = time.perf_counter() - begin
        if kind == "tifu":
            yield Row(
                "the same: top 20 for everybody",
                f"≤ {LIST_SECONDS:.0f} s",
                f"{listed:.0f} s",
                listed <= LIST_SECONDS,
            )
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    yield Row("the same: memory", f"≤ {GIGABYTES:.0f} GB", f"{peak:.1f} GB", peak <= GIGABYTES)
