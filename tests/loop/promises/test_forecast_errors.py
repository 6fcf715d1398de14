"""Promises beside what came: kept or broken, when an alarm rings, and what the ledger knew when."""

from datetime import datetime

import numpy as np
import pandas as pd
import pytest
from scipy.stats import multivariate_normal

from promolab import load_shop
from promolab.display import say
from promolab.folder import open_run, write_json
from promolab.loop import promises
from promolab.loop.ledger import Ledger
from promolab.loop.ledger_file import LEDGER_TABLES
from promolab.loop.promises import ComparedForecasts, compare_forecasts, join_outcomes
from promolab.loop.promises.assignment import typed
from promolab.loop.promises.forecast_errors import LEVEL, evidence
from tests.loop.promises.test_outcomes import week_of
from tests.refused import refused

WEEKS = [f"2024-W{w:02d}" for w in range(10, 22)]
SIZE = {"redemptions": 300.0, "spend": 3_000.0, "added_profit": 2_000.0}
NOISE = {"redemptions": 20.0, "spend": 200.0, "added_profit": 1_500.0}
Q = 1.645


def ledger(ratio=1.0, *, weeks=WEEKS, waiting=2, unit=("", "")):
    """Return predictions and outcomes: those of the last weeks are provisional."""
    rng, said, came = np.random.default_rng(0), [], []
    for place, week in enumerate(weeks):
        for measure, size in SIZE.items():
            keys = {"week": week, "promotion_id": unit[0], "segment": unit[1], "measure": measure}
            keys |= {"level": 0.9, "n": 900}
            noise = NOISE[measure]
            value = size * ratio + noise * rng.normal()
            near = {"ci_low": size - noise / 5, "ci_high": size + noise / 5}
            ends = {"readout_low": size - Q * noise, "readout_high": size + Q * noise}
            said.append(keys | {"value": size} | near | ends)
            wide = {"ci_low": value - Q * noise, "ci_high": value + Q * noise}
            state = "provisional" if place >= len(weeks) - waiting else "settled"
            came.append(keys | {"value": value, "state": state} | wide)
    return typed(said, "predictions"), typed(came, "outcomes")


def test_promises_are_kept_in_the_readouts_interval_and_rates_stand_in_the_ledger():
    rate = {"measure": "response_rate", "value": 0.1, "ci_low": 0.05, "ci_high": 0.2}
    said, came = (pd.concat([rows, rows.head(1).assign(**rate)]) for rows in ledger())
    found = ComparedForecasts(join_outcomes(said, came), currency="CNY")
    rows = found.frame
    assert "response_rate" in set(found.rows["measure"]) and len(rows) == 3 * len(WEEKS)
    inside = rows["came"].between(rows["readout_low"], rows["readout_high"])
    settled = rows["state"] == "settled"
    assert (rows.loc[settled, "kept"] == inside[settled]).all()
    assert rows.loc[~settled, "kept"].isna().all()
    assert found.kept.n == 30 and found.kept.value == pytest.approx(inside[settled].mean())
    assert "6 figures are provisional" in found.summary() and "CNY" in str(found.to_table())
    profit = rows[rows["measure"] == "added_profit"]
    assert np.allclose(profit["off"], profit["came"] - profit["said"])
    assert np.allclose(profit["spread"], NOISE["added_profit"], rtol=1e-3)
    counts = rows[rows["measure"] == "redemptions"]
    middle = np.sqrt(counts["readout_low"] * counts["readout_high"])
    assert np.allclose(counts["off"], np.log(counts["came"] / middle))


def test_whole_plans_are_told_and_the_first_page_shows_three_weeks():
    tables = [ledger(weeks=WEEKS[:4], waiting=0, unit=u) for u in (("", ""), ("7", ""), ("", "A"))]
    said, came = (pd.concat(parts, ignore_index=True) for parts in zip(*tables, strict=True))
    found = ComparedForecasts(join_outcomes(said, came))
    assert len(found.frame) == 12 and len(found.rows) == 36
    found.plot()
    before = say("recomputed")
    assert ComparedForecasts(join_outcomes(*ledger(waiting=12))).track_record(before) is before
    text = str(ComparedForecasts(join_outcomes(*ledger())).track_record(before))
    assert "recomputed" not in text and WEEKS[9] in text and WEEKS[6] not in text


