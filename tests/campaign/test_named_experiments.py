"""Experiments that shop.toml names: running, over and broken."""

import json
from datetime import datetime

import numpy as np
import pandas as pd
import pytest

from promolab.campaign.readout.named_experiments import read_experiments
from tests.made_up import shop_of

N, NOW = 3000, datetime(2017, 6, 1)
EVENTS = pd.DataFrame({"customer_id": [1], "ts": [pd.Timestamp("2017-03-01")], "kind": "purchase"})


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return a folder with the rows of an experiment: the letter brings visits."""
    rng = np.random.default_rng(2)
    arm = np.where(np.arange(N) % 2, "letter", "none")
    frame = pd.DataFrame({"customer_id": np.arange(N), "arm": arm})
    frame["visit"] = (rng.random(N) < np.where(arm == "letter", 0.3, 0.2)).astype(int)
    frame["left"] = (rng.random(N) < 0.01).astype(int)
    path = tmp_path_factory.mktemp("source")
    frame.to_parquet(path / "spring.parquet")
    frame.to_csv(path / "spring.csv", index=False)
    (path / "broken.parquet").write_text("this is no parquet")
    return path


def read(folder, *told):
    shop = shop_of({"events": EVENTS}, currency="EUR", operations={"experiments": told})
    return read_experiments(shop, NOW, folder)


SPRING = {"name": "Spring", "data": "spring.parquet", "metrics": ["visit"]} | {
    "guardrails": {"left": {"column": "left", "margin": 0.02}}
}


def test_a_file_is_read_out(folder):
    found = read(folder, SPRING, SPRING | {"name": "Again", "data": "spring.csv"})
    one, other = found.experiments
    assert (one.state, one.readout.verdict.word) == ("final", "ship")
    assert one.readout.rows[0].difference == other.readout.rows[0].difference
    assert one.readout.guardrails[0].state == "kept" and one.readout.guardrails[0].good == "down"
    assert found.summary().startswith("Spring (final): Ship letter: ")
    assert set(found.to_frame()["experiment"]) == {"Spring", "Again"}
    assert set(json.loads(json.dumps(found.to_dict(), allow_nan=False))) == {"Spring", "Again"}
    assert not read(folder) and read(folder).to_dict() == {} and read(folder).to_frame().empty


def test_before_its_end_it_is_provisional_with_a_band_that_may_be_looked_at(folder):
    dates = {"started": "2017-05-01", "ends": "2017-07-01"}
    past = {"name": "B", "started": "2017-04-01", "ends": "2017-05-01"}
    early, over = read(folder, SPRING | dates, SPRING | past).experiments
    assert (early.state, over.state) == ("provisional", "final")
    a, b = (one.readout.rows[0].difference for one in (early, over))
    assert a.ci_high - a.ci_low > 1.4 * (b.ci_high - b.ci_low)
    assert early.readout.verdict.word == "go on"
    sure = read(folder, SPRING | dates | {"sequential": True}).experiments[0]
    assert (sure.state, sure.readout.verdict.word) == ("provisional", "ship")
    to_come = read(folder, SPRING | {"started": "2017-06-01"}).experiments[0]
    assert to_come.state == "to come"  # until this midnight is over


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"data": "gone.parquet"}, "there is no file"),
        ({"data": "broken.parquet"}, "broken.parquet cannot be read as a table"),
        ({"metrics": ["visits"]}, "there is no column 'visits' in data; did you mean 'visit'"),
        ({"shares": {"none": 0.5, "leter": 0.5}}, "leter"),
        ({"control": "nobody"}, "'nobody'"),
    ],
)
def test_a_broken_experiment_is_a_sentence_and_the_others_are_read(folder, said, why):
    found = read(folder, SPRING | said | {"name": "Broken"}, SPRING)
    broken, other = found.experiments
    assert broken.state == "cannot be read" and why in broken.why
    assert other.readout is not None and found.table().text and found.plot()
    assert not read(folder, SPRING | said | {"name": "Broken"})
