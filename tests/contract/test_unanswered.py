"""A kind of promotion of which no redemption is recorded is named, where chance cannot be why."""

from datetime import datetime

import pandas as pd

from promolab.contract.checks import check
from tests.made_up import shop_of

NOW = datetime(2018, 1, 1)
DAY = pd.Timestamp("2017-03-02")


def findings(
    kind: str, contacts: int, ends: str = "2017-04-01", *, offered: bool = False
) -> list[tuple[int, str]]:
    """Return what is said where coupons are redeemed by one in five, and another kind by nobody."""
    ids = [f"C{i}" for i in range(contacts)]
    sent = [("P1", i) for i in ids] + [("P2", i) for i in ids] + [("P2", ids[0])]
    events = pd.DataFrame({"customer_id": ids, "ts": DAY, "kind": "purchase", "product_id": "A"})
    offers = pd.DataFrame({"promotion_id": ["P1", "P2"], "kind": ["coupon", kind]})
    times = {"starts_at": DAY - pd.Timedelta("1D"), "ends_at": pd.to_datetime(["2017-04-01", ends])}
    answers = {"promotion_id": "P1", "customer_id": ids[::5], "ts": DAY, "kind": "redeem"}
    tables = {
        "events": events.assign(amount=1.0),
        "promotions": offers.assign(**times),
        "exposures": pd.DataFrame(sent, columns=["promotion_id", "customer_id"]).assign(ts=DAY),
        "responses": pd.DataFrame(answers),
    }
    if offered:
        tables["promotion_products"] = pd.DataFrame({"promotion_id": ["P2"], "product_id": ["A"]})
    found = check(shop_of(tables), NOW).findings
    return [(f.rows, f.sentence) for f in found if f.check == "unanswered_kind"]


def test_the_kind_and_its_contacts_are_named_where_chance_cannot_be_why():
    ((rows, said),) = findings("limited_time_discount", 50)
    assert rows == 50
    assert "no redemption for a limited time discount, though 1 of them had 50 contacts" in said
    ((_, said),) = findings("recommendation", 50)
    assert "no purchase for a recommendation" in said
    assert findings("recommendation", 50, offered=True) == []  # what was bought of it tells
    for kind, contacts, ends in [
        ("limited_time_discount", 45, "2017-04-01"),  # nine would have come: none is chance
        ("limited_time_discount", 50, "2018-02-01"),  # it is not over
        ("coupon", 50, "2017-04-01"),  # of its kind some are redeemed
    ]:
        assert findings(kind, contacts, ends) == []
