"""What finance is told: sums by hand, nothing of later, headings that a reader knows."""

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest

from promolab.errors import InputError
from promolab.glossary import GLOSSARY
from promolab.language import speaking
from promolab.promotions import finance_table
from tests.made_up import shop_of

DAY = pd.Timedelta(days=1)
NOW = pd.Timestamp("2021-03-01")
NEW = pd.DataFrame(
    {"promotion_id": ["N"], "contacts": [50]}
    | {f"{name}{end}": [value] for name, values in
       (("cost", (30.0, 20.0, 50.0)), ("discount", (20.0, 10.0, 40.0)))
       for end, value in zip(("", "_ci_low", "_ci_high"), values, strict=True)}
)  # fmt: skip


def shop(
    *,
    later: bool = True,
    returns: bool = True,
    promotions: dict[str, Any] | None = None,
    more: tuple[tuple[str, str, int], ...] = (),
):
    """Coupons: A to D are over, R runs since 5 of 10 days, N starts."""
    over = [(name, 60 - 10 * n, 50 - 10 * n) for n, name in enumerate("ABCD")]
    spans = [*over, ("R", 5, -5), ("N", -1, -8)]
    table = pd.DataFrame(
        {
            "promotion_id": [s[0] for s in spans],
            "kind": "coupon",
            "starts_at": [NOW - s[1] * DAY for s in spans],
            "ends_at": [NOW - s[2] * DAY for s in spans],
            "reduction": 2.0,
            "contact_cost": 0.1,
            "funder_share": 0.25,
        }
    ).assign(**(promotions or {}))
    people = [f"c{n}" for n in range(20)]
    exposed = [(p, c, start) for p, start, _ in spans[:-1] for c in people]
    redeemed, lines = [], []
    for name, start, end in over:
        first, last = start - 2, end + 2  # days ago
        redeemed += [(name, "c0", first), (name, "c1", last), (name, "c0", last)]
        lines += [("c0", first, 2.0), ("c1", last, 2.0)]
    redeemed += [("R", "c0", 3), ("R", "c5", 2)]
    lines += [("c0", 3, 2.0), ("c5", 2, 2.0)]
    redeemed, lines = [*redeemed, *more], [*lines, *((c, ago, 2.0) for _, c, ago in more)]
    if later:
        redeemed, lines = [*redeemed, ("R", "c7", -2)], [*lines, ("c7", -2, 2.0)]
    events = pd.DataFrame(lines, columns=["customer_id", "ago", "coupon_discount"])
    events = events.assign(kind="purchase", amount=10.0, discount=events["coupon_discount"])
    if returns:
        back = events.iloc[[0]].assign(kind="return", ago=20, customer_id="c9")
        events = pd.concat([events, back], ignore_index=True)
    events = events.assign(ts=NOW - events.pop("ago") * DAY, product_id="p")
    exposures = pd.DataFrame(exposed, columns=["promotion_id", "customer_id", "ago"])
    responses = pd.DataFrame(redeemed, columns=["promotion_id", "customer_id", "ago"])
    return shop_of(
        {
            "events": events,
            "promotions": table,
            "promotion_products": table[["promotion_id"]].assign(product_id="p"),
            "exposures": exposures.assign(ts=NOW - exposures.pop("ago") * DAY),
            "responses": responses.assign(ts=NOW - responses.pop("ago") * DAY, kind="redeem"),
        },
        operations={"economics": {"coupon_cost": 0.5}},
        currency="EUR",
    )


def test_what_runs_and_what_starts_by_hand_an_answer_at_this_moment_being_to_come():
    found = finance_table(shop(), NOW.to_pydatetime(), NEW)
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
    told = found.summary()
    assert told.startswith("2 promotions start or run, for the shop at about 3")
    assert "18 customers have" in told
    # R runs since half of its days; of A, c2 answered at exactly half of its own.
    found = finance_table(shop(more=(("A", "c2", 55),)), NOW.to_pydatetime(), NEW)
    due = found.frame.set_index("promotion_id").loc["R", "open_liability"]
    assert due == pytest.approx(18 * (5 + 0.5) / (4 * 19) * each, rel=1e-6)


def test_later_changes_nothing_and_nothing_is_said_of_goods_that_never_come_back():
    frames = [
        finance_table(shop(later=later), NOW.to_pydatetime(), NEW).frame for later in (True, False)
    ]
    pd.testing.assert_frame_equal(*frames)
    found = finance_table(shop(returns=False), NOW.to_pydatetime(), NEW)
    assert found.frame["expected_returns"].isna().all()
    assert (found.for_finance()["Discounts expected back"] == "").all()
    kinds = {"kind": ["coupon"] * 4 + ["recommendation"] * 2, "reduction": [2.0] * 4 + [np.nan] * 2}
    row = finance_table(shop(promotions=kinds), NOW.to_pydatetime(), NEW.head(0)).frame.iloc[0]
    assert (row["open_liability"], row["customers_open"]) == (0.0, 0)
    assert row["expected_cost"] == pytest.approx(20 * 0.1) and row["face_value"] == "nothing off"


def test_without_past_promotions_nothing_is_known_and_without_any_the_table_is_empty():
    whole = shop()
    young = whole.promotions.filter(whole.promotions.promotion_id.isin(["R", "N"]))
    young = whole.with_tables({**whole.tables, "promotions": young})
    found = finance_table(young, NOW.to_pydatetime(), NEW.head(0))
    row = found.frame.iloc[0]
    assert math.isnan(row["open_liability"]) and row["customers_open"] == 18
    assert "1 promotion starts or runs, for the shop at a cost that is not known" in found.summary()
    for day, wanted in (
        (NOW - 90 * DAY, shop()),
        (NOW, shop_of({"events": shop().events.execute()})),
    ):
        found = finance_table(wanted, day.to_pydatetime(), NEW.head(0))
        assert found.summary() == "No promotion starts or runs." and not len(found.for_finance())


def test_headings_are_words_of_the_glossary_and_wrong_terms_are_said():
    found = finance_table(shop(), NOW.to_pydatetime(), NEW)
    assert all(name in GLOSSARY for name in found.frame)
    headings = list(found.for_finance())
    assert len(set(headings)) == len(headings) and not any("_" in name for name in headings)
    assert found.for_finance().iloc[0]["Expected cost to the shop, middle"].count(".") == 1
    assert "18" in found.to_table().text and "tables/finance.csv" in found.to_table().text
    with speaking("zh"):
        assert "店铺 75 %，供应商 25 %" in found.to_table().text
    with pytest.raises(InputError, match="promotion N: funder_share = 25"):
        share = {"funder_share": [0.25] * 5 + [25.0]}
        finance_table(shop(promotions=share), NOW.to_pydatetime(), NEW)
    with pytest.raises(InputError, match="no column 'cost' in expected"):
        finance_table(shop(), NOW.to_pydatetime(), NEW.drop(columns="cost"))
