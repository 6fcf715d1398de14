"""What a released week answers and chooses, now."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from promolab.campaign.past import clusters
from promolab.campaign.plan import drawn_out
from promolab.contract import NONE
from promolab.features import build_candidates
from promolab.folder import ReportsFolder, RunFolder, read_json, write_json
from promolab.loop import (
    keep_ledger,
    read_served,
    released_contacts,
    served_tables,
    with_released_decisions,
)
from promolab.loop.ledger import Ledger
from promolab.model import ResponseModel
from promolab.report.running import PAGES
from promolab.serve.service import OVER, Service
from promolab.serve.stores import PAGE, MemoryStore
from promolab.serve.week import open_week
from promolab.sources import load_shop
from tests.refused import refused
from tests.report.made_weeks import FIRST
from tests.serve.conftest import (
    NOW,
    REFUSED,
    UNLISTED,
    WEEK,
    contact,
    decided,
    event,
    given,
    newcomers,
    no,
    planned,
)


def test_chances_are_the_models_own_before_and_after_events(service, reports):
    run = service.week.run
    shop, model = load_shop(run.path / "shop"), ResponseModel.load(run.path / "model.safetensors")
    promotions = sorted(service.week.rights.offers, key=int)
    new = [event(c, "purchase", 0.5, amount=9.0, product_id="p", quantity=1) for c in range(20)]
    service.receive(new)
    events = pd.DataFrame(new).assign(discount=0.0)
    events["ts"] = pd.to_datetime(events["ts"]).dt.tz_localize(None)
    whole = pd.concat([shop.events.execute(), events]).drop(columns="order_id")
    tables = {**shop.tables, "events": shop.backend.create_table("later", whole, temp=True)}
    known, moment = shop.with_tables(tables), NOW.to_pydatetime()
    rows = build_candidates(known, moment, [int(p) for p in promotions]).execute()
    expected = pd.Series(model.probability(rows), [rows["customer_id"], rows["promotion_id"]])
    found = service.score(sorted(set(rows["customer_id"])), promotions, False)["customers"]
    pairs = [(one["customer_id"], pair) for one in found for pair in one["promotions"]]
    told = {(who, int(pair["promotion_id"])): pair["chance"] for who, pair in pairs}
    np.testing.assert_allclose(expected.index.map(told), expected, atol=1e-12)
    assert expected.nunique() > 50


def test_a_planned_customer_gets_the_plans_action_by_the_plans_chances(service, reports):
    rows = planned(reports)
    told = pd.read_parquet(reports / WEEK / "tables" / "decision_propensities.parquet")
    chances = told.set_index(["decision_id", "action"])["propensity"]
    for customer, row in rows.iterrows():
        found = decided(service, customer)
        assert all(found[name] == row[name] for name in ("action", "holdout", "decision_id"))
        assert found["chances"] == pytest.approx(chances.loc[row["decision_id"]].to_dict())
        assert found["propensity"] == pytest.approx(row["propensity"])
    assert {"standing", "promotion"} <= set(rows["holdout"])
    decided(service, rows.index[0])
    assert len(read_served(reports / WEEK)) == len(rows)  # once each


@pytest.mark.parametrize("form", range(3))
def test_a_right_that_is_gone_is_seen_at_once_and_logged_as_what_served(service, reports, form):
    customer = given(reports)[0]
    first = decided(service, customer)
    assert first["action"] != NONE
    service.receive([no(service, customer, form)])
    second = decided(service, customer)
    assert (second["action"], second["propensity"], second["chances"]) == (NONE, 1.0, {NONE: 1.0})
    assert second["planned_action"] == first["action"]
    assert second["decision_id"] != first["decision_id"]
    logged, _ = served_tables(reports / WEEK)
    assert logged["decision_id"].tolist() == [first["decision_id"], second["decision_id"]]


def test_the_contact_that_was_planned_is_no_other_contact(service, reports):
    """The shop allows one contact in 14 days; the plan's own is that one, also once it is made."""
    customer, others = given(reports)[0], sorted(service.week.rights.offers, key=int)[-2:]
    promotion = service.week.promotions[0]
    assert decided(service, customer)["action"] == promotion
    service.receive([contact(customer, promotion)])
    assert decided(service, customer)["action"] == promotion
    told = service.score([customer], [promotion, *others], False)["customers"][0]["promotions"]
    assert told[0]["eligible"]
    assert all("over_limit" in pair["why_not"] for pair in told[1:])


