"""What the weeks of a reports folder write into the ledger, and what was left out by a kill."""

import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from promolab.errors import InputError, StepError
from promolab.folder import ReportsFolder, RunFolder, read_json, write_json
from promolab.loop import ledger_of
from promolab.loop.ledger import Ledger
from promolab.loop.ledger_sync import WeekRows, checked_ledger, keep_ledger, run_key
from promolab.loop.monitoring import models_of
from promolab.weeks import Week
from tests.refused import refused

SHOP = "Ours"
WEEKS = [Week(2017, 44), Week(2017, 45), Week(2017, 46)]


def publish(reports, week, *, chance=0.5, **more):
    """Put a week into a reports folder, as a run leaves it."""
    with reports.staging(week) as staged:
        run = RunFolder(staged, week)
        told = {"parameters": {"week": str(week)}, "as_of": week.start("UTC").isoformat()}
        told |= {"shop": SHOP, "state": "draft", "status": "good", "ledger": "ledger.duckdb"}
        write_json(staged / "manifest.json", told)
        ids = np.arange(30)
        rows = pd.DataFrame({"decision_id": [f"{week}:{i}" for i in ids], "customer_id": ids})
        rows = rows.assign(ts=pd.Timestamp(week.start("UTC")), action="18", propensity=chance)
        decided = rows.assign(planned_action="18", holdout="none")
        run.write_table("decisions", decided, by=["ts", "customer_id"])
        chances = rows[["decision_id", "action", "propensity"]]
        both = pd.concat([chances, chances.assign(action="none", propensity=1 - chance)])
        run.write_table("decision_propensities", both, by=["decision_id", "action"])
        run.record("plan", {"chance": chance})
        (staged / "index.html").write_text("the report")
        for name in ("send", "shop"):
            (staged / name).mkdir()
        write_json(staged / "manifest.json", told | more | {"run_key": run_key(run)})
        reports.publish(staged, week)
    return reports.run(week)


def promised(run):
    return pd.DataFrame({"measure": ["redemptions"], "value": run.metrics["plan"]["chance"] * 30})


def happened(run, shop, as_of, *, weeks):
    earlier = [week for week in run.reports.weeks() if str(week) in weeks]
    states = ["settled" if len(earlier) - k > 1 else "provisional" for k in range(len(earlier))]
    rows = {"week": [str(w) for w in earlier], "state": states, "measure": "redemptions"}
    return pd.DataFrame(rows).assign(value=run.week.number * 1.0)


ROWS = WeekRows(promised, models_of, happened)
"""What the weeks say and find; their own rooms test how."""


@pytest.fixture
def reports(tmp_path, monkeypatch):
    monkeypatch.setattr("promolab.sources.load_shop", lambda *_, **__: None)
    made = ReportsFolder(tmp_path / "reports")
    made.path.mkdir()
    return made


def keep(reports, path=None, rows=ROWS):
    said: list[str] = []
    ledger = checked_ledger(reports, path, SHOP)
    keep_ledger(reports, ledger, rows, said.append)
    return ledger, said


def test_weeks_that_a_killed_run_left_out_are_made_up_for(reports, tmp_path):
    for week in WEEKS:
        publish(reports, week)
        keep(reports)
    ledger, said = keep(reports)
    before = ledger.path.read_bytes()
    assert said == keep(reports)[1] == [] and ledger.path.read_bytes() == before
    assert ledger.weeks()["state"].tolist() == ["draft"] * 3
    assert ledger.predictions()["value"].tolist() == [15.0] * 3
    assert ledger.decisions(WEEKS[0])["customer_id"].tolist() == sorted(range(30), key=str)
    late, _ = keep(reports, tmp_path / "late.duckdb")  # all of them at once, afterwards
    for table in ("weeks", "predictions", "outcomes", "decisions", "decision_propensities"):
        assert len(ledger.rows(table))
        pd.testing.assert_frame_equal(late.rows(table), ledger.rows(table))


def test_a_kill_between_outcomes_and_week_is_made_up_for(reports, monkeypatch):
    for week in WEEKS:
        publish(reports, week)

    def killed(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Ledger, "record_week", killed)
        keep(reports)
    ledger, _ = keep(reports)
    found = ledger.outcomes().set_index("week")[["value", "state"]].to_numpy().tolist()
    assert found == [[46.0, "settled"], [46.0, "provisional"]]
    assert len(ledger.weeks()) == 3


def test_a_page_reads_the_same_however_late_it_is_made_again(reports):
    seen = []
    for week in WEEKS:
        page = ledger_of(publish(reports, week))
        seen.append((page.predictions().to_csv(), page.outcomes().to_csv()))
        keep(reports)
    for week, then in zip(WEEKS, seen, strict=True):
        page = ledger_of(reports.run(week))
        assert (page.predictions().to_csv(), page.outcomes().to_csv()) == then
    assert "2017-W44" in seen[2][1] and "2017-W44" not in seen[0][0]


def test_a_draft_is_replaced_and_a_released_one_stays_as_the_draft_said(reports):
    publish(reports, WEEKS[0])
    keep(reports)
    run = publish(reports, WEEKS[0], chance=0.4)
    ledger, _ = keep(reports)
    assert ledger.predictions()["value"].tolist() == [12.0]
    newer = replace(ROWS, predictions=lambda run: promised(run).assign(value=99.0))
    for state in ("released", "sent", "closed"):
        write_json(run.path / "manifest.json", run.manifest | {"state": state})
        assert keep(reports, rows=newer)[1] == []
        assert ledger.weeks()["state"].tolist() == [state]
    publish(reports, WEEKS[0], chance=0.3, state="released")
    said = keep(reports)[1]
    assert len(said) == 1 and "2017-W44 is closed in the ledger" in said[0]
    assert ledger.predictions()["value"].tolist() == [12.0]


def test_a_released_week_whose_folder_is_gone_is_not_made_again(reports):
    run = publish(reports, WEEKS[0], state="released")
    keep(reports)
    shutil.rmtree(run.path)
    refused("2017-W44 as released, and .* has not", checked_ledger, reports, None, SHOP, WEEKS[0])
    checked_ledger(reports, None, SHOP, WEEKS[1])
    checked_ledger(reports, reports.path / "other.duckdb", SHOP, WEEKS[0])


def test_what_a_week_cannot_say_is_said(reports):
    def refused(run):
        raise InputError("tables/economics.parquet is not there")

    publish(reports, WEEKS[0])
    ledger, (said,) = keep(reports, rows=replace(ROWS, predictions=refused))
    assert said.endswith("ledger does not hold what it said: tables/economics.parquet is not there")
    assert len(ledger.decisions(WEEKS[0])) == 30 and ledger.predictions().empty


def test_a_ledger_that_cannot_be_written_leaves_the_reports(reports):
    publish(reports, WEEKS[0])
    ledger = checked_ledger(reports, None, SHOP)
    ledger.path.write_text("something else came between")
    with pytest.raises(StepError, match="the reports are there, but the ledger is not written"):
        keep_ledger(reports, ledger, ROWS, print)
    assert ledger.path.read_text() == "something else came between"
    assert read_json(reports.path / str(WEEKS[0]) / "manifest.json")["status"] == "good"
