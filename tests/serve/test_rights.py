"""Live rights against the weekly plan's own, on a shop where every rule bars somebody."""

from datetime import datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from promolab.campaign.plan import LEFT, Eligibility, with_suppressions
from promolab.contract import ContactLimit, ContactRules
from promolab.folder import REFUSALS, RunFolder, append_suppressions, read_suppressions
from promolab.serve.events import EventReader, microseconds
from promolab.serve.rights import LiveRights
from promolab.weeks import Week
from tests.features.conftest import ZONE, as_shop

BEGIN = datetime(2021, 3, 26, 9)  # the clocks of the zone are put forward two days later
CUSTOMERS = list(range(60))
PROMOTIONS = [f"P{k}" for k in range(6)]
RULES = {
    "limits": ContactRules(
        (ContactLimit(2, 7), ContactLimit(1, 3, "Email")),
        quiet_days_after_complaint=10,
        exclusive=(("P0", "P1"), ("P2", "P3")),
    ),
    "listed": ContactRules(
        (ContactLimit(1, 5, "app"),), unlisted="may be contacted", quiet_days_after_unsubscribe=6
    ),
}


def drawn(rng, n, low, high, unit="D", **choices):
    """Return n rows of customers at times so long after the begin, with columns by choice."""
    ts = pd.Timestamp(BEGIN) + pd.to_timedelta(rng.integers(low, high, n), unit=unit)
    rows = pd.DataFrame({"customer_id": rng.choice(CUSTOMERS, n), "ts": ts})
    return rows.assign(**{name: rng.choice(values, n) for name, values in choices.items()})


def frames(rng, channel):
    starts = pd.Timestamp(BEGIN) + pd.to_timedelta(rng.integers(-20, 10, 6), unit="D")
    promotions = pd.DataFrame({"promotion_id": PROMOTIONS, "kind": "coupon", "starts_at": starts})
    promotions["ends_at"] = starts + pd.to_timedelta(rng.integers(5, 15, 6), unit="D")
    promotions["channel"] = ["email", "app ", " APP", None, "sms", "email"]
    known = {"promotion_id": [*PROMOTIONS, "P-unknown"]}
    kinds = ["unsubscribe", "complaint", *["click"] * 4]
    channels = {"channel": ["email", "app", "Sms", None]} if channel else {}
    rights = drawn(rng, 400, -30, 14, channel=["email", "App", "sms"]).rename(
        columns={"ts": "since"}
    )
    rights["allowed"] = rng.random(400) < 0.8
    rights.loc[rng.random(400) < 0.3, "since"] = pd.NaT
    return {
        "events": pd.DataFrame({"customer_id": CUSTOMERS, "ts": BEGIN, "kind": "view"}),
        "customers": pd.DataFrame({"customer_id": CUSTOMERS, "status": ["Blocked ", "ok"] * 30}),
        "promotions": promotions,
        "exposures": drawn(rng, 150, -20, 14 * 24, "h", **known, **channels),
        "responses": drawn(rng, 120, -20, 14 * 24, "h", **known, kind=kinds),
        "contact_rights": rights,
    }


def refusals(rng):
    """Return a list of refusals of customers 30 to 59, some of which a later consent lifts."""
    rows = drawn(rng, 40, -40, 0, kind=list(REFUSALS), channel=[None, "email", "app"])
    rows["customer_id"] = 30 + rows["customer_id"] % 30
    rows = rows.assign(ts=rows["ts"].map("{:%Y-%m-%dT%H:%M:%S}Z".format))
    rows = rows.assign(event_id=rows.index.astype(str)).astype(object)
    return rows.where(rows.notna(), None).to_dict("records")


@pytest.mark.parametrize("rules", RULES.values(), ids=RULES)
@pytest.mark.parametrize("channel", [True, False])
def test_rights_after_events_are_those_of_a_plan_made_then(rules, channel, tmp_path):
    rng = np.random.default_rng(1)
    told = frames(rng, channel)
    owing = {"promotion_id": [*PROMOTIONS, None], "channel": ["email", "app", None]}
    owed = drawn(rng, 50, -4, 14, **owing)
    shop = as_shop(told, channel="email" if channel else None)
    assert shop.zone == ZONE
    live = LiveRights(shop, BEGIN, rules, owed, ["7"])
    append_suppressions(tmp_path, refusals(rng))
    live.suppress(read_suppressions(tmp_path))
    shop = with_suppressions(RunFolder(tmp_path / "2021-W12", Week(2021, 12)), shop)
    reader = EventReader.of(shop)
    barred = dict.fromkeys(LEFT, 0)
    ends = told["promotions"].set_index("promotion_id")["ends_at"]
    rows = [told[name].assign(table=name) for name in ("exposures", "responses")]
    later = pd.concat(rows).sort_values("ts")
    later = later[later["ts"] >= BEGIN]
    for day in (0, 2.5, 9.1):
        moment = BEGIN + timedelta(days=day)
        known = later[later["ts"] < moment]
        for row in known.astype(object).to_dict("records"):
            live.take(reader.read(row))
        later = later[later["ts"] >= moment]
        plan = Eligibility(shop, pd.Index(CUSTOMERS), moment, moment, rules, owed, ["7"])
        for promotion, offer in live.offers.items():
            expected = plan.bars(promotion, offer.channel or "unknown", 1, ends[promotion])
            for customer in CUSTOMERS:
                found = live.of(customer, microseconds(moment)).bars(offer)
                assert found == [s for s in LEFT if expected[s][customer]], (day, promotion)
                for step in found:
                    barred[step] += 1
    unused = {"excluded"} if not rules.exclusive else set()
    assert all(n > 20 for step, n in barred.items() if step not in unused), barred