def test_anybody_else_gets_what_the_lists_allow_and_is_held_out_as_the_plan_does(service):
    action = service.week.actions[service.week.promotions[0]]
    customers = newcomers(service, 200)
    found = [decided(service, customer) for customer in customers]
    sent = 0.8 * 0.9
    assert {d["planned_action"] for d in found} == {action.name}
    for one in found:
        assert one["chances"] == pytest.approx({action.name: sent, NONE: 1 - sent})
        assert (one["action"] == NONE) == (one["holdout"] != NONE)
    share = np.mean([one["action"] != NONE for one in found])
    assert abs(share - sent) < 4 * np.sqrt(sent * (1 - sent) / 200)
    nobody = decided(service, 5000)  # of whom nothing is known, consent neither
    assert (nobody["action"], nobody["propensity"]) == (NONE, 1.0)
    answer = service.score([5000], None, False)["customers"][0]
    assert answer["new"] and answer["promotions"][0]["why_not"] == ["no_right"]
    # Who would not have been on the list gets nothing.
    chance = service.chances(6000, [action.name], service.moment())[action.name]
    (other,) = newcomers(service, 1, first=6000, least=chance + 0.5)
    found = decided(service, other)
    assert (found["action"], found["planned_action"], found["propensity"]) == (NONE, NONE, 1.0)


def test_chance_holds_out_whom_the_plan_does(service, reports):
    week, shop = service.week, load_shop(reports / WEEK / "shop")
    people = pd.Index(sorted(week.customers))
    plan, groups = week.run.metrics["plan"], clusters(shop, people)
    for action, name in ((None, "standing_"), (week.promotions[0], "")):
        given = plan[f"{name}holdout"], plan["standing_seed" if name else "seed"]
        drawn = drawn_out(people, action, *given, groups)
        assert [week.holdouts.held(c, action) for c in people.tolist()] == drawn.tolist()
        assert 0 < drawn.mean() < 0.4


def test_nothing_more_is_spent_than_the_budget_leaves(week, clock):
    one, two = (replace(week(), left=11.0) for _ in range(2))
    for each in (one, two):
        object.__setattr__(each.actions[each.promotions[0]], "cost", 2.0)
    service = Service(one, MemoryStore(), clock)
    assert sum(decided(service, who)["action"] != NONE for who in newcomers(service, 60)) == 5
    again = Service(two, MemoryStore(), clock)  # the file beside the week tells what was spent
    assert again.chooser.spent == pytest.approx(10.0)


def test_nobody_held_out_or_without_consent_is_ever_given_anything(service, reports):
    rng, rows, unknown, found = np.random.default_rng(0), planned(reports), range(9000, 9040), 0
    held, refused = set(rows.index[rows["holdout"] != NONE]), {*REFUSED, *UNLISTED, *unknown}
    everybody = [*range(150), *newcomers(service, 60), *unknown]
    for customer in rng.choice(everybody, 300).tolist():
        if rng.random() < 0.05:
            service.receive([no(service, customer, 2)])
            refused.add(customer)
        decision = decided(service, customer)
        if decision["holdout"] != NONE or customer in refused | held:
            assert decision["action"] == NONE, customer
        found += decision["action"] != NONE
        assert sum(decision["chances"].values()) == pytest.approx(1)
        assert decision["propensity"] == decision["chances"][decision["action"]]
    assert found > 60


