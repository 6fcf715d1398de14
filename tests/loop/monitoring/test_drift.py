"""Drift where a distribution moved far and nowhere else; methods and policies that weeks used."""

import warnings

import numpy as np
import pandas as pd
import pytest

from promolab.folder import ReportsFolder, RunFolder, sha256_of, write_json
from promolab.loop import monitoring
from promolab.loop.monitoring import drift_since, feature_drift, last_method, models_of
from promolab.loop.monitoring.drift import stability_index
from promolab.loop.promises import ComparedForecasts
from promolab.weeks import Week
from tests.draws import check_cover, draws
from tests.made_up import shop_of
from tests.refused import refused


def customers(n: int, seed: int, shift: float = 0.0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    orders = rng.poisson(3, n).astype(float)
    frame = pd.DataFrame({"customer_id": np.arange(n) + n * seed, "carts_28d": 0})
    frame["amount_84d"] = rng.lognormal(3 + shift, 1, n)
    frame["orders_84d"] = np.where(rng.random(n) < 0.3, np.nan, orders)
    frame["evening_share"] = rng.integers(0, 5, n) / 4
    frame["top_category"] = rng.choice(["a", "b", "c"], n, p=[0.5, 0.3, 0.2])
    return frame.assign(tenure_days=rng.uniform(0, 100, n) + 50 * shift)


def test_draws_of_the_same_customers_do_not_drift_nor_do_small_differences_of_many_rows():
    for n in (100, 3_000):
        for k in range(12):
            assert feature_drift(customers(n, k), customers(n, k + 50)).drifted == []
    found = feature_drift(customers(50_000, 1), customers(50_000, 2, shift=0.05))
    row = found.frame.set_index("column").loc["amount_84d"]
    assert row["p_holm"] < 1e-9 and row["drift"] == "no" and found.drifted == []
    then, now = customers(3_000, 1), customers(3_000, 2)
    rare = np.random.default_rng(0).random(3_000) < 0.4
    for frame, rate in ((then, 0.120), (now, 0.119)):
        frame["response_rate"] = np.where(rare, np.linspace(0, 1, 3_000), rate)
    found = feature_drift(then, now)
    row = found.frame.set_index("column").loc["response_rate"]
    assert row["psi"] > 0.25 and row["moved"] < 0.1 and found.drifted == []


def test_a_shift_is_found_as_are_columns_without_a_value_a_new_kind_and_a_constant_that_moves():
    for n in (100, 5_000):
        found = feature_drift(customers(n, 1), customers(n, 2, shift=1.0))
        rows = found.frame.set_index("column")
        row, grows = rows.loc["amount_84d"], rows.loc["tenure_days"]
        assert found.drifted == ["amount_84d"]
        assert row["drift"] == "much" and row["psi_low"] < row["psi"] < row["psi_high"]
        # What grows by itself moved as far, and is not called drift.
        assert grows["grows"] and grows["drift"] == "no"
    then = pd.DataFrame({"x": [np.nan] * 40, "kind": ["a", None] * 20})
    found = feature_drift(then, then.assign(x=1.0))
    assert found.drifted == ["x"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # one row at each time
        assert feature_drift(then.assign(x=1.0).head(1), then.assign(x=2.0).head(1)).drifted == []
    then, now = customers(2_000, 1), customers(2_000, 2)
    now["orders_84d"] = now["orders_84d"].where(np.arange(2_000) % 2 == 0)
    now["top_category"] = np.where(np.arange(2_000) % 3 == 0, "new", now["top_category"])
    now["carts_28d"] = 1
    found = feature_drift(then, now)
    assert set(found.drifted) == {"orders_84d", "top_category", "carts_28d"}


def test_the_index_is_that_of_the_book_covers_the_truth_and_is_fair_by_chance():
    p, q = np.array([0.2, 0.3, 0.5]), np.array([0.3, 0.3, 0.4])
    truth = float(((p - q) * np.log(p / q)).sum())
    many = np.array([p, q]) * 10**7
    assert stability_index(many)[0] == pytest.approx(truth, abs=1e-5)
    rng, n = np.random.default_rng(3), draws(400)
    pairs = zip(rng.multinomial(1_000, p, n), rng.multinomial(800, q, n), strict=True)
    found = np.array([stability_index(np.array(pair)) for pair in pairs])
    check_cover(found[:, :3], truth)
    alike = np.full(10, 0.1)
    found = np.array([stability_index(rng.multinomial(m, alike, 2)) for m in [200, 2_000] * 500])
    assert 0.03 <= (found[:, 3] < 0.05).mean() <= 0.07 and (found[:, 1] == 0).mean() > 0.95


def test_what_cannot_be_compared_is_refused():
    then = customers(50, 1)
    refused("now has no row", feature_drift, then, then.head(0))
    refused("must both have orders", feature_drift, then, then, ["orders"])
    refused("no column in common", feature_drift, then[["customer_id"]], then[["customer_id"]])


def week_of(out, number, response, uplift=""):
    folder = out / f"2024-W{number}"
    (folder / "tables").mkdir(parents=True)
    week = Week(2024, number)
    as_of = week.start("UTC").replace(tzinfo=None).isoformat()
    told = {"status": "good", "parameters": {"week": str(week)}, "as_of": as_of}
    write_json(folder / "manifest.json", told)
    (folder / "index.html").write_text("the report")
    metrics = {}
    if response:
        metrics["response"] = response
        (folder / "model.safetensors").write_bytes(f"model of {number}".encode())
    if uplift:
        (folder / "uplift.safetensors").write_bytes(b"effects")
        metrics["uplift"] = {"method": uplift}
    write_json(folder / "metrics.json", metrics)
    return ReportsFolder(out).run(week)


METHOD = {"model": "logistic", "options": {"l2": 30.0}, "features": ["orders", "recency_days"]}


def test_the_method_of_the_last_good_week_is_the_champion(tmp_path):
    first = week_of(tmp_path, 10, METHOD)
    assert last_method(first) is None
    second = week_of(tmp_path, 11, METHOD | {"options": {"l2": 100.0}})
    assert last_method(second) == METHOD | {"week": "2024-W10"}
    third = last_method(RunFolder(tmp_path / ".staging-x", Week(2024, 12)))
    assert third["options"] == {"l2": 100.0}
    # A week without promotions has no method; that of the one before it is still the champion.
    week_of(tmp_path, 12, None)
    assert last_method(RunFolder(tmp_path / "2024-W13", Week(2024, 13)))["week"] == "2024-W11"


def test_the_rows_for_the_ledger(tmp_path):
    decision = {"decision": "champion", "reason": "the first."}
    one = week_of(tmp_path, 10, METHOD | {"decision": decision}, uplift="dr")
    rows = models_of(one).frame.set_index("name")
    assert list(rows.index) == ["response", "uplift"] and set(rows["week"]) == {"2024-W10"}
    assert rows.loc["response", "fingerprint"] == sha256_of(one.path / "model.safetensors")
    assert rows.loc["response", "method"] == "logistic (l2 30) on 2 features"
    assert rows["decision"].tolist() == ["champion", "champion"]
    two = week_of(tmp_path, 11, METHOD | {"decision": decision | {"decision": "kept"}}, uplift="dr")
    assert models_of(two).frame["decision"].tolist() == ["kept", "kept"]
    three = week_of(tmp_path, 12, None, uplift="t/linear")
    assert models_of(three).frame["decision"].tolist() == ["replaced"]
    none = models_of(week_of(tmp_path, 13, None))
    assert not none and "No model was made" in none.summary()


def test_features_are_held_against_the_last_good_week(tmp_path):
    shop = shop_of({"events": pd.DataFrame({"ts": [pd.Timestamp("2022-01-03")]})})
    one, two = week_of(tmp_path, 10, None), week_of(tmp_path, 11, None)
    for run, shift in ((one, 0.0), (two, 60.0)):
        who = pd.RangeIndex(400)
        features = pd.DataFrame({"customer_id": who, "recency_days": who % 97 + shift})
        run.write_table("features", features, by="customer_id")
    found = drift_since(two, shop)
    assert found.drifted == ["recency_days"] and "since 2024-W10" in found.summary()


def weeks_of(shift: float = 0.0, *, apart: int = 0, n: int = 12) -> pd.DataFrame:
    """Two policies in weeks that differ more from each other than policies do."""
    rng = np.random.default_rng(0)
    season, noise = rng.normal(0, 90, n), rng.normal(0, 5, 2 * n)
    week = np.concatenate([np.arange(n), apart + np.arange(n)])
    added = 400 + np.tile(season, 2) + noise + np.repeat([0, shift], n)
    return pd.DataFrame({"policy": ["greedy"] * n + ["ucb"] * n, "week": week, "added": added})


def test_the_same_weeks_tell_policies_apart_that_other_weeks_do_not():
    same, others = (
        monitoring.weeks_by_policy(weeks_of(30.0, apart=each), currency="CNY") for each in (0, 99)
    )
    for found in (same, others):
        row = found.frame.set_index("policy").loc["ucb"]
        assert row["gap_low"] < 30 < row["gap_high"] and row["weeks"] == 12
    row = same.frame.set_index("policy").loc["ucb"]
    half = 2.2 * 5 * np.sqrt(2 / 12)  # Student's, of weeks' differences
    assert row["gap_high"] - row["gap_low"] == pytest.approx(2 * half, rel=0.4)
    assert same.frame["gap_low"].iloc[1] > 0 > others.frame["gap_low"].iloc[1]
    assert "Worth it here: UCB added" in same.summary()
    assert others.summary().startswith("Greedy suffices: no other policy")


def test_one_policy_alone_or_none_is_said_and_no_interval_is_made_of_a_week():
    alone = monitoring.weeks_by_policy(weeks_of(n=1).head(1))
    assert alone.summary().startswith("Greedy suffices until another policy shows more")
    assert alone.frame[["added_low", "gap"]].isna().all(axis=None)
    none = monitoring.weeks_by_policy(weeks_of().head(0))
    assert not none and "no policy can be told from another" in none.summary()


def test_a_week_counts_for_the_policy_that_decided_it_and_the_log_for_its_chances(tmp_path):
    rng, told = np.random.default_rng(1), []
    for number in range(10, 19):
        run = week_of(tmp_path, number, None)
        if number != 10:  # a week before policies were named: greedy
            named = {"policy": "ucb" if number > 14 else "greedy"}
            write_json(run.path / "metrics.json", {"policy": named})
        told.append({"week": f"2024-W{number}", "came": rng.normal(900 if number > 14 else 500, 9)})
    rows = pd.DataFrame(told).assign(promotion_id="", segment="", measure="added_profit")
    rows["state"] = ["settled"] * 8 + ["provisional"]
    who, sent = np.arange(400), np.arange(400) < 100
    decisions = pd.DataFrame({"decision_id": who, "customer_id": who})
    decisions["ts"], decisions["action"] = pd.Timestamp("2024-05-01"), np.where(sent, "P1", "none")
    decisions["propensity"] = np.where(sent, np.where(who < 50, 0.5, 0.05), 0.8)
    late = decisions.assign(decision_id=400 + who, ts=pd.Timestamp("2025-01-01"))
    events = pd.DataFrame({"customer_id": [1], "ts": [pd.Timestamp("2024-01-01")]})
    tables = {"events": events.assign(kind="purchase"), "decisions": pd.concat([decisions, late])}
    tables["promotions"] = pd.DataFrame({"promotion_id": ["P1"], "kind": ["coupon"]})
    run = week_of(tmp_path, 30, None)
    found = monitoring.policy_weeks(run, ComparedForecasts(rows, "CNY"), shop_of(tables))
    assert found.frame["weeks"].tolist() == [5, 3] and found.facts()["verdict"] == "worth"
    weights = np.repeat([2.0, 20.0], 50)
    assert found.worth["coupon"] == pytest.approx(weights.sum() ** 2 / (weights**2).sum())
    assert found.worth["none"] == pytest.approx(300)
    assert "worth 60 decisions of coupon" in found.summary()
