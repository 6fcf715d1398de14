"""Segments in a file: back bit for bit, and nothing else is taken for them."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from promolab.segmentation import Segmenter
from promolab.segmentation.saved import _checksum
from tests.refused import refused


@pytest.fixture(scope="module")
def fitted(features: pd.DataFrame) -> Segmenter:
    return Segmenter(k_range=(3, 4), bootstraps=3).fit(features, customers=range(990, 1600))


@pytest.fixture(scope="module")
def saved(fitted: Segmenter, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fitted.save(tmp_path_factory.mktemp("segments") / "model.json", made_in="2017-W43")


def test_customers_are_where_they_were_with_their_evidence(fitted, saved, features) -> None:
    loaded = Segmenter.load(saved)
    shuffled = features.sample(frac=1, random_state=3)
    again = loaded.assign(shuffled, customers=range(990, 1600))
    pd.testing.assert_frame_equal(again.assignments(), fitted.assignments())
    assert again.names_ == fitted.names_ and again.made_in == "2017-W43"
    assert again.silhouette_ == fitted.silhouette_
    assert (loaded.predict(features) == fitted.labels_).all()
    # A customer alone is standardised as among all.
    one = features.iloc[[17]]
    assert loaded.predict(one).tolist() == [fitted.labels_[17]]
    again = Segmenter.load(saved).assign(features)
    pd.testing.assert_frame_equal(again.choice_.to_frame(), fitted.choice_.to_frame())
    assert again.choice_.summary() == fitted.choice_.summary()
    assert again.stability().summary() == fitted.stability().summary()
    assert again.stability().n == 3
    assert "made in 2017-W43" in again.profile().summary()


def test_saving_again_gives_the_same_bytes_also_of_one_segment(saved, features, tmp_path, fitted):
    again = Segmenter.load(saved).assign(features).save(tmp_path / "b.json", made_in="2018-W01")
    assert again.read_bytes() == saved.read_bytes()
    segments = json.loads(saved.read_text())["segments"]
    assert "customer_id" not in saved.read_text()
    # What there is one of per customer would be as long as they are many.
    assert max(len(v) for v in segments.values() if isinstance(v, list)) == len(fitted.columns_)
    same = pd.DataFrame({"customer_id": range(6), "orders": 1, "recency_days": 4.0})
    single = Segmenter(bootstraps=0).fit(same)
    loaded = Segmenter.load(single.save(tmp_path / "one.json"))
    assert loaded.predict(same).tolist() == ["All customers"] * 6
    assert np.isnan(loaded.assign(same).stability().value)


def edited(path: Path, change) -> str:
    whole = json.loads(path.read_text())
    change(whole)
    return json.dumps(whole)


def test_a_damaged_or_foreign_file_is_refused(saved, tmp_path, fitted) -> None:
    for damage, words in [
        (lambda path: path.read_text()[:-40], "damaged or holds no segments"),
        (lambda path: "\x80", "damaged or holds no segments|has format None"),
        (lambda path: "[]", "has format None"),
        (lambda path: "[" * 200_000, "damaged or holds no segments"),
        (lambda path: '{"format": "other/1"}', "has format 'other/1'"),
        (lambda path: '{"format": "promolab.segments/1"}', "holds no segments"),
        (
            lambda path: edited(path, lambda w: w["segments"].update(reach=9.0)),
            "changed after it was saved",
        ),
    ]:
        path = tmp_path / "bad.json"
        path.write_text(damage(saved), encoding="latin-1")
        refused(words, Segmenter.load, path)
    refused("there is no file", Segmenter.load, tmp_path / "none.json")
    refused("is a folder", fitted.save, tmp_path)
    refused("cannot be saved", fitted.save, tmp_path / "no" / "folder.json")


@pytest.mark.parametrize(
    "change",
    [
        {"names": ["a", "a", "b"]},
        {"centres": [[1.0]]},
        {"reach": None},
        {"scalings": [{"column": "orders", "curve": "__import__"}]},
        {"sizes": ["many"]},
    ],
)
def test_a_forged_file_is_refused(saved, tmp_path, change) -> None:
    def forge(whole) -> None:
        whole["segments"].update(change)
        whole["sha256"] = _checksum(whole["segments"])

    path = tmp_path / "forged.json"
    path.write_text(edited(saved, forge))
    refused("holds no segments of promolab", Segmenter.load, path)


@pytest.mark.parametrize("method", ["rfm", "dbscan"])
def test_what_has_no_centres_is_not_saved(method, features, tmp_path) -> None:
    other = Segmenter(method, bootstraps=0).fit(features)
    refused("no centres", other.save, tmp_path / "x.json")
    refused("no centres", other.assign, features)
    refused("not fitted", Segmenter().predict, features)