def test_of_nothing_it_says_so_and_a_count_of_none_is_half_of_one():
    nothing = join_outcomes(typed((), "predictions"), typed((), "outcomes"))
    empty = ComparedForecasts(nothing, currency="CNY")
    assert "No earlier week" in str(empty.to_table()) and "No settled" in empty.alarm.summary()
    refused("nothing to draw", empty.plot)
    said, came = (rows.head(1) for rows in ledger())
    came = came.assign(value=0.0, ci_low=0.0, ci_high=3.0)
    rows = join_outcomes(said.assign(readout_low=1.0, readout_high=4.0), came)
    assert rows["measure"].tolist() == ["redemptions"]
    assert rows["off"].tolist() == pytest.approx([np.log(0.5) - np.log(2.0)])


# The alarm rings falsely in 5 % of years at most, and rings where the planner promises twice.

YEAR, RUNS = 52, 2_000


def rung(rng, *, shared, noise, ratio=1.0, together=1.0, said=100.0):
    """Return in which share of years it rings: weeks have an error that they share, and their own.

    `together` is how much of the shared error is the same in all weeks.
    """
    part = np.sqrt(together) * rng.normal(size=(RUNS, 1))
    part = part + np.sqrt(1 - together) * rng.normal(size=(RUNS, YEAR))
    off = said * (ratio - 1) + shared * part + noise * rng.normal(size=(RUNS, YEAR))
    spread = np.full(YEAR, np.hypot(shared, noise))
    found = evidence(off, spread, np.full(YEAR, shared), np.full(YEAR, said))
    return (found.max(axis=-1) >= 1 / LEVEL).mean()


def test_false_alarms_are_few_and_a_planner_that_promises_twice_is_found_out():
    rng = np.random.default_rng(0)
    for shared, noise in ((0.0, 50.0), (30.0, 50.0), (60.0, 30.0)):
        for together in (0.0, 1.0):
            false = rung(rng, shared=shared, noise=noise, together=together)
            assert false <= LEVEL + 3 * np.sqrt(LEVEL * 0.95 / RUNS), (shared, noise, together)
    # The readout of one week tells half of the promise from nothing as one standard error.
    found = rung(rng, shared=10.0, noise=50.0, ratio=0.5)
    assert found >= 0.85
    assert 0.05 < rung(rng, shared=10.0, noise=150.0, ratio=0.5) < found


def test_evidence_of_two_weeks_is_that_of_densities_written_out():
    off, spread, shared, size = map(np.array, ([-60.0, -40], [50.0, 40], [20.0, 10], [100.0, 80]))
    null = np.diag(spread**2) + np.outer(shared, shared)
    begins = 0.5 * (1 / 26) * (25 / 26) ** np.arange(2) + [0.5, 0]
    expected = 1 - begins.sum()
    for k in range(2):
        x = np.where(np.arange(2) >= k, size, 0.0)
        broken = multivariate_normal([0, 0], null + 0.25 * np.outer(x, x)).pdf(off)
        expected += begins[k] * broken / multivariate_normal([0, 0], null).pdf(off)
    assert np.isclose(evidence(off, spread, shared, size)[-1], expected, rtol=1e-9)


def test_the_alarm_names_the_week_and_what_came_and_without_settled_weeks_is_still():
    weeks = [f"2024-W{w:02d}" for w in range(1, 21)]
    kept, broken = (
        promises.promise_alarm(join_outcomes(*ledger(ratio, weeks=weeks, waiting=0)))
        for ratio in (1.0, 0.4)
    )
    assert not kept.rings and broken.rings and 0.3 < broken.ratio < 0.5
    assert broken.since in broken.summary()
    assert broken.frame["week"].tolist()[-1] == "2024-W20"


