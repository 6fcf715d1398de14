"""A run folder knows its week: tables and numbers of two weeks, or of two mornings, never mix."""

import json
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest

from promolab.errors import InputError
from promolab.folder.artifacts import RunFolder, open_run
from promolab.report.running.beginning import begin_run
from promolab.weeks import Week
from tests.refused import refused

FEATURES = pd.DataFrame({"customer_id": [1, 2], "orders": [3, 4]})


def shop(**files):
    settings = SimpleNamespace(name="Corner")
    return SimpleNamespace(zone="Asia/Shanghai", settings=settings, fingerprints=files)


def begin(folder, week="2017-W44", source="corner", lead_days=0, **files):
    return begin_run(folder, source=source, week=week, shop=shop(**files), lead_days=lead_days)


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
    assert open_run(lab.path, week="2017-W44", lead_days=0).read_table("features").equals(FEATURES)
    again = begin(lab.path, events="ab12")
    assert again.metrics == {"customers": {"customers": 2}}
    assert len(again.read_table("features")) == 2


def test_another_week_is_refused_before_anything_is_read_or_written(lab):
    before = {path: path.read_bytes() for path in lab.path.rglob("*") if path.is_file()}
    refused("2017-W44, not of 2019-W10: run 01_data and", open_run, lab.path, week="2019-W10")
    other = RunFolder(lab.path, Week.parse("2019-W10"))
    for work in (
        lambda: other.read_table("features"),
        lambda: other.record("segments", {"k": 5}),
        lambda: other.write_table("segments", FEATURES, by="customer_id"),
    ):
        refused("of 2017-W44, not of 2019-W10", work)
    assert {p: p.read_bytes() for p in lab.path.rglob("*") if p.is_file()} == before


def test_another_morning_is_refused(lab):
    with pytest.raises(InputError, match=r"known 0 days before it .*not lead_days = 3.*= 0 here"):
        open_run(lab.path, week="2017-W44", lead_days=3)
    again = begin(lab.path, lead_days=3, events="ab12")
    assert again.as_of == datetime(2017, 10, 26, 16)
    refused(r"features.parquet is of what was known at 2017-10-29T16", again.read_table, "features")


def test_a_folder_that_is_not_there_below_a_file_or_of_no_known_week_is_refused(tmp_path):
    refused("no run folder .*lab; run 01_data", open_run, tmp_path / "lab", week="2017-W44")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "file").write_text("")
    refused("cannot be used as a run folder", begin, tmp_path / "file" / "lab")
    (tmp_path / "tables").mkdir()
    refused("not say of which week .*; run 01_data", open_run, tmp_path, week="2017-W44")


def test_an_empty_folder_belongs_to_whom_writes_first(tmp_path):
    open_run(tmp_path, week="2017-W44").write_table("features", FEATURES, by="customer_id")
    assert len(open_run(tmp_path, week="2017-W44").read_table("features")) == 2
    refused("of 2017-W44, not of 2017-W45", open_run, tmp_path, week="2017-W45")


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"week": "2017-W45"}, "features.parquet is of 2017-W44, not of 2017-W45: run 02"),
        ({"source": "other"}, "features.parquet is of another source, or .*: run 02"),
        ({"events": "cd34"}, "features.parquet is of another source, or .*: run 02"),
    ],
)
def test_begun_anew_the_tables_before_are_refused_until_made_again(lab, changed, sentence):
    run = begin(lab.path, **{"events": "ab12", **changed})
    assert run.metrics == {}  # no number of the other run is left
    refused(sentence, run.read_table, "features")
    with pytest.raises(InputError, match="of"):
        lab.record("segments", {"k": 5}) if "week" in changed else lab.read_table("features")
    again = begin(lab.path, **{"events": "ab12", **changed})
    with pytest.raises(InputError, match=sentence):  # 01 again makes it no fresher
        again.read_table("features")
    run.write_table("features", FEATURES, by="customer_id")
    assert len(run.read_table("features")) == 2


def test_the_report_of_a_week_is_not_begun_anew(planned):
    refused(r"is the report of a week.*reports/lab", begin, planned / "2017-W44")
    run = open_run(planned / "2017-W44", week="2017-W44", lead_days=0)
    assert run.as_of == datetime(2017, 10, 30, 4) and len(run.read_table("sales")) == 3
    refused("of 2017-W44, not of 2017-W45", open_run, planned / "2017-W44", week="2017-W45")


def test_every_notebook_opens_the_folder_that_01_began(repository: Path):
    opened = {}
    steps = sorted((repository / "notebooks").glob("[0-9]*.ipynb"))
    for path in steps[1:]:  # all but the list of them
        code = path.read_text(encoding="utf-8")
        opened[path.stem] = "begin_run(folder" if "begin_run(folder" in code else "open_run(folder"
        assert opened[path.stem] in code and ("lead_days=lead_days" in code) == (
            "lead_days = " in code
        ), path.stem
    assert [stem for stem, how in opened.items() if how.startswith("begin")] == ["01_data"]
