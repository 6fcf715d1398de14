"""Which promotion that is over may be compared: what the read-out says of it holds everywhere."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import promolab
from promolab.campaign.past.contacted import promotions_over
from promolab.campaign.readout import similar_customers
from promolab.campaign.readout.ended_promotions import read_out
from promolab.campaign.readout.similar_customers import comparable_promotion, promotion_difference
from promolab.contract import Shop
from promolab.effects.differences import ADJUSTED, not_identified
from promolab.results import Estimate


@pytest.fixture(scope="module")
def shop():
    made = promolab.load_shop("simulated", customers=900, weeks=12)
    undrawn = {k: v for k, v in made.tables.items() if not k.startswith("decision")}
    return made.with_tables(undrawn)


def test_the_difference_is_the_one_that_the_read_out_shows_and_none_without_amounts(shop):
    promotion = next(promotions_over(shop).itertuples())
    rows = read_out(shop, promotion.ends_at, weeks=1).promotions
    shown = next(row for row in rows if row.promotion_id == promotion.promotion_id)
    found = promotion_difference(shop, promotion)
    assert found == shown.difference
    assert found.identification in ("adjusted", "not identified") and found.why
    bare = shop.with_tables({**shop.tables, "events": shop.events.drop("amount")})
    found = promotion_difference(bare, next(promotions_over(shop).itertuples()))
    assert not found.identified and "no amounts" in found.why


def over(*sizes: int) -> pd.DataFrame:
    names = [f"P{place}" for place in range(len(sizes))]
    rows = {"promotion_id": names, "kind": "coupon", "contacted": sizes, "others": 1_000}
    return pd.DataFrame(rows)


def ruled(monkeypatch, *words: str) -> list[str]:
    """Let the rule say these words, promotion by promotion; empty is identified."""
    asked: list[str] = []

    def rule(shop, row):
        asked.append(row.promotion_id)
        found = not_identified(words[int(row.promotion_id[1:])], row.contacted)
        nothing = Estimate(np.nan, np.nan, np.nan, row.contacted)
        return found if found.why else replace(found, identification=ADJUSTED, estimate=nothing)

    monkeypatch.setattr(similar_customers, "promotion_difference", rule)
    return asked


def test_the_largest_identified_is_taken_or_the_largest_with_its_reason_no_small_one(monkeypatch):
    asked = ruled(monkeypatch, "too few alike", "", "")
    found = comparable_promotion(Shop({}), over(500, 400, 300))
    assert found is not None
    promotion, difference, tried = found
    assert promotion.promotion_id == "P1" and asked == ["P0", "P1"] and difference.identified
    assert [(row.promotion_id, other.why) for row, other in tried] == [("P0", "too few alike")]
    asked = ruled(monkeypatch, "too few alike", *["apart"] * 9)
    found = comparable_promotion(Shop({}), over(*range(900, 800, -10)))
    assert found is not None
    promotion, difference, tried = found
    assert promotion.promotion_id == "P0" and difference.why == "too few alike"
    assert len(tried) == len(asked) == 5
    asked = ruled(monkeypatch, "apart", "")
    assert comparable_promotion(Shop({}), over(99, 50)) is None and asked == []
