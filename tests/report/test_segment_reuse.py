"""A name means the same next week: which segments a week uses, and what it says of them."""

import hashlib
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from promolab.folder.run_folder import RunFolder, open_run
from promolab.report import reuse_segments
from promolab.report.pages.segment_reuse import MODEL_FILE, SegmentsModel
from promolab.segmentation import Segmenter

OTHER = "Those of {} are of another method, number or features than were asked for."


def customers(shift: float = 0.0, n: int = 240) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    kind = np.arange(n) % 3
    orders = np.array([2, 40, 20])[kind]
    levels = {"recency_days": [80, 3, 9], "orders_84d": [1, 30, 12]}
    levels["average_order_amount"] = [20, 15, 150]
    rows = {k: np.array(level)[kind] * rng.uniform(0.7, 1.3, n) for k, level in levels.items()}
    table = pd.DataFrame({"customer_id": np.arange(n), "orders": orders, **rows})
    table["recency_days"] += shift
    return table.assign(amount=table["orders"] * table["average_order_amount"])


def staged(out: Path, week: str) -> RunFolder:
    """Return the run folder of a week that is being made, as the notebooks see it."""
    folder = out / f".staging-{week}-1"
    folder.mkdir(parents=True, exist_ok=True)
    return open_run(folder, week=week)


def reused(run, features, *, k=0, seed=0, refit=False, method="kmeans") -> SegmentsModel:
    asked = Segmenter(method, k=k or None, seed=seed)
    return reuse_segments(run, asked, features, refit=refit)


def make(out: Path, week: str, features=None, *, status: str = "good", **options):
    """Make a week's segments and publish the week; return them, their migration, what they say."""
    run = staged(out, week)
    model = reused(run, customers() if features is None else features, **options)
    run.write_table("segments", model.to_frame(), by="customer_id")
    migration, text = model.migration, model.summary()
    model.record()
    (run.path / "index.html").write_text("<p>")
    (run.path / "manifest.json").write_text(json.dumps({"status": status}))
    shutil.rmtree(out / week, ignore_errors=True)
    run.path.rename(out / week)
    return replace(model, run=open_run(out / week, week=week)), migration, text


@pytest.fixture(scope="module")
def w43_once(tmp_path_factory) -> Path:
    out: Path = tmp_path_factory.mktemp("carried")
    make(out, "2017-W43", k=3)
    return out


@pytest.fixture
def w43(w43_once, tmp_path) -> Path:
    """Return a reports folder with a week in which three segments were found."""
    shutil.copytree(w43_once, tmp_path, dirs_exist_ok=True)
    return Path(tmp_path)


def test_names_come_from_the_latest_earlier_good_week(tmp_path):
    first, migration, text = make(tmp_path, "2017-W43", k=3)
    assert migration is None and text == "Segments fitted on this week's customers."
    make(tmp_path, "2017-W45", refit=True, k=3)  # later than the one asked for below
    make(tmp_path, "2017-W42", status="failed", k=5)
    second, migration, text = make(tmp_path, "2017-W44", customers(2.0))
    assert second.is_carried and second.made_in == "2017-W43"
    assert text.startswith("Segments as fitted in week 2017-W43. ")
    assert "lie further from every segment" in text
    files = [(tmp_path / week / MODEL_FILE).read_bytes() for week in ("2017-W43", "2017-W44")]
    assert files[0] == files[1]
    assert set(second.segmenter.names_) <= set(first.segmenter.names_)
    assert migration.since == "2017-W43" and migration.same_fit
    assert migration.stayed.n == 240 and migration.appeared == migration.gone == 0
    noted = second.run.metrics["segments"]
    assert noted["made_in"] == "2017-W43" and noted["migration"]["since"] == "2017-W43"
    assert noted["model"] == hashlib.sha256(files[0]).hexdigest() and noted["far"]["n"] == 240


def test_a_rerun_uses_what_its_own_week_records(tmp_path, w43):
    before, _, told = make(tmp_path, "2017-W44", customers(2.0))
    make(tmp_path, "2017-W43", refit=True, k=4)
    again, _, text = make(tmp_path, "2017-W44", customers(2.0), seed=9)
    pd.testing.assert_frame_equal(before.to_frame(), again.to_frame())
    assert (again.made_in, text) == ("2017-W43", told)
    first, _, text = make(tmp_path, "2017-W20", k=3)
    again, _, same = make(tmp_path, "2017-W20", k=3)
    assert not again.is_carried and text == same
    assert first.segmenter.stability().summary() == again.segmenter.stability().summary()
    said = [of.segmenter.profile().summary() for of in (first, again)]
    assert said[0] == said[1] != "" and first.made_in == again.made_in


def test_made_anew_when_asked_or_of_another_method_or_without_its_features(tmp_path, w43):
    run = staged(tmp_path, "2017-W44")
    found = reused(run, customers(), method="rfm")
    assert found.segmenter.method == "rfm" and not (run.path / MODEL_FILE).exists()
    assert OTHER.format("2017-W43") in found.summary()
    other = Segmenter(columns=["recency_days", "orders"], bootstraps=2)
    found = reuse_segments(run, other, customers())
    assert not found.is_carried and OTHER.format("2017-W43") in found.summary()
    bare = customers()[["customer_id", "orders", "recency_days", "amount"]]
    found = reused(run, bare.assign(price_level=np.linspace(0, 1, 240)))
    assert not found.is_carried and not found.migration.same_fit
    assert "2 of the 3 that the segments look at" in found.summary()
    same, _, _ = make(tmp_path, "2017-W44", k=3)
    assert same.is_carried
    other, migration, text = make(tmp_path, "2017-W45", k=4)
    assert not other.is_carried and OTHER.format("2017-W44") in text
    assert not migration.same_fit and "made anew since" in migration.summary()
    again, _, text = make(tmp_path, "2017-W46", k=4, refit=True)
    assert not again.is_carried and text == "Segments fitted on this week's customers."
    make(tmp_path / "alone", "2017-W43", customers().head(2))  # of a single segment
    found = reused(staged(tmp_path / "alone", "2017-W44"), customers())
    assert not found.is_carried and found.segmenter.k_ >= 3


def test_a_damaged_file_is_passed_over_and_named(tmp_path, w43):
    make(tmp_path, "2017-W44")
    (tmp_path / "2017-W44" / MODEL_FILE).write_text("{")
    found, _, text = make(tmp_path, "2017-W45")
    assert found.made_in == "2017-W43"
    assert "Those of 2017-W44 cannot be used: segments_model.json is no saved result" in text
    assert str(tmp_path) not in text


def test_nobody_has_bought(tmp_path, w43):
    nobody = customers().assign(orders=0)
    for k in (0, 3):
        found = reused(staged(tmp_path, "2017-W44"), nobody, k=k)
        assert found.segmenter.names_ == ["No purchases yet"] and found.summary()
    fresh = reused(staged(tmp_path / "other", "2017-W44"), nobody)
    assert "No customer has bought" in fresh.summary()
    assert fresh.moves().empty and list(fresh.moves())[:2] == ["before", "now"]
    fresh.record()
