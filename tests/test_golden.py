"""Weeks as they were: every table, number and send file; and what tests keep on disk."""

import json

import pandas as pd
import pytest

from tests import golden
from tests import kept as room
from tests.golden import agrees, facts_of_names, facts_of_week
from tests.kept import kept, key_of


def test_complete_journeys_week(journey_report):
    agrees("journey", facts_of_week(journey_report))


def test_a_second_week_of_the_small_shop(small_reports):
    agrees("second_week", facts_of_week(small_reports["first"].out / "2017-W45"))


def test_the_week_of_a_folder_of_invoices_in_chinese(chinese_invoices):
    spoken = json.loads((chinese_invoices / "spoken.json").read_text(encoding="utf-8"))
    agrees("chinese_invoices", {**facts_of_week(chinese_invoices), "spoken": spoken})


def test_a_simulated_week_with_a_budget(explored_week):
    agrees("budget", facts_of_week(explored_week.path))


def test_what_moved_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr(golden, "GOLDEN", tmp_path)
    told = pd.DataFrame({"who": ["a", "b", "c"], "p": [0.1, 0.2, 0.3], "n": [1, 2, 3]})
    monkeypatch.setenv("PROMOLAB_GOLDEN", "write")
    agrees("one", facts_of_names({"told": told}))
    monkeypatch.delenv("PROMOLAB_GOLDEN")
    agrees("one", facts_of_names({"told": told.assign(p=told["p"] + 1e-11)}))
    for where, changed in (
        ("columns/p/5", told.assign(p=told["p"] + [0, 0, 1e-8])),
        ("columns/p/6", told.assign(p=[0.2, 0.1, 0.3])),
        ("columns/who/3", told.assign(who=["b", "a", "c"])),
        ("columns/n: was", told.astype({"n": float})),
        ("rows", told.head(2)),
    ):
        with pytest.raises(AssertionError, match=f"one/names/told/{where}"):
            agrees("one", facts_of_names({"told": changed}))


def test_the_key_changes_with_a_source_its_name_the_packages_and_python(tmp_path, monkeypatch):
    def key():
        key_of.cache_clear()
        return key_of("room", root=tmp_path)

    source, compiled = tmp_path / "room" / "deep" / "a.py", tmp_path / "room" / "__pycache__"
    source.parent.mkdir(parents=True)
    compiled.mkdir()
    source.write_text("a = 1")
    keys = [key()]
    (tmp_path / "other.py").write_text("c = 1")
    (compiled / "a.pyc").write_text("compiled")
    assert key() == keys[0]
    for change in (
        lambda: source.write_text("a = 2"),
        lambda: source.rename(source.with_name("b.py")),
        lambda: monkeypatch.setattr("tests.kept.sys.version", "3.99"),
        lambda: monkeypatch.setattr("tests.kept.sysconfig.get_path", lambda _: str(tmp_path)),
        lambda: monkeypatch.setenv("PROMOLAB_DATA", "elsewhere"),
    ):
        change()
        keys.append(key())
    assert len(set(keys)) == 6


def test_a_folder_is_made_once_and_again_where_it_is_in_part_or_was_changed(tmp_path, monkeypatch):
    monkeypatch.delenv("CI", raising=False)
    made = []

    def make(folder):
        made.append(folder)
        (folder / "a.txt").write_text("whole")
        if len(made) == 1:
            raise KeyboardInterrupt

    def again():
        return kept("it", make, scratch=tmp_path / "scratch", where=tmp_path / "kept")

    with pytest.raises(KeyboardInterrupt):
        again()
    folder = again()
    assert again() == folder and len(made) == 2
    (folder / "a.txt").write_text("other")
    (folder / ".key").write_text("a reader's")
    assert again() == folder and len(made) == 2  # somebody may be reading it
    monkeypatch.setenv("PYTEST_XDIST_TESTRUNUID", "the next run")
    assert again() == folder and len(made) == 3
    monkeypatch.setattr(room, "key_of", lambda *_: "another")
    assert again().name == "it-another" and folder.is_dir()
    monkeypatch.setattr(room.time, "time", lambda: 1e12)
    monkeypatch.setattr(room, "key_of", lambda *_: "a third")
    again()
    assert [p.name for p in (tmp_path / "kept").iterdir() if p.is_dir()] == ["it-a third"]
    monkeypatch.setenv("CI", "1")
    assert again().parent == tmp_path / "scratch"
