"""Which products and offers for whom: ways to recommend, on real households, and at size."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.processes import fresh
from benchmarks.table import Row, above_zero, at_least, at_most, part
from promolab.contract import read_operations
from promolab.recommend import (
    Recommender,
    compare_recommenders,
    past_new_products,
    past_offers,
    product_graph,
)

AS_OF = "2017-10-30"
KINDS = ("popularity", "frequency", "tifu", "content", "als", "fm")
CUSTOMERS, PRODUCTS, LINES = 200_000, 20_000, 10_000_000


@part("recommend", "products for households")
def households() -> Iterator[Row]:
    """Yield NDCG of 20 places on what Complete Journey's households bought in four weeks."""
    import promolab
    from promolab.recommend.purchases import purchase_rows

    shop, _ = promolab.clean(promolab.load_shop("complete_journey"))
    events, products = purchase_rows(shop.events), shop.products.execute()
    board = compare_recommenders(events, products, as_of=AS_OF, kinds=KINDS).frame
    found: dict[Any, Any] = board.set_index(["among", "kind"]).to_dict("index")
    what = "Complete Journey, NDCG of 20 places, "
    for kind, least in (("frequency", 0.315), ("tifu", 0.32)):
        row = found["all", kind]
        told = f"[{row['ndcg_low']:.3f}, {row['ndcg_high']:.3f}]"
        yield at_least(f"{what}everything bought: {kind}", row["ndcg"], least, told=told)
    for kind, among in (("fm", "new"), ("fm", "all")):
        row = found[among, kind]
        ends = [row[f"difference{end}"] for end in ("", "_low", "_high")]
        yield above_zero(f"{what}{among} products: {kind} less popularity, paired", ends)


@part("recommend", "offers out of time")
def offers_out_of_time() -> Iterator[Row]:
    """Yield how coupons were ranked, and customers for new products: Complete Journey."""
    import promolab

    shop, _ = promolab.clean(promolab.load_shop("complete_journey"))
    chosen = read_operations(shop.settings).offers.chosen_types
    # Which coupon somebody takes is known before a campaign is over; how many take one is not.
    found = past_offers(product_graph(shop, "2018-03-02"), chosen)
    what = "coupons of past campaigns of types B and C, NDCG of 10 places, households that redeemed"
    value = found.mean("ndcg")
    yield at_least(what, value.value, 0.65, told=f"{value.n} lists")
    more = found.mean("ndcg", "own")
    yield above_zero("the same, less own purchases alone, paired by household", more.ends)
    new = past_new_products(product_graph(shop, "2018-01-01 05:00:00"), days=63)
    what, area = "products new after 2017-10-30, households ranked: AUC", new.mean()
    yield at_least(what, area.value, 0.74, told=f"{area.n} products")
    gap = new.mean("same_type")
    yield above_zero("the same, less orders of the same type alone, paired by product", gap.ends)


@part("recommend", "many events")
def at_size() -> Iterator[Row]:
    """Yield what 200,000 customers and 10,000,000 purchases take."""
    what = f"{CUSTOMERS:,} customers × {PRODUCTS:,} products, {LINES:,} purchases"
    tifu, als = (fresh("recommend:timed", kind) for kind in ("tifu", "als"))
    for name, bar, (seconds, busy) in (
        (f"tifu, {what}: fit", 90, tifu["fit"]),
        (f"tifu, {what}: top 20 for everybody", 90, tifu["list"]),
        (f"als, 64 factors, 15 iterations, {what}: fit", 70, als["fit"]),
    ):
        yield at_most(name, seconds, bar, "s", f"{busy:.0f} s of processor")
    for kind, found in (("tifu", tifu), ("als", als)):
        yield at_most(f"{kind}, {what}: memory", found["peak_mb"] / 1024, 4, "GB")


def many_events(customers: int = CUSTOMERS, lines: int = LINES) -> pd.DataFrame:
    """Return purchases: half of what all buy, half of one of forty tastes."""
    rng = np.random.default_rng(0)
    taste = rng.integers(0, 40, customers)
    customer = rng.integers(0, customers, lines)
    popular = (PRODUCTS * rng.random(lines) ** 3).astype(int)
    product = np.where(rng.random(lines) < 0.5, popular, 500 * taste[customer] + popular // 40)
    events = pd.DataFrame({"customer_id": customer, "product_id": product % PRODUCTS})
    seconds = rng.integers(0, 180 * 86_400, lines)
    events["ts"] = pd.Timestamp("2024-01-01") + pd.to_timedelta(seconds, unit="s")
    return events


def _timed(call: Callable[..., Any], *given: Any, **told: Any) -> tuple[Any, tuple[float, float]]:
    """Return what a call gives, the seconds it took and those of processor."""
    begin, busy = time.perf_counter(), time.process_time()
    found = call(*given, **told)
    return found, (time.perf_counter() - begin, time.process_time() - busy)


def timed(kind: str) -> dict[str, Any]:
    """Return what a fit takes, and a list for everybody."""
    events = many_events()
    options = {"factors": 64, "iterations": 15} if kind == "als" else {"sample": 20_000}
    model, fit = _timed(Recommender(kind, **options).fit, events, None, as_of="2024-07-01")
    del events
    if kind == "als":
        return {"fit": fit}
    _, listed = _timed(model.recommend, range(CUSTOMERS), 20, reasons=False)
    return {"fit": fit, "list": listed}
