"""The run folder: equal rows give equal bytes, numbers merge, customers hide behind codes."""

import json

import numpy as np
import pandas as pd
import pytest

from promolab.errors import StepError
from promolab.folder import pseudonyms, write_json
from promolab.folder.artifacts import open_run
from promolab.language import _
from promolab.results import Estimate
from promolab.weeks import Week
from tests.refused import refused


def opened(folder, week="2017-W44"):
    folder.mkdir(parents=True)
    return open_run(folder, week=week)


@pytest.fixture
def run(tmp_path):
    return opened(tmp_path / "reports" / "2017-W44")


@pytest.fixture
def frame():
    columns = {"customer_id": [3, 1, 2, 1], "promotion_id": ["b", "b", "a", "a"]}
    columns |= {"p": [0.1, np.nan, 1 / 3, 1e-300], "when": pd.to_datetime(["2017-01-01"] * 4)}
    columns |= {"segment": pd.Categorical(["x", "y", "x", None])}
    return pd.DataFrame(columns, index=[9, 8, 7, 6])


def test_a_table_has_one_order_and_one_form(run, frame):
    by = ["promotion_id", "customer_id"]
    path = run.write_table("scores", frame, by=by)
    first = path.read_bytes()
    run.write_table("scores", frame.sample(frac=1, random_state=1), by=by)
    assert path.read_bytes() == first
    back = run.read_table("scores")
    assert back.columns.tolist() == frame.columns.tolist()
    assert back.promotion_id.tolist() == ["a", "a", "b", "b"]
    expected = frame.sort_values(by, ignore_index=True)
    pd.testing.assert_frame_equal(back, expected, check_dtype=False, check_categorical=False)
    assert [p.name for p in path.parent.iterdir()] == ["scores.parquet"]


def test_rows_not_told_apart_are_refused_and_a_missing_table_names_its_notebook(run, frame):
    with pytest.raises(StepError, match="tables/scores: 1 rows repeat another's customer_id"):
        run.write_table("scores", frame, by="customer_id")
    with pytest.raises(StepError, match="by='customer' is no column of it; did you mean"):
        run.write_table("scores", frame, by="customer")
    assert not run.table_path("scores").exists()
    refused(r"segments.parquet .* 03_segments writes it, run it first", run.read_table, "segments")
    refused("an earlier notebook writes it", run.read_table, "nonsense")


def test_numbers_are_merged_sorted_and_keep_their_digits(run):
    run.record("response", {"auc": Estimate(0.1 + 0.2, 0.2, np.nan, 3), "k": np.int64(4)})
    run.record("response", {"by_promotion": {18: {"n": 5}}})
    run.record("response", {"by_promotion": {"13": {"n": 6}}, "k": 5})
    run.record("headlines", [{"label": "a"}])
    run.record("headlines", [{"label": "b"}])
    auc = {"value": 0.30000000000000004, "ci_low": 0.2, "ci_high": None, "n": 3}
    response = {"auc": auc, "by_promotion": {"13": {"n": 6}, "18": {"n": 5}}, "k": 5}
    assert run.metrics == {"headlines": [{"label": "b"}], "response": response}
    text = (run.path / "metrics.json").read_text()
    assert list(json.loads(text)) == ["headlines", "response"] and "NaN" not in text


def test_what_the_first_page_says_is_kept_in_its_language_beside_english_metrics(run):
    def told():
        return {"why": _("Nothing starts this week."), "n": 3}

    write_json(run.path / "manifest.json", {"parameters": {"week": str(run.week), "lang": "zh"}})
    run.record("plan", {"customers": 9})
    run.record("plan", None)
    run.record("plan", {"customers": 4})
    run.record("why", told)
    assert run.metrics["why"] == {"why": "Nothing starts this week.", "n": 3}
    assert run.spoken == {"plan": {"customers": 4}, "why": {"why": "本周没有活动开始。", "n": 3}}
    run.record("why", None)
    run.record("why", {"n": 1})
    assert run.spoken["why"] == {"n": 1} == run.metrics["why"]


def test_another_weeks_metrics_are_read_where_there_are_any(run):
    run.record("a", {"b": 1})
    later = opened(run.path.parent / "2017-W45", "2017-W45")
    assert later.metrics_of(later.week.previous()) == {"a": {"b": 1}}
    assert later.metrics_of(Week(2016, 1)) is None


def test_a_collision_lengthens_the_codes(run, monkeypatch):
    monkeypatch.setattr(pseudonyms, "_CODE_LENGTH", 1)
    codes = run.pseudonym(range(500))
    assert len(set(codes)) == 500 and len({len(code) for code in codes}) == 1


def test_finish_notes_memory_only_inside_a_report(run, monkeypatch):
    run.finish()
    assert list(run.path.iterdir()) == []
    monkeypatch.setenv("PROMOLAB_STEP", "01_data")
    run.finish()
    note = json.loads((run.path / ".steps" / "01_data.json").read_text())
    assert 10 < note["peak_memory_mb"] < 10_000


def test_finish_lists_what_was_written_with_its_rows(run, tmp_path):
    run.write_table("one", pd.DataFrame({"a": [3, 1, 2]}), by="a")
    (run.path / "send").mkdir()
    (run.path / "send" / "x.csv").write_text('id,name\n1,"two\nlines"\n')
    (run.path / "send" / "nobody.csv").write_text("id,name\n")
    (run.path / "not_noted.json").write_text("{}")
    run.wrote(run.path / "send")
    run.wrote(None)
    run.record("data", {"rows": 3, "tables": {"a": 1, "b": [1, 2]}})
    run.record("data", {"rows": 4})
    written = run.finish()
    assert written.summary() == "This step wrote 3 files and 1 section of metrics.json."
    told = written.to_frame().set_index("what")["holds"].to_dict()
    expected = {"tables/one.parquet": "3 rows", "send/nobody.csv": "0 rows", "send/x.csv": "1 row"}
    expected |= {"data": "4 values"}
    assert told == expected
    assert 'href="tables/one.parquet"' in written._repr_html_()
    assert open_run(run.path, week="2017-W44").finish().summary() == "Nothing was written."
