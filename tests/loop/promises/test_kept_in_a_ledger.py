"""A week's page reads what earlier weeks wrote into the ledger, and of itself nothing."""

from datetime import datetime

import pandas as pd
import pytest

from promolab import load_shop
from promolab.display import say
from promolab.folder import open_run, write_json
from promolab.loop.ledger import Ledger
from promolab.loop.ledger_file import LEDGER_TABLES
from promolab.loop.promises import compare_forecasts, past_outcomes, run_forecast, week_outcomes
from tests.loop.promises.test_forecast_errors import WEEKS, ledger
from tests.loop.promises.test_outcomes import week_of


def run_of(reports, week, as_of, state="draft"):
    folder = reports / week
    (folder / "shop").mkdir(parents=True)
    settings = 'name = "Toys"\ncurrency = "EUR"\nzone = "UTC"\n'
    (folder / "shop" / "shop.toml").write_text(settings, "utf-8")
    manifest = {"parameters": {"week": week}, "shop": "Toys", "as_of": as_of.isoformat()}
    write_json(folder / "manifest.json", manifest | {"status": "good", "state": state})
    (folder / "index.html").write_text("made", "utf-8")
    return open_run(folder, week=week)


def test_a_week_reads_what_was_known_by_then_and_gives_it_back_to_the_last_digit(tmp_path):
    said, came = ledger(waiting=0)
    book = Ledger.open(tmp_path / "ledger.duckdb", shop="Toys", create=True)
    for place, week in enumerate(WEEKS):
        mine = said[said["week"] == week]
        book.record_week(week, datetime(2024, 3, 4 + place), state="draft", predictions=mine)
        rows = came[came["week"] == week].assign(known_at=pd.Timestamp(2024, 5, 1 + place))
        book.record_outcomes(week, rows, state="settled")
    run = run_of(tmp_path, "2024-W20", datetime(2024, 5, 6))
    found = compare_forecasts(run)
    assert found.currency == "EUR"
    # Ten weeks lie before it; what became of five of them was known before its moment.
    assert sorted(found.frame["week"].unique()) == WEEKS[:5]
    told = found.track_record(say("recomputed"))
    assert "EUR" in str(found.to_table()) and "recomputed" not in str(told)
    assert run_forecast(run).empty
    assert past_outcomes(run, None, datetime(2024, 5, 6)).empty
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
    return past_outcomes(later, shop), made, later


def test_a_plan_that_was_released_has_outcomes_and_a_draft_has_none(tmp_path, followed):
    shop, decisions, chances = followed
    found, *_ = looked_back(tmp_path / "released", followed)
    assert set(found["week"]) == {"2024-W28"} and set(found["state"]) == {"settled"}
    plain = week_outcomes(shop, decisions, chances, as_of="2024-09-08 16:00", week="2024-W28")
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
