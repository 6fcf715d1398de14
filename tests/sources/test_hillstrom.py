"""Hillstrom's experiment: the real file where it is at hand, and the ways to get it."""

import gzip
import hashlib
import io
import os
import urllib.error
import urllib.request
from pathlib import Path

import pandas as pd
import pytest

from promolab import load_experiment
from promolab.sources import hillstrom as source
from tests.refused import refused, spoilt

FILE = Path(os.environ.get("PROMOLAB_DATA", ".")) / "hillstrom.csv.gz"
real = pytest.mark.skipif(not FILE.is_file(), reason="PROMOLAB_DATA has no hillstrom.csv.gz")

SMALL = b"""\
recency,history_segment,history,mens,womens,zip_code,newbie,channel,segment,visit,conversion,spend\r
10,2) $100 - $200,142.44,1,0,Surburban,0,Phone,Womens E-Mail,0,0,0\r
6,3) $200 - $350,329.08,1,1,Rural,1,Web,No E-Mail,0,0,0\r
6,3) $200 - $350,329.08,1,1,Rural,1,Web,No E-Mail,0,0,0\r
7,1) $0 - $100,29.99,0,1,Urban,1,Web,Mens E-Mail,1,1,29.5\r
"""


@pytest.fixture
def nowhere(monkeypatch, tmp_path):
    monkeypatch.delenv("PROMOLAB_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    asked: list[str] = []

    def answer_with(content: bytes | Exception) -> list[str]:
        def opened(address, timeout):
            asked.append(address)
            if isinstance(content, Exception):
                raise content
            return io.BytesIO(content)

        monkeypatch.setattr(urllib.request, "urlopen", opened)
        return asked

    return answer_with


@real
def test_the_published_rates_and_what_is_odd_about_the_file(nowhere, monkeypatch):
    asked = nowhere(urllib.error.URLError("not to be asked"))
    monkeypatch.setenv("PROMOLAB_DATA", str(FILE.parent))  # comes before a download
    trial = load_experiment("hillstrom")
    assert trial.n == trial.customers == 64_000 and asked == []
    assert trial.arms == ("No E-Mail", "Mens E-Mail", "Womens E-Mail")
    table = trial.describe().set_index("arm")
    assert (100 * table["visit"]).round(2).tolist() == [10.62, 18.28, 15.14]
    assert (100 * table["conversion"]).round(2).tolist() == [0.57, 1.25, 0.88]
    assert table["spend"].round(2).tolist() == [0.65, 1.42, 1.08]
    assert table["propensity"].tolist() == pytest.approx([1 / 3] * 3)
    assert table["n"].tolist() == [21_306, 21_307, 21_387]
    said = " ".join(trial.notes)
    assert "'Surburban' is read as 'Suburban' (28,776 rows)" in said
    assert "6,562 rows equal an earlier one" in said and "checksum" not in said
    assert set(trial.X["zip_code"]) == {"Rural", "Suburban", "Urban"}
    assert not set(trial.covariates) & {"visit", "conversion", "spend", "history_segment"}


@real
def test_all_published_copies_have_one_of_the_checksums():
    content = gzip.decompress(FILE.read_bytes())
    written = pd.read_csv(io.BytesIO(content)).to_csv(index=False).encode()
    copies = (content, content + b"\r\n", written)
    assert {hashlib.sha256(copy).hexdigest() for copy in copies} == set(source.CHECKSUMS)


def test_a_download_is_checked_and_kept_or_the_cache_named(nowhere, monkeypatch, tmp_path):
    asked = nowhere(SMALL)
    monkeypatch.setattr(source, "CHECKSUMS", (hashlib.sha256(SMALL).hexdigest(),))
    assert [load_experiment("hillstrom").n for _ in range(2)] == [4, 4]
    assert asked == [source.ADDRESSES[0]]
    assert [p.name for p in (tmp_path / "cache/promolab").iterdir()] == ["hillstrom.csv.gz"]
    (tmp_path / "file").write_text("a file where the folder should be")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    refused("downloaded, but .* cannot be written.*PROMOLAB_DATA", load_experiment, "hillstrom")


def test_another_file_is_not_kept_and_without_a_network_the_ways_are_named(nowhere, tmp_path):
    asked = nowhere(SMALL)
    refused(r"checksum differs.*path=…", load_experiment, "hillstrom")
    assert asked == list(source.ADDRESSES)
    assert not (tmp_path / "cache/promolab").exists()
    nowhere(urllib.error.URLError("no route"))
    said = refused("no route", load_experiment, "hillstrom")
    assert all(part in said for part in (source.ADDRESSES[0], "path=", "PROMOLAB_DATA"))


def test_a_file_of_ones_own_is_told_from_the_published_one_with_its_columns(tmp_path):
    path = tmp_path / "some.csv"
    path.write_bytes(SMALL)
    trial = load_experiment("hillstrom", path=path)
    assert "not the published file" in trial.notes[0]
    assert trial.X["zip_code"].tolist() == ["Suburban", "Rural", "Rural", "Urban"]
    path.write_text("a,b\n1,2\n")
    spoilt(r"'recency'.*load_experiment\(path, arm", load_experiment, "hillstrom", path=path)
    refused("there is no file", load_experiment, "hillstrom", path=tmp_path / "none.csv")
    refused("brings its own columns", load_experiment, "hillstrom", arm="segment")
