"""A shop's decisions as an experiment: outcomes, chances and what is known."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from promolab.contract import Experiment, Shop
from promolab.features import build_features, decisions_experiment
from promolab.features.decisions import one_after
from promolab.sources import load_shop
from tests.features.conftest import as_shop
from tests.refused import refused, spoilt

DAY = pd.Timedelta(days=1)


@pytest.fixture(scope="module")
def simulated() -> Any:
    return load_shop("simulated", customers=1_000, weeks=12, threads=2)


@pytest.fixture(scope="module")
def trial(simulated) -> Experiment:
    return decisions_experiment(simulated)


@pytest.fixture(scope="module")
def weekly() -> Any:
    how = {"customers": 150, "weeks": 14, "variant": "weekly", "exploration": 1.0}
    return load_shop("simulated", **how, threads=2)


@pytest.fixture(scope="module")
def stacked(weekly) -> Experiment:
    return decisions_experiment(weekly, early=True)


def test_covariates_are_features_as_of_the_decision_and_sales_its_span(simulated, trial):
    decided, who = trial.frame["ts"][0], trial.frame["customer_id"]
    bought = simulated.events.execute()
    span = bought["ts"].between(decided, decided + (7 + 28) * DAY, "left")
    sales = bought[span & (bought["kind"] == "purchase")].groupby("customer_id")["amount"].sum()
    np.testing.assert_allclose(trial.y("sales"), sales.reindex(who).fillna(0), atol=1e-4)
    assert trial.outcomes == ("margin", "sales", "purchases", "orders_placed")
    features = build_features(simulated, as_of=decided).execute().set_index("customer_id")
    features, mine = features.drop(columns="as_of").reindex(who), trial.X.set_axis(who)
    pd.testing.assert_frame_equal(mine[features.columns], features, check_dtype=False)
    rest = set(trial.covariates) - set(features.columns)
    assert rest == {"age", "tier", "signup_channel", "interest_in_offers"}


def test_rounds_overlap_and_are_stacked_by_kind(weekly, stacked):
    frame, world, shanghai = stacked.frame, weekly.truth.world, pd.Timedelta(hours=8)
    over = [world.starts(week) - shanghai for week in world.rounds if week + 2 + 4 <= world.weeks]
    assert sorted(frame["ts"].unique()) == over and len(over) == 4 and len(stacked.arms) == 5
    assert stacked.block == "round" and stacked.n == 4 * stacked.customers
    got = frame["arm"] != "none"
    assert (frame["arm"][got] == frame["action"][got].str.extract(r"W\d+-(\w+)-\d")[0]).all()
    np.testing.assert_allclose(frame["share_of_arm"], np.where(got, 1 / 3, 1.0))
    own = weekly.decisions.execute().set_index("decision_id")["propensity"]
    chance = stacked.propensity[np.arange(stacked.n), stacked.codes] * frame["share_of_arm"]
    np.testing.assert_allclose(chance, own.loc[frame["decision_id"]])
    assert "share_of_arm" not in stacked.covariates and "action" not in stacked.covariates


def test_one_round_and_arms_of_ones_choice_are_those_of_all_chances_renormalised(weekly, stacked):
    moment = sorted(stacked.frame["ts"].unique())[1]
    how = {"at": moment, "by": "kind", "arms": "coupon", "outcomes": "sales"}
    one = decisions_experiment(weekly, **how)
    same = stacked.take(stacked.frame["ts"] == moment).subset("coupon")
    assert one.arms == ("none", "coupon")
    assert one.frame["decision_id"].tolist() == same.frame["decision_id"].tolist()
    np.testing.assert_allclose(one.propensity, same.propensity)
    np.testing.assert_allclose(one.y(), same.y("sales"))


def test_all_decided_on_with_a_choice_are_there_by_the_chances_of_the_log(simulated, trial):
    decisions = simulated.decisions.execute()
    standing = decisions["holdout"] == "standing"
    assert sorted(trial.frame["decision_id"]) == sorted(decisions["decision_id"][~standing])
    assert f"{standing.sum()} of them of the standing holdout" in trial.notes[0]
    own = decisions.set_index("decision_id").loc[trial.frame["decision_id"]]
    assert trial.frame["arm"].tolist() == own["action"].tolist()
    logged = simulated.decision_propensities.execute()
    logged = logged.pivot_table(index="decision_id", columns="action", values="propensity")
    logged = logged.loc[trial.frame["decision_id"], list(trial.arms)]
    np.testing.assert_allclose(trial.propensity, logged, atol=1e-9)
    # As often as stated: five standard errors of a sum of draws.
    excess = np.eye(trial.K)[trial.codes] - trial.propensity
    spread = np.sqrt((trial.propensity * (1 - trial.propensity)).sum(axis=0))
    assert (np.abs(excess.sum(axis=0)) < 5 * spread).all()


def test_reweighted_means_are_the_truth_within_sampling_error(simulated, trial):
    for place, arm in enumerate(trial.arms):
        effects = simulated.truth.effects(arm if place else trial.treatments[0])
        effects = effects.set_index("customer_id").loc[trial.frame["customer_id"]]
        for outcome in ("margin", "sales"):
            weight = (trial.codes == place) / trial.propensity[:, place]
            true = effects[f"{outcome}_{'with' if place else 'without'}"].mean()
            found = weight * trial.y(outcome)
            error = found.std() / np.sqrt(trial.n)
            assert abs(found.mean() - true) < 4 * error, (arm, outcome)


def test_rounds_added_one_by_one_are_those_made_at_once(weekly, stacked):
    as_of = weekly.decisions.ts.min().execute() + pd.Timedelta(weeks=8)
    kept = decisions_experiment(weekly, by="kind", early=True, as_of=as_of)
    grown = decisions_experiment(weekly, by="kind", early=True, kept=kept)
    assert kept.n < grown.n == stacked.n
    pd.testing.assert_frame_equal(grown.frame[list(stacked.frame)], stacked.frame)
    np.testing.assert_array_equal(grown.propensity, stacked.propensity)
    assert grown.arms == stacked.arms and grown.covariates == stacked.covariates
    assert decisions_experiment(weekly, by="kind", early=True, kept=grown) is grown
    refused("kept has other outcomes", one_after, replace(kept, outcomes=("sales",)), grown)
    refused("kept holds decisions later than those that it lacks", one_after, grown, kept)


# A shop small enough to be reckoned in the head. -------------------------------------------------

START = pd.Timestamp("2024-03-01")


def frames() -> dict[str, pd.DataFrame]:
    bought = pd.DataFrame(
        [
            # customer, day, kind, product, order, amount, discount
            ("A", -4.5, "purchase", "P1", "O0", 5.0, 0.0),
            ("A", -3.0, "purchase", "P1", "O1", 10.0, 0.0),
            ("A", -1.5, "purchase", "P1", "O2", 7.0, 0.0),
            ("A", 0.5, "purchase", "P1", "O3", 90.0, 10.0),  # decided, but before the window
            ("A", 1.0, "purchase", "P1", "O4", 8.0, 2.0),
            ("A", 1.0, "purchase", "P2", "O4", 20.0, 0.0),
            ("A", 2.0, "return", "P2", "O4", 20.0, 0.0),
            ("A", 2.5, "return", "P1", "O2", 7.0, 0.0),  # bought before the span
            ("B", 2.0, "purchase", "P2", "O5", 30.0, 0.0),
            ("B", 9.0, "return", "P2", "O5", 30.0, 0.0),  # after the span
            ("B", 4.0, "purchase", "P2", "O6", 6.0, 0.0),
            ("B", 4.5, "cancel", "P2", "O6", 6.0, 0.0),
            ("C", 5.0, "purchase", "P1", "O7", 99.0, 0.0),  # the span's end
            ("D", 10.0, "view", "P1", None, np.nan, np.nan),
        ],
        columns=["customer_id", "day", "kind", "product_id", "order_id", "amount", "discount"],
    )
    bought["ts"] = START + bought.pop("day") * DAY
    decisions = pd.DataFrame({"decision_id": ["D1", "D2", "D3", "D4"], "customer_id": [*"ABCD"]})
    chances = decisions[["decision_id"]].merge(pd.DataFrame({"action": ["X", "none"]}), "cross")
    decisions = decisions.assign(ts=START, action=["X", "none"] * 2)
    decisions["holdout"] = ["none", "promotion", None, "standing"]
    decisions["propensity"] = [0.5, 0.6, 0.5, 1.0]
    chances["propensity"] = [0.5, 0.5, 0.4, 0.6, 0.5, 0.5, 0.0, 1.0]
    offer = pd.DataFrame({"promotion_id": ["X"], "kind": "coupon"})
    products = pd.DataFrame({"product_id": ["P1", "P2"], "category": "c"})
    return {
        "events": bought,
        "products": products.assign(margin_rate=[0.5, 0.25]),
        "promotions": offer.assign(starts_at=START + DAY, ends_at=START + 3 * DAY),
        "decisions": decisions,
        "decision_propensities": chances,
    }


Change = Callable[[dict[str, pd.DataFrame]], Any]


def opened(change: Change | None = None, **settings: Any) -> Shop:
    made = frames()
    if change is not None:
        change(made)
    return as_shop(made, zone=None, **settings)


@pytest.fixture(scope="module")
def plain() -> Shop:
    return opened()


@pytest.fixture(scope="module")
def found(plain) -> Experiment:
    return decisions_experiment(plain, horizon_days=2)


def test_returns_windows_and_ends_the_shops_own_rate_and_an_unknown_placebo(found):
    rows = found.frame.fillna({"orders": 0})
    expected = {
        "customer_id": ["A", "B", "C"],  # D, of the standing holdout, had no chance
        "sales": [8.0, 30.0, 0.0],
        "margin": [(8 + 2) * 0.5 - 2, 30 * 0.25, 0.0],
        "orders_placed": [1, 1, 0],
        "purchases": [1, 1, 0],
        "sales_before": [17.0, 0.0, 0.0],  # as long before the decision as the span: four days
        "margin_before": [17 * 0.5, 0.0, 0.0],
        "orders_placed_before": [2, 0, 0],
        "purchases_before": [1, 0, 0],
        "orders": [3, 0, 0],
    }
    assert rows[[*expected]].to_dict("list") == expected

    def unrated(made):
        del made["products"]["margin_rate"]

    found = decisions_experiment(opened(unrated, margin_rate=0.3), horizon_days=2)
    assert found.y("margin").tolist() == pytest.approx([10 * 0.3 - 2, 30 * 0.3, 0])
    unknown = opened(unrated)
    spoilt(r"no margin rate.*shop\.toml", decisions_experiment, unknown, horizon_days=2)
    shop = opened(lambda made: made.pop("decision_propensities"), opened="2024-02-28")
    found = decisions_experiment(shop, horizon_days=2, outcomes="sales")
    assert found.placebo == ()
    # Nor is its chance, where only that of the action taken is stated.
    assert found.design == "unknown" and "can only be adjusted" in found.notes[0]


def test_nothing_from_the_decision_on_is_known_nor_from_the_end_on_counted(found):
    def later(made):
        events = made["events"]
        after = events["ts"] >= START
        events.loc[after, "amount"] *= 100
        made["events"] = pd.concat([events, events[after].assign(customer_id="C")])

    def after_all(made):
        events = made["events"]
        events.loc[events["ts"] >= START + 5 * DAY, "amount"] *= 100

    other, same = (decisions_experiment(opened(c), horizon_days=2) for c in (later, after_all))
    pd.testing.assert_frame_equal(found.X, other.X)
    assert found.y("sales_before").tolist() == other.y("sales_before").tolist()
    assert found.y("sales").tolist() != other.y("sales").tolist()
    pd.testing.assert_frame_equal(found.frame, same.frame)


def put(table: str, **columns: Any) -> Change:
    return lambda made: made[table].update(columns)


def test_what_does_not_fit_is_said_in_a_sentence(plain):
    for change, call, message in [
        (None, {"horizon_days": 28}, r"count until 2024-04-01 .* known until 2024-03-12"),
        (None, {"at": "2024-03-01", "horizon_days": 20}, r"count until 2024-03-24"),
        (None, {"at": "2024-03-02"}, r"no decisions were made at 2024-03-02 .*2024-03-01 00:00"),
        (None, {"arms": "Y"}, "there is no arm 'Y' in these rounds; .*X"),
        (None, {"by": "week"}, "by is 'week'"),
        (None, {"outcomes": ["profit"]}, "no outcome 'profit'"),
        (None, {"horizon_days": -1}, "horizon_days = -1"),
        (None, {"as_of": "2024-02-01"}, "no decisions before 2024-02-01"),
        (put("decision_propensities", propensity=[0.6]), {}, "1 decision do not sum to 1, .* 'D1'"),
        (put("decisions", propensity=[0.4]), {}, "action taken, in 1 decision, such as 'D1'"),
        (put("decisions", action=["Z"]), {}, "action 'Z' of decisions is neither"),
        (put("promotions", starts_at=[START - DAY]), {}, "for a window that began before"),
        (
            lambda made: made.update(decision_propensities=made["decision_propensities"][2:]),
            {},
            "1 decision of 4 have no row in decision_propensities, such as 'D1'",
        ),
        (lambda made: made.pop("decisions"), {}, "effects need the table 'decisions'"),
    ]:
        shop = plain if change is None else opened(change)
        refused(message, decisions_experiment, shop, **{"horizon_days": 2} | call)
