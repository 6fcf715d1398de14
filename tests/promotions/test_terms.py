"""A shop's rows become promotions, or a sentence says which and what is wrong."""

import math
from typing import Any

import pandas as pd

from promolab.promotions import read_promotions
from tests.made_up import shop_of
from tests.refused import refused

EVENTS = pd.DataFrame({"customer_id": ["A"], "ts": pd.to_datetime(["2024-01-01"]), "kind": "view"})
ROWS = [
    {"promotion_id": "R", "kind": "recommendation"},
    {"promotion_id": "L", "kind": "limited_time_discount", "discount_rate": 0.1},
    {"promotion_id": "F", "kind": "full_reduction", "threshold": 100.0, "reduction": 8.0},
    {"promotion_id": "C", "kind": "coupon", "reduction": 5.0, "threshold": 20.0},
]


def shop(*rows, contact_cost=0.3):
    start = pd.Timestamp("2024-01-08")
    table = pd.DataFrame(rows).assign(starts_at=start, ends_at=start + pd.Timedelta(days=7))
    products = pd.DataFrame({"promotion_id": ["L", "L"], "product_id": ["x", "y"]})
    frames = {"events": EVENTS, "promotions": table, "promotion_products": products}
    return shop_of(frames, operations={"economics": {"contact_cost": contact_cost}})


def test_rows_of_the_contract_become_the_four_classes_with_steps_and_stacking():
    own = {"contact_cost": 0.2, "funder_share": 0.5}
    found: Any = read_promotions(shop(ROWS[0] | own, *ROWS[1:]))
    assert list(found) == ["C", "F", "L", "R"]  # one start: by id
    kinds = ["Coupon", "FullReduction", "LimitedTimeDiscount", "Recommendation"]
    assert [type(one).__name__ for one in found.values()] == kinds
    recommendation, coupon = found["R"], found["C"]
    assert (recommendation.contact_cost, recommendation.funder_share) == (0.2, 0.5)
    assert (coupon.value, coupon.minimum, coupon.stacking) == (5.0, 20.0, True)
    assert math.isnan(coupon.rate) and (coupon.contact_cost, coupon.funder_share) == (0.3, 0.0)
    assert (found["L"].rate, found["L"].products) == (0.1, frozenset({"x", "y"}))
    assert (found["F"].steps, found["F"].stacking, found["F"].days) == (1, False, 7.0)
    rows = [ROWS[2] | {"steps": 0, "stacking": True}, ROWS[3] | {"stacking": False}]
    found = read_promotions(shop(*rows))
    full = found["F"]
    assert (full.steps, full.stacking, found["C"].stacking) == (0, True, False)
    assert full.face_value("EUR") == "8 EUR off every 100 EUR"


def test_a_shop_that_states_no_face_value_has_promotions_and_the_checks_count_them():
    rows = [{k: row[k] for k in ("promotion_id", "kind")} for row in ROWS]
    found = read_promotions(shop(*rows))
    assert [name for name, one in found.items() if one.stated] == ["R"] and len(found) == 4
    assert found["F"].face_value("EUR") == "not stated"
    wrong = [ROWS[0], ROWS[1], ROWS[2] | {"reduction": None}, ROWS[3]]
    found = {f.check: f.rows for f in shop(*wrong).check().findings if f.table == "promotions"}
    assert found["terms_missing"] == 1
    assert "terms_missing" not in {f.check for f in shop(*ROWS).check().findings}


def test_what_a_kind_needs_and_lacks_is_said_in_a_sentence():
    for wrong, sentence in [
        ({"promotion_id": "F", "kind": "full_reduction", "threshold": 100.0}, "F .*reduction"),
        ({"promotion_id": "F", "kind": "full_reduction", "reduction": 8.0}, "F .*threshold"),
        (ROWS[1] | {"discount_rate": 40.0}, "L.*0.4, not"),
        ({"promotion_id": "L", "kind": "limited_time_discount"}, "L .*discount_rate"),
        ({"promotion_id": "C", "kind": "coupon"}, "C .*reduction or discount_rate"),
        (ROWS[3] | {"discount_rate": 0.1}, "C: reduction = 5 and discount_rate = 0.1"),
        (ROWS[2] | {"steps": 1.5}, "F: steps = 1.5"),
        (ROWS[2] | {"reduction": 120.0}, "F: reduction = 120 is more than the threshold"),
        (ROWS[0] | {"contact_cost": -1.0}, "R: contact_cost = -1"),
        (ROWS[0] | {"funder_share": 50.0}, "R: funder_share = 50.*0.5, not 50"),
    ]:
        given = shop(*[row for row in ROWS if row["kind"] != wrong["kind"]], wrong)
        assert "\n" not in refused(f"promotion {sentence}", read_promotions, given)
    refused("'Q' is not among the shop's", read_promotions, shop(*ROWS), ["Q"])
    assert list(read_promotions(shop(*ROWS), ["F"])) == ["F"]
