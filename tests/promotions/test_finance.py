"""What finance is told: sums by hand, nothing of later, headings that a reader knows."""

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest

from promolab.contract import Shop
from promolab.glossary import GLOSSARY
from promolab.promotions import finance_table
from promolab.promotions.finance import Finance
from tests.made_up import shop_of
from tests.promotions.made_up import DAY, NOW, dated
from tests.refused import refused

NEW = pd.DataFrame({"promotion_id": ["N"], "contacts": 50})
NEW[["cost", "cost_ci_low", "cost_ci_high"]] = 30.0, 20.0, 50.0
NEW[["discount", "discount_ci_low", "discount_ci_high"]] = 20.0, 10.0, 40.0


def shop(later: bool = True, returns: bool = True, promotions: Any = None, more: Any = ()):
    """Coupons: A to D are over, R runs since 5 of 10 days, N starts."""
    over = [(name, 60 - 10 * n, 50 - 10 * n) for n, name in enumerate("ABCD")]
    spans = [*over, ("R", 5, -5), ("N", -1, -8)]
    table = dated(spans, "promotion_id ago last").rename(columns={"ts": "starts_at"})
    table["ends_at"] = NOW - pd.to_timedelta(table.pop("last"), unit="D")
    table = table.assign(kind="coupon", reduction=2.0, contact_cost=0.1, funder_share=0.25)
    exposed = [(p, f"c{n}", start) for p, start, _ in spans[:-1] for n in range(20)]
    redeemed = [("R", "c0", 3), ("R", "c5", 2), *more]
    for name, start, end in over:  # on its third day, and two days before its end
        redeemed += [(name, "c0", start - 2), (name, "c1", end + 2)]
    again = [(name, "c0", end + 2) for name, _, end in over]
    redeemed += [("R", "c7", -2)] if later else []
    columns = "promotion_id customer_id ago"
    events = dated(redeemed, columns).drop(columns="promotion_id").assign(kind="purchase")
    if returns:
        back = events.head(1).assign(kind="return", ts=NOW - 20 * DAY, customer_id="c9")
        events = pd.concat([events, back], ignore_index=True)
    events = events.assign(product_id="p", amount=10.0, discount=2.0, coupon_discount=2.0)
    tables = {
        "events": events,
        "promotions": table.assign(**(promotions or {})),
        "promotion_products": table[["promotion_id"]].assign(product_id="p"),
        "exposures": dated(exposed, columns),
        "responses": dated([*redeemed, *again], columns).assign(kind="redeem"),
    }
    return shop_of(tables, operations={"economics": {"coupon_cost": 0.5}}, currency="EUR")


def told(given: Shop | None = None, new: pd.DataFrame = NEW, **options: Any) -> Finance:
    return finance_table(given or shop(**options), NOW.to_pydatetime(), new)


def test_what_runs_and_what_starts_by_hand_an_answer_at_this_moment_being_to_come():
    found = told()
    runs, starts = (found.frame.set_index("promotion_id").loc[name] for name in ("R", "N"))
    assert (runs["customers_contacted"], runs["customers_open"]) == (20, 18)
    # Of 19 open half-way, one answered later, in each of four; half an answer more in all.
    rate = (4 + 0.5) / (4 * 19)
    each = 0.75 * 2.0 + 0.5
    assert runs["open_liability"] == pytest.approx(18 * rate * each, rel=1e-6)
    assert 0 < runs["open_liability_low"] < runs["open_liability"] < runs["open_liability_high"]
    spent = 0.75 * 4.0 + 2 * 0.5 + 20 * 0.1
    assert runs["expected_cost"] == pytest.approx(spent + runs["open_liability"])
    assert runs["supplier_pays"] == pytest.approx(0.25 * (4.0 + 18 * rate * 2.0))
    # Given back: 2 of the 20 that were given in the year before.
    assert runs["expected_returns"] == pytest.approx(0.1 * (4.0 + 18 * rate * 2.0))
    assert starts["state"] == "starts" and runs["state"] == "runs"
    ends = [starts[f"expected_cost{end}"] for end in ("", "_low", "_high")]
    assert ends == [30.0, 20.0, 50.0] and starts["open_liability"] == 0
    assert starts["paid_by"] == "shop 75 %, supplier 25 %"
    assert starts["face_value"] == "coupon of 2 EUR" and starts["supplier_pays"] == 5.0
    assert found.summary().startswith("2 promotions start or run, for the shop at about 3")
    assert "18 customers have" in found.summary()
    # R runs since half of its days; of A, c2 answered at exactly half of its own.
    found = told(more=(("A", "c2", 55),))
    due = found.frame.set_index("promotion_id").loc["R", "open_liability"]
    assert due == pytest.approx(18 * (5 + 0.5) / (4 * 19) * each, rel=1e-6)


def test_later_changes_nothing_and_nothing_is_said_of_goods_that_never_come_back():
    pd.testing.assert_frame_equal(told().frame, told(later=False).frame)
    found = told(returns=False)
    assert found.frame["expected_returns"].isna().all()
    assert (found.for_finance()["Discounts expected back"] == "").all()
    kinds = {"kind": ["coupon"] * 4 + ["recommendation"] * 2, "reduction": [2.0] * 4 + [np.nan] * 2}
    row = told(promotions=kinds, new=NEW.head(0)).frame.iloc[0]
    assert (row["open_liability"], row["customers_open"]) == (0.0, 0)
    assert row["expected_cost"] == pytest.approx(20 * 0.1) and row["face_value"] == "nothing off"


def test_without_past_promotions_nothing_is_known_and_without_any_the_table_is_empty():
    whole = shop()
    young = whole.promotions.filter(whole.promotions.promotion_id.isin(["R", "N"]))
    young = whole.with_tables({**whole.tables, "promotions": young})
    found = told(young, NEW.head(0))
    row = found.frame.iloc[0]
    assert math.isnan(row["open_liability"]) and row["customers_open"] == 18
    assert "1 promotion starts or runs, for the shop at a cost that is not known" in found.summary()
    bare = whole.with_tables({"events": whole.events})
    for day, wanted in ((NOW - 90 * DAY, whole), (NOW, bare)):
        found = finance_table(wanted, day.to_pydatetime(), NEW.head(0))
        assert found.summary() == "No promotion starts or runs." and not len(found.for_finance())


def test_headings_are_words_of_the_glossary_and_wrong_terms_are_said():
    found = told()
    assert all(name in GLOSSARY for name in found.frame)
    headings = list(found.for_finance())
    assert len(set(headings)) == len(headings) and not any("_" in name for name in headings)
    assert found.for_finance().iloc[0]["Expected cost to the shop, middle"].count(".") == 1
    assert "18" in found.to_table().text and "tables/finance.csv" in found.to_table().text
    wrong = {"funder_share": [0.25] * 5 + [25.0]}
    refused("promotion N: funder_share = 25", told, promotions=wrong)
    refused("no column 'cost' in expected", told, new=NEW.drop(columns="cost"))
