"""A whole run on toy notebooks: what it writes, refuses, survives."""

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time

import nbformat
import pandas as pd
import pytest

from promolab.errors import StepError
from promolab.folder import RunFolder
from promolab.loop import keep_ledger, ledger_of
from promolab.loop.ledger import Ledger
from promolab.report.running.run import present, run_report
from promolab.report.running.run_start import (
    check_plan_parameters,
    check_uplift_parameters,
    checked_call,
    located,
    request_of,
)
from promolab.weeks import Week
from tests.refused import refused, spoilt
from tests.report.conftest import load_toy, toy_shop

WEEK = "2017-W44"


def files(folder):
    """Return the bytes of all artifacts that two runs share."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.suffix in {".parquet", ".json", ".html"} and path.name != "manifest.json"
    }


def visible(out):
    return sorted(p.name for p in out.iterdir() if not p.name.startswith("."))


def test_the_week_the_index_and_a_manifest_of_how_it_was_made_appear(planned):
    assert visible(planned) == [WEEK, "index.html", "latest", "ledger.duckdb", "source.json"]
    named = "01_data.html data_card.md index.html manifest.json metrics.json model_card.md"
    named += " notebooks send shop tables"
    assert sorted(p.name for p in (planned / WEEK).iterdir()) == named.split()
    assert os.readlink(planned / "latest") == WEEK
    source = json.loads((planned / "source.json").read_text())
    assert source == {"source": "complete_journey", "name": "Toy & Co"}
    manifest = json.loads((planned / WEEK / "manifest.json").read_text())
    assert manifest["status"] == "good" and manifest["inputs"] == {"events": "ab12"}
    assert manifest["parameters"]["week"] == WEEK
    assert {"python", "promolab", "pandas", "torch", "duckdb"} <= set(manifest["versions"])
    assert set(manifest["steps"]) == {"01_data", "10_campaign_report"}
    for step in manifest["steps"].values():
        assert 0 < step["seconds"] < 60 and 20 < step["peak_memory_mb"] < 2000
    key = (planned / ".key").read_bytes()
    assert key.hex() not in (planned / WEEK / "manifest.json").read_text()
    assert (planned / ".key").stat().st_mode & 0o777 == 0o600


def test_parameters_reach_the_notebooks_that_declare_them(toy_here, tmp_path):
    shop = tmp_path / "my shop"
    shop.mkdir()
    given = {"depth": "0.25", "mood": "7"}
    page = toy_here(tmp_path / "out", source=shop, seed=7, parameters=given)
    (tile,) = json.loads((page.parent / "metrics.json").read_text())["headlines"]
    assert tile["value"] == 10
    executed = nbformat.read(page.parent / "notebooks" / "10_campaign_report.ipynb", 4)
    told = next(c.source for c in executed.cells if "injected-parameters" in c.metadata.tags)
    assert "depth = 0.25" in told and "mood = '7'" in told and "threads" not in told
    assert "source = 'my shop'" in told
    assert "by my shop" in page.read_text() and str(tmp_path) not in page.read_text()


def test_a_wrong_call_is_refused_before_anything_runs(toy, tmp_path):
    for options, message in [
        ({"parameters": {"mod": "x"}}, r"no notebook has a parameter 'mod'; did you mean 'mood'\?"),
        ({"parameters": {"threads": "1.5"}}, "= 1.5 is of type float, must be of type int"),
        ({"parameters": {"threads": "true"}}, "is of type bool, must be of type int"),
        ({"parameters": {"depth": "deep"}}, "must be of type float like its default 0.5"),
        ({"parameters": {"mood": 3}}, "must be of type str"),
        ({"parameters": {"week": "2017-W40"}}, "week is not set with -p; use --week"),
        ({"week": "2017-W53"}, "there is no week 2017-W53"),
        ({"week": "next"}, "'next' is no ISO week"),
        ({"week": "2016-W52"}, "begins before the data do; .* cover 2017-W01 … 2018-W01"),
        ({"week": "2018-W02"}, "begins after the data end; .* cover 2017-W01 … 2018-W01"),
        ({"seed": -1}, "seed = -1; expected a whole number"),
        ({"workers": 0}, "workers = 0; expected a whole number from 1"),
        ({"shop_file": "/nowhere/shop.toml"}, "--shop /nowhere/shop.toml: there is no such file"),
    ]:
        refused(message, toy, tmp_path / "out", **options)
        assert not (tmp_path / "out").exists() or list((tmp_path / "out").iterdir()) == []


def test_a_source_is_told_so_that_it_is_found_from_another_folder(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "shop").mkdir()
    here = str(tmp_path)
    for given, told in [
        ("shop", f"{here}/shop"),
        ("complete_journey", "complete_journey"),
        ("nowhere", "nowhere"),
        ("duckdb://shop.duckdb", f"duckdb://{here}/shop.duckdb"),
        ("duckdb:///shop.duckdb", "duckdb:///shop.duckdb"),
        ("duckdb://${SHOPS}/a.duckdb", "duckdb://${SHOPS}/a.duckdb"),
        ("postgres://ann:${WORD}@db/shop", "postgres://ann:${WORD}@db/shop"),
    ]:
        assert located(given, None) == (told, None)


def test_no_folder_to_write_to_and_data_that_cannot_be_used_are_refused(toy, tmp_path, monkeypatch):
    taken = tmp_path / "taken"
    taken.write_text("mine")
    refused("is a file; give a folder", toy, taken)
    refused("cannot be written", toy, taken / "below")
    refused("cannot be written", toy, "/proc/promolab")
    assert taken.read_text() == "mine"
    monkeypatch.setattr("promolab.sources.load_shop", lambda *_, **__: toy_shop(usable=False))
    spoilt("events is empty", toy, tmp_path / "out")


@pytest.fixture
def earlier(planned, tmp_path):
    """A copy of the planned folder, to be endangered."""
    return shutil.copytree(planned, tmp_path / "reports", symlinks=True)


def test_a_failed_week_stands_in_the_list_until_it_succeeds(toy_here, earlier):
    before = files(earlier / WEEK)
    for week in (WEEK, "2017-W45"):
        with pytest.raises(StepError, match=r"step 01_data failed in cell 4: KeyError: .*column"):
            toy_here(earlier, week=week, parameters={"mood": "fail"})
    assert files(earlier / WEEK) == before
    assert visible(earlier) == [WEEK, "index.html", "latest", "ledger.duckdb", "source.json"]
    assert not list(earlier.glob(".staging-*"))
    record = json.loads((earlier / ".failed" / "2017-W45.json").read_text())
    assert record["week"] == "2017-W45" and "no such column" in record["reason"]
    assert str(earlier) not in record["reason"] and str(earlier) in str(earlier / record["reason"])
    page = (earlier / "index.html").read_text()
    assert "failed · step 01_data failed in cell 4: KeyError" in page
    assert "2017-W45/index.html" not in page and os.readlink(earlier / "latest") == WEEK
    # Bad data found by a notebook are the caller's to mend.
    refused("01_data: events has no rows", toy_here, earlier, parameters={"mood": "refuse"})
    page = (earlier / "index.html").read_text()
    assert "draft · the last run failed: 01_data: events has" in page
    toy_here(earlier, week="2017-W45")
    toy_here(earlier)
    assert not (earlier / ".failed").exists()
    assert "failed" not in (earlier / "index.html").read_text()


def test_a_kernel_that_dies_and_a_cell_that_hangs_fail_the_step(toy, tmp_path):
    with pytest.raises(StepError, match="step 01_data: its kernel died"):
        toy(tmp_path / "out", parameters={"mood": "die"})
    with pytest.raises(StepError, match="01_data: a cell took more than 1 second"):
        toy(tmp_path / "out", parameters={"mood": "hang"}, timeout=1)
    assert visible(tmp_path / "out") == ["index.html"]
    assert "failed · step 01_data: a cell took" in (tmp_path / "out" / "index.html").read_text()


COMMAND = """
import sys, promolab.sources, promolab.report.running.run_start as run
from pathlib import Path
from promolab.cli import main
from tests.report.conftest import load_toy
promolab.sources.load_shop = load_toy
run.find_notebooks = lambda: Path(sys.argv[1])
sys.exit(main(["report", "-p", "mood=hang", "--out", sys.argv[2]]))
"""


def test_sigterm_leaves_no_staging_folder(notebooks, repository, tmp_path):
    out = tmp_path / "out"
    environment = os.environ | {"PYTHONPATH": str(repository), "TMPDIR": str(tmp_path)}
    line, pipe = [sys.executable, "-c", COMMAND, str(notebooks), str(out)], subprocess.PIPE
    process = subprocess.Popen(line, env=environment, stderr=pipe, text=True)
    until = time.monotonic() + 300
    while not list(out.glob(".staging-*/hanging")):
        assert process.poll() is None and time.monotonic() < until
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=120)
    assert process.returncode == 128 + signal.SIGTERM
    assert said.splitlines() == [
        "promolab: 01_data: Data (1 of 2)",
        "promolab: ended by SIGTERM; nothing half done is left",
    ]
    assert visible(out) == [] and not list(out.glob(".staging-*"))


def test_what_no_plan_or_effect_can_have_is_refused_before_anything_is_run(small_shop, tmp_path):
    for name, value in (
        *(("holdout", 0.0), ("holdout", 1.0), ("holdout", -0.1), ("standing_holdout", 1.0)),
        *(("lead_days", -1), ("list_size", -5), ("budget", -1), ("budget", "much")),
        *(("policy", "best"), ("constraints", "/nowhere/limits.csv")),
    ):
        refused(name, check_plan_parameters, {name: value})
    for name, given, message in (
        ("kind", "drr", "kind = 'drr' is unknown; did you mean 'dr'"),
        ("learner", "lineal", "did you mean 'linear'"),
        ("horizon_days", -1, "horizon_days = -1"),
        ("experiment", "/nowhere/mail.csv", "there is no such file; give a csv"),
        ("outcomes", "spend", "give it with -p experiment=FILE"),
    ):
        refused(message, check_uplift_parameters, {name: given})
    early = {"parameters": {"lead_days": "900"}}
    refused("900 leads to before the data", run_report, small_shop, WEEK, tmp_path, **early)
    assert visible(tmp_path) == []
    table = shutil.copytree(small_shop, tmp_path / "shop") / "promotions.parquet"
    rows = pd.read_parquet(table).assign(discount_rate=40.0)
    rows[rows["promotion_id"].astype(str) == "26"].to_parquet(table)
    call = (table.parent, "2017-W01", tmp_path / "out")
    refused(r"26: discount_rate = 40.*\(0\.4, not 40\)", run_report, *call)
    assert visible(tmp_path / "out") == []


def test_an_experiments_file_is_told_by_its_content(monkeypatch, tmp_path):
    monkeypatch.setattr("promolab.sources.load_shop", load_toy)
    path = tmp_path / "mail.csv"
    path.write_text("arm,spend\n0,1\n", encoding="utf-8")
    given = {"experiment": str(path), "arm": "arm", "outcomes": "spend"}
    call = checked_call(request_of("toy", None, 0, given, None), present())
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert call.experiment == {"experiment/mail.csv": digest}
    assert "experiment/mail.csv" not in call.fingerprints  # pseudonyms are the shop's alone
    path.write_text("arm,spend\n0,2\n1,3\n", encoding="utf-8")
    assert not call.unchanged()


def test_the_ledger_lies_where_it_is_said_and_another_shops_is_refused(toy_here, tmp_path):
    theirs, other = tmp_path / "theirs.duckdb", tmp_path / "other"
    Ledger.open(theirs, shop="Theirs", create=True)
    refused("is that of Theirs, not of", toy_here, other, ledger=theirs)
    assert not (other / WEEK).exists()
    path = tmp_path / "kept" / "ours.duckdb"
    page = toy_here(tmp_path / "out", ledger=path)
    assert not (tmp_path / "out" / "ledger.duckdb").exists()
    assert Ledger.open(path, shop="Toy & Co").weeks()["week"].tolist() == [WEEK]
    run = RunFolder(page.parent, Week.parse(WEEK))
    assert run.manifest["ledger"] == str(path) and ledger_of(run).path == path


def test_what_a_killed_run_kept_from_the_ledger_is_made_up_for(toy_here, earlier, monkeypatch):
    (earlier / "ledger.duckdb").unlink()  # the report stands, the ledger was not written
    seen = []

    def looked(reports, ledger, rows, say):
        keep_ledger(reports, ledger, rows, say)
        seen.append(ledger.weeks()["week"].tolist())

    monkeypatch.setattr("promolab.report.running.run.keep_ledger", looked)
    toy_here(earlier, week="2017-W45")
    assert seen == [[WEEK], [WEEK, "2017-W45"]]