def test_a_service_that_begins_anew_knows_what_the_others_know(week, reports, clock):
    store = MemoryStore()
    one, two = (Service(week(), store, clock) for _ in range(2))
    newcomers(two, 0)
    customers, customer = newcomers(one, 5), given(reports)[0]
    assert decided(two, customers[0]) == decided(one, customers[0])
    left = no(two, customer, 0)
    assert two.receive([left])["new"] == one.receive([left])["repeated"] == 1
    assert decided(one, customer)["action"] == NONE  # an event is in the next answer of any
    three = Service(week(), store, clock)
    newcomers(three, 0)
    told = [[decided(s, c) for c in (*customers, customer, 40, 41)] for s in (one, two, three)]
    assert told[0] == told[1] == told[2]


def test_what_is_too_much_and_a_plan_that_is_a_draft_or_was_changed_are_refused(service, reports):
    refused("more than 20,000 pairs", service.score, list(range(10_000)), service._known, False)
    manifest = reports / WEEK / "manifest.json"
    released = read_json(manifest)
    write_json(manifest, released | {"state": "draft"})
    refused("was never released: its plan is a draft", open_week, WEEK, reports)
    write_json(manifest, released)
    table = reports / WEEK / "tables" / "decisions.parquet"
    pd.read_parquet(table).assign(action="7").to_parquet(table)
    refused("cannot be relied on", open_week, WEEK, reports)


def test_the_ledger_and_the_next_plan_read_what_was_served(service, reports):
    customers = newcomers(service, 30)
    found = [decided(service, customer) for customer in (*customers, *given(reports)[:3])]
    got = {d["customer_id"] for d in found[:30] if d["action"] != NONE}
    later = RunFolder(reports / str(FIRST.next()), FIRST.next())
    owed = released_contacts(later)
    beside = owed[owed["customer_id"].isin(customers)]
    assert set(beside["customer_id"]) == got and len(got) > 10
    assert set(beside["promotion_id"].astype(str)) == set(service.week.promotions)
    learned = with_released_decisions(later, load_shop(reports / WEEK / "shop")).decisions
    assert len(planned(reports)) == learned.count().execute()  # as planned: served is no trial
    assert not learned.customer_id.isin(list(customers)).any().execute()
    book = Ledger.open(reports / "ledger.duckdb", shop="Corner shop", create=True)
    for _ in range(2):  # a week that is there already gets what was served since
        keep_ledger(ReportsFolder(reports), book, PAGES.rows, print)
    served, chances = book.rows("served", WEEK), book.rows("served_propensities", WEEK)
    assert set(served["decision_id"]) == {d["decision_id"] for d in found}
    assert chances.groupby("decision_id")["propensity"].sum().tolist() == pytest.approx([1] * 33)
    assert not set(book.decisions(WEEK)["decision_id"]) & {d["decision_id"] for d in found[:30]}


def test_a_promotion_is_over_at_its_very_end(service, clock):
    # A clock that runs back takes nothing back.
    first = service.score([30], None, False)
    clock.now -= pd.Timedelta(hours=2)
    assert service.score([30], None, False)["as_of"] == first["as_of"]
    clock.now += pd.Timedelta(days=30)
    assert "is over: promotions that are over are not offered" in service.notes()[0]
    assert decided(service, 30)["action"] == NONE
    promotion = service.week.promotions[0]
    end = service.week.rights.offers[promotion].ends_at
    bars = [service._bars(service._standing(30, at), promotion) for at in (end - 1, end)]
    assert [OVER in found for found in bars] == [False, True]


def test_a_log_longer_than_a_page_is_read_to_its_end(week, clock):
    store = MemoryStore()
    for _ in range(PAGE + 1):
        last = store.append(b'{"events": []}')
    assert Service(week(), store, clock)._cursor == last == str(PAGE + 1)