def run_of(reports, week, as_of, state="draft"):
    folder = reports / week
    (folder / "shop").mkdir(parents=True)
    toml = folder / "shop" / "shop.toml"
    toml.write_text('name = "Toys"\ncurrency = "EUR"\nzone = "UTC"\n', "utf-8")
    manifest = {"parameters": {"week": week}, "shop": "Toys", "as_of": as_of.isoformat()}
    write_json(folder / "manifest.json", manifest | {"status": "good", "state": state})
    (folder / "index.html").write_text("made", "utf-8")
    return open_run(folder, week=week)


def test_a_week_reads_what_was_known_by_then_and_gives_it_back_to_the_last_digit(tmp_path):
    weeks = WEEKS[:5]
    said, came = ledger(waiting=0, weeks=weeks)
    book = Ledger.open(tmp_path / "ledger.duckdb", shop="Toys", create=True)
    for place, week in enumerate(weeks):
        mine = said[said["week"] == week]
        book.record_week(week, datetime(2024, 3, 4 + place), state="draft", predictions=mine)
        rows = came[came["week"] == week].assign(known_at=pd.Timestamp(2024, 5, 1 + place))
        book.record_outcomes(week, rows, state="settled")
    run = run_of(tmp_path, weeks[4], datetime(2024, 5, 4))
    found = compare_forecasts(run)
    # Four weeks lie before it; what became of three of them was known before its moment.
    assert found.currency == "EUR" and sorted(found.frame["week"].unique()) == weeks[:3]
    assert "recomputed" not in str(found.track_record(say("recomputed")))
    assert (
        promises.run_forecast(run).empty
        and promises.past_outcomes(run, None, datetime(2024, 5, 4)).empty
    )
    rows = compare_forecasts(run_of(tmp_path, "2024-W40", datetime(2024, 10, 1))).rows
    kept = rows.sort_values(["week", "measure"])["said"].tolist()
    assert kept == said.sort_values(["week", "measure"])["value"].tolist()


@pytest.fixture(scope="module")
def followed():
    shop = load_shop("simulated", variant="weekly", customers=600, weeks=16, exploration=0.5)
    return shop, *week_of(shop, 1)


def looked_back(tmp_path, followed, state="released"):
    shop, decisions, chances = followed
    made = run_of(tmp_path, "2024-W28", decisions["ts"].iloc[0].to_pydatetime(), state)
    made.write_table("decisions", decisions, by="decision_id")
    made.write_table("decision_propensities", chances, by=["decision_id", "action"])
    later = run_of(tmp_path, "2024-W37", datetime(2024, 9, 8, 16))
    return promises.past_outcomes(later, shop), made, later


def test_a_plan_that_was_released_has_outcomes_and_a_draft_has_none(tmp_path, followed):
    shop, decisions, chances = followed
    found, *_ = looked_back(tmp_path / "released", followed)
    assert set(found["week"]) == {"2024-W28"} and set(found["state"]) == {"settled"}
    plain = promises.week_outcomes(
        shop, decisions, chances, as_of="2024-09-08 16:00", week="2024-W28"
    )
    pd.testing.assert_frame_equal(found, plain)
    assert looked_back(tmp_path / "draft", followed, "draft")[0].empty


def test_what_came_due_since_the_last_report_is_told_now(tmp_path, followed):
    shop, *_ = followed
    fresh, made, later = looked_back(tmp_path, followed)
    said = fresh.assign(readout_low=-1e9, readout_high=1e9, per="total")
    said = said[[*LEDGER_TABLES["predictions"]]]
    book = Ledger.open(tmp_path / "ledger.duckdb", shop="Toys", create=True)
    book.record_week("2024-W28", made.as_of, state="draft", predictions=said)
    assert compare_forecasts(later).rows.empty
    found = compare_forecasts(later, shop)
    assert found.kept.value == 1 and found.kept.n == 3
    # What the ledger has as settled stays as it is, whatever the shop says later.
    early = {"state": "settled", "known_at": pd.Timestamp(2024, 9, 1)}
    book.record_outcomes("2024-W28", fresh.assign(value=7.0), **early)
    assert (compare_forecasts(later, shop).rows["came"] == 7.0).all()
    # The first page reads what page 09 has told.
    later.write_table("promises", found.rows, by=["week", "promotion_id", "segment", "measure"])
    assert compare_forecasts(later).kept.n == 3 and compare_forecasts(later).currency == "EUR"
