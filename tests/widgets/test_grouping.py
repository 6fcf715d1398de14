"""Segments: each control chooses what was tried, and the choice can be saved."""

import argparse
import json

import numpy as np
import pandas as pd
import pytest

from promolab import cli
from promolab.cli import weeks
from promolab.folder import RunFolder
from promolab.segmentation import DEFAULT_COLUMNS, Segmenter
from promolab.weeks import Week
from promolab.widgets import grouping, segments
from tests.refused import refused


@pytest.fixture(scope="module", autouse=True)
def _few():
    """Try few settings and refit twice: what is tested here does not depend on how many."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(grouping, "NUMBERS", range(2, 6))
        patch.setattr(grouping, "REFITS", 2)
        yield


@pytest.fixture(scope="module")
def features() -> pd.DataFrame:
    """Three groups of customers that lie apart, and one who is unlike any."""
    rng = np.random.default_rng(2)
    centres = np.array([[2, 40, 900.0], [30, 9, 200.0], [150, 2, 30.0]])
    rows = centres[np.repeat([0, 1, 2], 80)] * rng.uniform(0.8, 1.25, (240, 3))
    table = pd.DataFrame(rows, columns=["recency_days", "orders_84d", "amount_84d"])
    table["orders"], table["amount"] = table["orders_84d"], table["amount_84d"]
    return table.assign(customer_id=np.arange(240) + 10)


@pytest.fixture(scope="module")
def made(features):
    return segments(features)


def test_a_move_looks_up_what_was_tried_and_a_method_without_centres_is_not_saved(made, features):
    made.move(method="kmeans", k=3)
    found = made.prepared_now()
    assert set(found.tried) == {2, 3, 4, 5} and found.customers == 240
    text = made.move(k=3).text
    assert made.prepared_now() is found
    assert text.startswith('<p class="finding">3 segments of 240 customers; adjusted Rand index')
    same = Segmenter(k=3, columns=made.state.columns, bootstraps=2).fit(features)
    assert (found.chosen(made.state).segmenter.labels_ == same.labels_).all()
    assert same.stability().value > 0.99 and "Found again best: " in text
    assert all(name in text for name in same.names_) and text != made.move(k=5).text
    for method in grouping.METHODS:
        text = made.move(method=method).text
        assert 'role="alert"' not in text and "of 240 customers" in text, method
    assert "makes no centres" in made.press("save").text


def test_the_choice_is_saved_as_parameters_of_the_week(features, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "its own.json"
    file.write_text('{"list_size": 30}')
    made = segments(features, save_to=file.name)
    # The usual features are saved as none.
    assert made.state.columns == tuple(c for c in DEFAULT_COLUMNS if c in features)
    made.press("save")
    assert json.loads(file.read_text())["segment_features"] == ""
    made.move(k=4, columns=("orders_84d", "recency_days"))
    # A terminal of JupyterLab does not stand in the notebook's folder.
    assert f"promolab report --parameters &#x27;{file}&#x27;" in made.press("save").text
    told = json.loads(file.read_text())
    expected = {"list_size": 30, "segment_method": "kmeans", "segments": 4}
    assert told == expected | {"segment_features": "recency_days, orders_84d"}
    asked = Segmenter(told["segment_method"], k=told["segments"], columns=told["segment_features"])
    assert asked.columns == ["recency_days", "orders_84d"]
    options = argparse.Namespace(parameters=str(file), parameter=["segments=6"])
    given = weeks._parameters(options)
    assert (given["segments"], given["list_size"]) == ("6", "30")
    file.write_text("[1]")
    assert cli.main(["report", "--parameters", str(file), "--out", str(tmp_path / "r")]) == 2
    assert "cannot be read as a JSON object" in capsys.readouterr().err
    assert "cannot be written or read" in made.press("save").text


def test_of_many_some_are_drawn_and_what_cannot_be_grouped_is_refused(features, monkeypatch):
    monkeypatch.setattr(grouping, "MOST", 100)
    assert "100 customers drawn by chance of 240" in segments(features).move(k=2).text
    refused("no column of numbers that differ", segments, pd.DataFrame({"customer_id": [1, 2]}))
    refused("there is no reports folder", segments, "2017-W44", out="/nowhere/at/all")


def test_segments_of_a_week_are_named_by_rhythm_and_not_grouped_by_it(features, tmp_path):
    # Who came two days ago comes several times a day; who came 150 days ago, once in a year.
    run = RunFolder(tmp_path, Week.parse("2024-W23"))
    run.write_table("features", features, by="customer_id")
    rhythm = features[["customer_id"]].assign(away_times=np.repeat([9.0, 1.0, 0.4], 80))
    run.write_table("profiles", rhythm, by="customer_id")
    explorer = segments(run)
    assert "away_times" not in explorer.state.columns
    explorer.move(method="kmeans", k=3)
    named = explorer.prepared_now().chosen(explorer.state).segmenter.labels_
    assert {name.startswith("Lapsed") for name in named[:80]} == {True}
    assert not any("apsed" in name for name in named[160:])
