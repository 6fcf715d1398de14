"""The run folder: equal rows give equal bytes; two weeks, or two mornings, never mix."""

import json
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from promolab.errors import StepError
from promolab.folder import write_json
from promolab.folder.run_folder import RunFolder, open_run
from promolab.language import _
from promolab.report.running.run_start import begin_run
from promolab.results import Estimate
from promolab.weeks import Week
from tests.refused import refused

FEATURES = pd.DataFrame({"customer_id": [1, 2], "orders": [3, 4]})


def opened(folder, week="2017-W44"):
    folder.mkdir(parents=True)
    return open_run(folder, week=week)


@pytest.fixture
def run(tmp_path):
    return opened(tmp_path / "reports" / "2017-W44")


def test_a_table_has_one_order_and_one_form(run):
    columns = {"customer_id": [3, 1, 2, 1], "promotion_id": ["b", "b", "a", "a"]}
    columns |= {"p": [0.1, np.nan, 1 / 3, 1e-300], "when": pd.to_datetime(["2017-01-01"] * 4)}
    columns |= {"segment": pd.Categorical(["x", "y", "x", None])}
    frame, by = pd.DataFrame(columns, index=[9, 8, 7, 6]), ["promotion_id", "customer_id"]
    path = run.write_table("scores", frame, by=by)
    first = path.read_bytes()
    run.write_table("scores", frame.sample(frac=1, random_state=1), by=by)
    assert path.read_bytes() == first
    back, expected = run.read_table("scores"), frame.sort_values(by, ignore_index=True)
    pd.testing.assert_frame_equal(back, expected, check_dtype=False, check_categorical=False)
    assert [p.name for p in path.parent.iterdir()] == ["scores.parquet"]


def test_rows_not_told_apart_are_refused_and_a_missing_table_names_its_notebook(run):
    twice = pd.DataFrame({"customer_id": [3, 1, 2, 1]})
    for by, words in [
        ("customer_id", "tables/scores: 1 rows repeat another's customer_id"),
        ("customer", "by='customer' is no column of it; did you mean"),
    ]:
        with pytest.raises(StepError, match=words):
            run.write_table("scores", twice, by=by)
    assert not run.table_path("scores").exists()
    refused(r"segments.parquet .* 03_segments writes it, run it first", run.read_table, "segments")
    refused("an earlier notebook writes it", run.read_table, "nonsense")


def test_numbers_are_merged_sorted_and_keep_their_digits(run):
    run.record("response", {"auc": Estimate(0.1 + 0.2, 0.2, np.nan, 3), "k": np.int64(4)})
    run.record("response", {"by_promotion": {18: {"n": 5}}})
    run.record("response", {"by_promotion": {"13": {"n": 6}}, "k": 5})
    for label in "ab":
        run.record("headlines", [{"label": label}])
    auc = {"value": 0.30000000000000004, "ci_low": 0.2, "ci_high": None, "n": 3}
    response = {"auc": auc, "by_promotion": {"13": {"n": 6}, "18": {"n": 5}}, "k": 5}
    assert run.metrics == {"headlines": [{"label": "b"}], "response": response}
    text = (run.path / "metrics.json").read_text()
    assert list(json.loads(text)) == ["headlines", "response"] and "NaN" not in text
    later = opened(run.path.parent / "2017-W45", "2017-W45")
    assert later.metrics_of(later.week.previous()) == run.metrics
    assert later.metrics_of(Week(2016, 1)) is None


def test_what_the_first_page_says_is_kept_in_its_language_beside_english_metrics(run):
    def told():
        return {"why": _("Nothing to show."), "n": 3}

    write_json(run.path / "manifest.json", {"parameters": {"week": str(run.week), "lang": "zh"}})
    for plan in ({"customers": 9}, None, {"customers": 4}):
        run.record("plan", plan)
    run.record("why", told)
    assert run.metrics["why"] == {"why": "Nothing to show.", "n": 3}
    assert run.spoken == {"plan": {"customers": 4}, "why": {"why": "没有可显示的内容。", "n": 3}}
    run.record("why", None)
    run.record("why", {"n": 1})
    assert run.spoken["why"] == {"n": 1} == run.metrics["why"]


def test_finish_lists_what_was_written(run):
    run.write_table("one", pd.DataFrame({"a": [3, 1, 2]}), by="a")
    (run.path / "send").mkdir()
    for name in ("send/x.csv", "send/nobody.csv", "not_noted.json"):
        (run.path / name).touch()
    for path in (run.path / "send", None):
        run.wrote(path)
    run.record("data", {"rows": 4})
    written = run.finish()
    assert written.summary() == "This step wrote 3 files and 1 section of metrics.json."
    told = written.to_frame().set_index("what")["section"].to_dict()
    files = ("tables/one.parquet", "send/nobody.csv", "send/x.csv")
    assert told == dict.fromkeys(files, False) | {"data": True}
    assert 'href="tables/one.parquet"' in written._repr_html_()
    assert open_run(run.path, week="2017-W44").finish().summary() == "Nothing was written."
    assert not (run.path / ".steps").exists()  # memory is noted inside a report alone


