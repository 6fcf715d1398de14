"""Which coupons for whom, and how the cold are served: Complete Journey, out of time."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.table import Row
from promolab.contract import read_operations
from promolab.recommend import past_new_products, past_offers, product_graph
from promolab.wording import number

NEW_SINCE, END = "2017-10-30 04:00:00", "2018-01-01 05:00:00"
NDCG, AREA = 0.65, 0.74


def offers_out_of_time() -> Iterator[Row]:
    """Yield how offers were ranked, and customers for new products."""
    import promolab

    shop, _ = promolab.clean(promolab.load_shop("complete_journey"))
    graph = product_graph(shop, END)
    chosen = read_operations(shop.settings).offers.chosen_types
    # Which coupon somebody takes is known before a campaign is over; how many take one is not.
    found = past_offers(product_graph(shop, "2018-03-02"), chosen)
    value, more = found.mean("ndcg"), found.mean("ndcg", "own")
    yield Row(
        "coupons of past campaigns of types B and C, NDCG of 10 places, households that redeemed",
        f"≥ {NDCG}",
        f"{number(*value.ends, decimals=3)}, {value.n} lists",
        value.value >= NDCG,
    )
    yield Row(
        "the same, less own purchases alone, paired by household",
        "interval above 0",
        number(*more.ends, decimals=3),
        more.ci_low > 0,
    )
    new = past_new_products(graph, days=63)
    area, gap = new.mean(), new.mean("same_type")
    yield Row(
        f"products new after {NEW_SINCE[:10]}, households ranked: AUC",
        f"≥ {AREA}",
        f"{number(*area.ends, decimals=3)}, {area.n} products",
        area.value >= AREA,
    )
    yield Row(
        "the same, less orders of the same type alone, paired by product",
        "interval above 0",
        number(*gap.ends, decimals=3),
        gap.ci_low > 0,
    )
