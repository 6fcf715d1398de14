"""Kinds of promotion of which no answer is ever recorded, though others of the shop's are."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from promolab.contract.tables import BOUGHT_FROM
from promolab.wording import count

if TYPE_CHECKING:
    from promolab.contract.shop import Shop

ANSWERS_EXPECTED = 10
"""Answers that would have come, were the kind answered as others are: none is no chance."""


def unanswered_kinds(shop: Shop, now: datetime) -> list[tuple[int, str]]:
    """Return the contacts for each such kind, and a sentence.

    An answer is a redemption; of what takes nothing off, a purchase.

    Parameters
    ----------
    shop : Shop
        With promotions, exposures and responses in the contract's types.
    now : datetime
        Promotions that were over by then count.
    """
    import ibis

    past = shop.promotions.ends_at <= ibis.literal(now).cast("timestamp")
    over = shop.promotions.filter(past).select("promotion_id", what="kind")
    keys = ["promotion_id", "customer_id"]
    made = shop.exposures.select(*keys).distinct().join(over, "promotion_id")
    answers = shop.responses.select(*keys, counted="kind").distinct()
    bought = made.what.isin(list(BOUGHT_FROM))
    made = made.mutate(counted=ibis.ifelse(bought, "purchase", "redeem"))
    made = made.left_join(answers.mutate(answered=1), [*keys, "counted"])
    rows = made.group_by("what").aggregate(
        contacts=made.count(), promotions=made.promotion_id.nunique(), came=made.answered.sum()
    )
    found = sorted(rows.to_pyarrow().to_pylist(), key=lambda row: row["what"])
    if shop.lacks("past spend on a promotion's products") is None:
        # Then the products that were bought tell.
        found = [row for row in found if row["what"] not in BOUGHT_FROM]
    answered = [row for row in found if row["came"]]
    contacts = sum(row["contacts"] for row in answered)
    rate = sum(row["came"] for row in answered) / contacts if contacts else 0.0
    return [
        (row["contacts"], _said(row["what"], row["promotions"], row["contacts"]))
        for row in found
        if not row["came"] and row["contacts"] * rate >= ANSWERS_EXPECTED
    ]


def _said(kind: str, promotions: int, contacts: int) -> str:
    answer = "purchase" if kind in BOUGHT_FROM else "redemption"
    return (
        f"responses hold no {answer} for a {kind.replace('_', ' ')}, though {count(promotions)} of "
        f"them had {count(contacts)} contacts and other kinds are answered: is it recorded who "
        "takes it? Without, nothing is learned of it, and no number of answers is forecast"
    )