def begin(folder, week="2017-W44", source="corner", lead_days=0, **files):
    settings = SimpleNamespace(name="Corner")
    shop = SimpleNamespace(zone="Asia/Shanghai", settings=settings, fingerprints=files)
    return begin_run(folder, source=source, week=week, shop=shop, lead_days=lead_days)


@pytest.fixture
def lab(tmp_path):
    """A run folder as notebooks leave it in JupyterLab: 01 and 02 have run for 2017-W44."""
    run = begin(tmp_path / "lab", events="ab12")
    run.write_table("features", FEATURES, by="customer_id")
    run.record("customers", {"customers": 2})
    return run


def test_the_folder_records_source_week_and_as_of_and_01_run_again_keeps_them(lab):
    manifest = json.loads((lab.path / "manifest.json").read_text())
    assert manifest["parameters"] == {"source": "corner", "week": "2017-W44"}
    assert manifest["as_of"] == "2017-10-29T16:00:00" and manifest["lead_days"] == 0
    assert lab.as_of == datetime(2017, 10, 29, 16)  # Monday 00:00 in Shanghai
    for again in (open_run(lab.path, week="2017-W44", lead_days=0), begin(lab.path, events="ab12")):
        assert again.metrics == {"customers": {"customers": 2}}
        assert again.read_table("features").equals(FEATURES)


def test_another_week_is_refused_before_anything_is_read_or_written_and_another_morning(lab):
    before = {path: path.read_bytes() for path in lab.path.rglob("*") if path.is_file()}
    refused("2017-W44, not of 2019-W10: run 01_data and", open_run, lab.path, week="2019-W10")
    other, wrong = RunFolder(lab.path, Week.parse("2019-W10")), "of 2017-W44, not of 2019-W10"
    refused(wrong, other.read_table, "features")
    refused(wrong, other.record, "segments", {"k": 5})
    refused(wrong, other.write_table, "segments", FEATURES, by="customer_id")
    assert {p: p.read_bytes() for p in lab.path.rglob("*") if p.is_file()} == before
    words = r"known 0 days before it .*not lead_days = 3.*= 0 here"
    refused(words, open_run, lab.path, week="2017-W44", lead_days=3)
    again = begin(lab.path, lead_days=3, events="ab12")
    assert again.as_of == datetime(2017, 10, 26, 16)
    refused("02_customers writes it, run it first", again.read_table, "features")


def test_a_folder_that_is_not_there_below_a_file_or_of_no_known_week_is_refused(tmp_path):
    refused("no run folder .*lab; run 01_data", open_run, tmp_path / "lab", week="2017-W44")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "mine").mkdir()  # an empty one belongs to whom writes first
    open_run(tmp_path / "mine", week="2017-W44").write_table("one", FEATURES, by="customer_id")
    refused("of 2017-W44, not of 2017-W45", open_run, tmp_path / "mine", week="2017-W45")
    (tmp_path / "file").write_text("")
    refused("cannot be used as a run folder", begin, tmp_path / "file" / "lab")
    (tmp_path / "tables").mkdir()
    refused("not say of which week its tables are", open_run, tmp_path, week="2017-W44")
    refused("holds tables of no week that is known", begin, tmp_path)


@pytest.mark.parametrize("changed", [{"week": "2017-W45"}, {"source": "other"}, {"events": "cd34"}])
def test_begun_anew_numbers_and_tables_of_before_are_gone(lab, changed):
    run = begin(lab.path, **{"events": "ab12", **changed})
    assert run.metrics == {}
    refused("02_customers writes it, run it first", run.read_table, "features")
    if "week" in changed:
        refused("of 2017-W45, not of 2017-W44", lab.record, "segments", {"k": 5})


def test_tables_of_another_week_that_cannot_be_taken_away_are_not_this_weeks(lab):
    (lab.path / "tables" / "mine").mkdir()
    with pytest.raises(OSError):
        begin(lab.path, "2017-W45", events="ab12")
    refused("holds tables of no week that is known", begin, lab.path, "2017-W45", events="ab12")


def test_the_report_of_a_week_is_not_begun_anew(planned):
    refused(r"is the report of a week.*reports/lab", begin, planned / "2017-W44")
    run = open_run(planned / "2017-W44", week="2017-W44", lead_days=0)
    assert run.as_of == datetime(2017, 10, 30, 4) and len(run.read_table("sales")) == 3
    refused("of 2017-W44, not of 2017-W45", open_run, planned / "2017-W44", week="2017-W45")


def test_every_notebook_opens_the_folder_for_the_morning_it_was_told(repository: Path):
    codes = [path.read_text("utf-8") for path in (repository / "notebooks").glob("[0-9]*.ipynb")]
    assert sum("lead_days=lead_days" in code for code in codes) > 1
    for code in codes:
        assert ("lead_days=lead_days" in code) == ("lead_days = " in code)
