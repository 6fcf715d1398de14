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


def frames(seed, channel):
    rng = np.random.default_rng(seed)
    n = 400

    def drawn(kinds=(None,)):
        ts = pd.Timestamp(BEGIN) + pd.to_timedelta(rng.integers(-20, 14 * 24, n) * 60, unit="min")
        rows = pd.DataFrame({"customer_id": rng.choice(CUSTOMERS, n), "ts": ts})
        rows["promotion_id"] = rng.choice([*PROMOTIONS, "P-unknown"], n)
        rows["kind"] = rng.choice(kinds, n)
        return rows

    starts = pd.Timestamp(BEGIN) + pd.to_timedelta(rng.integers(-20, 10, 6), unit="D")
    promotions = pd.DataFrame({"promotion_id": PROMOTIONS, "kind": "coupon", "starts_at": starts})
    promotions["ends_at"] = starts + pd.to_timedelta(rng.integers(5, 15, 6), unit="D")
    promotions["channel"] = ["email", "app ", " APP", None, "sms", "email"]
    exposures = drawn().drop(columns="kind").iloc[:150]
    if channel:
        exposures["channel"] = rng.choice(["email", "app", "Sms", None], len(exposures))
    rights = pd.DataFrame({"customer_id": rng.choice(CUSTOMERS, n)})
    rights["channel"] = rng.choice(["email", "App", "sms"], n)
    rights["allowed"] = rng.random(n) < 0.8
    rights["since"] = pd.Timestamp(BEGIN) + pd.to_timedelta(rng.integers(-30, 14, n), unit="D")
    rights.loc[rng.random(n) < 0.3, "since"] = pd.NaT
    events = pd.DataFrame({"customer_id": CUSTOMERS, "ts": pd.Timestamp(BEGIN), "kind": "view"})
    status = pd.DataFrame({"customer_id": CUSTOMERS, "status": rng.choice(["Blocked ", "ok"], 60)})
    kinds = ["unsubscribe", "complaint", "click", "click", "click", "click"]
    return {
        "events": events, "customers": status, "promotions": promotions, "exposures": exposures,
        "responses": drawn(kinds).iloc[:120], "contact_rights": rights,
    }  # fmt: skip


def owed_contacts(seed):
    rng = np.random.default_rng(seed)
    ts = pd.Timestamp(BEGIN) + pd.to_timedelta(rng.integers(-4, 14, 50), unit="D")
    rows = pd.DataFrame({"customer_id": rng.choice(CUSTOMERS, 50), "ts": ts})
    rows["promotion_id"] = rng.choice([*PROMOTIONS, None], 50)
    rows["channel"] = rng.choice(["email", "app", None], 50)
    return rows


def refusals(seed):
    """Return a list of refusals of customers 30 to 59, some of which a later consent lifts."""
    rng = np.random.default_rng(seed)
    rows = []
    for number in range(40):
        ts = BEGIN - timedelta(days=int(rng.integers(1, 40)))
        row = {"customer_id": int(rng.integers(30, 60)), "kind": str(rng.choice(REFUSALS))}
        row |= {"channel": [None, "email", "app"][rng.integers(3)], "ts": f"{ts.isoformat()}Z"}
        rows.append(row | {"event_id": str(number)})
    return rows


@pytest.mark.parametrize("rules", RULES.values(), ids=RULES)
@pytest.mark.parametrize("channel", [True, False])
def test_rights_after_events_are_those_of_a_plan_made_then(rules, channel, tmp_path):
    told, owed = frames(1, channel), owed_contacts(2)
    shop = as_shop(told, channel="email" if channel else None)
    assert shop.zone == ZONE
    live = LiveRights(shop, BEGIN, rules, owed, ["7"])
    append_suppressions(tmp_path, refusals(3))
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
