"""Whom a week planned by effect allows beside its plan."""

import json
import shutil
from copy import deepcopy
from dataclasses import replace
from datetime import timedelta

import pandas as pd
import pytest

from promolab.campaign.plan import clusters, drawn_out
from promolab.contract import NONE
from promolab.folder import RunFolder
from promolab.serve.released.plans import actions_of
from promolab.serve.released.week import open_week
from promolab.serve.service import Service
from promolab.serve.stores import MemoryStore
from promolab.sources import load_shop
from tests.serve.conftest import release_week


@pytest.fixture(scope="module")
def reports(explored_week, tmp_path_factory):
    """A week whose budget an allocation spent; the plan is released."""
    folder = tmp_path_factory.mktemp("by_effect") / "reports"
    shutil.copytree(explored_week.reports.path, folder)
    release_week(str(explored_week.week), folder)
    return folder


@pytest.fixture(scope="module")
def opened(explored_week, reports):
    return open_week(str(explored_week.week), reports)


def begun(opened, left):
    """Return the service a day into the week, and who was barred and may be contacted now."""
    week = replace(deepcopy(opened), left=left)
    service = Service(week, MemoryStore(), lambda: week.as_of.timestamp() + 86_400)
    adding = {c: a.name for a in week.actions.values() for c in a.adds}
    for action in week.actions.values():  # as [contact] most of shop.toml says
        object.__setattr__(action, "contacts", 100_000)
    now = f"{(week.as_of + timedelta(hours=1)).isoformat()}Z"
    row = {"channel": "app", "allowed": True, "since": now}
    service.receive([row | {"customer_id": customer} for customer in [*adding, 90_000]])
    return service, adding


def decided(service, customer):
    told = service.score([customer], None, True)["customers"][0]
    return told["decision"], {pair["promotion_id"]: pair["eligible"] for pair in told["promotions"]}


def test_who_was_barred_gets_what_adds_most_within_the_budget_left(reports, explored_week, opened):
    week = opened
    assert all(week.plans.of(c) is None for a in week.actions.values() for c in a.adds)
    rows = explored_week.read_table("allocation")
    likeliest = rows.loc[rows.groupby("customer_id")["propensity"].idxmax()]
    price = (likeliest["value"] / likeliest["cost"])[likeliest["action"] != NONE].min()
    told = [pair for a in week.actions.values() for pair in a.adds.values()]
    assert len(told) > 5 and all(v > 0 and v > 0.999 * price * c for v, c in told)
    service, adding = begun(opened, 1e9)
    plan, given = explored_week.metrics["plan"], []
    standing = drawn(reports, explored_week, None, plan["standing_holdout"])
    own = {a: drawn(reports, explored_week, a, plan["holdout"]) for a in week.actions}
    sent = (1 - plan["holdout"]) * (1 - plan["standing_holdout"])
    for customer in adding:
        decision, eligible = decided(service, customer)
        best = max(
            (a.adds[customer][0], a.name)
            for a in week.actions.values()
            if customer in a.adds
        )[1]  # fmt: skip
        if not eligible[best]:  # refused for good
            assert (decision["action"], decision["propensity"]) == (NONE, 1.0)
            continue
        held = standing[customer] or own[best][customer]
        assert (decision["planned_action"], decision["action"] == NONE) == (best, held)
        assert decision["chances"] == pytest.approx({best: sent, NONE: 1 - sent})
        if not held:
            given.append(week.actions[best].adds[customer][1])
    assert given and service.chooser.spent == pytest.approx(sum(given))
    # Of somebody new it is not known what a contact adds; and nothing goes beyond the budget.
    assert decided(service, 90_000)[0]["planned_action"] == NONE
    shutil.rmtree(reports / str(explored_week.week) / "served")
    service, adding = begun(opened, 0.0)
    assert {decided(service, customer)[0]["planned_action"] for customer in adding} == {NONE}


def drawn(reports, run, action, share):
    """Return whom the plan's own draws hold out, households together."""
    shop = load_shop(reports / str(run.week) / "shop")
    people = pd.Index(shop.customers.customer_id.execute())
    seed = run.metrics["plan"]["standing_seed" if action is None else "seed"]
    return dict(zip(people, drawn_out(people, action, share, seed, clusters(shop, people)),
                    strict=True))  # fmt: skip


@pytest.mark.parametrize("said", [{"limited": True}, {"pays": False}])
def test_nobody_beside_the_plan_where_limits_bind(reports, explored_week, opened, said, tmp_path):
    run = RunFolder(tmp_path / str(explored_week.week), explored_week.week)
    shutil.copytree(reports / str(explored_week.week), run.path)
    told = run.metrics
    assert told["policy"]["limited"] is False and told["policy"]["pays"] is True
    changed = told | {"policy": told["policy"] | said}
    (run.path / "metrics.json").write_text(json.dumps(changed), encoding="utf-8")
    shop = load_shop(run.path / "shop")
    actions = actions_of(run, shop, run.read_table("planned"), opened.plans)
    assert set(actions) == set(opened.actions)
    assert not any(action.adds for action in actions.values())
