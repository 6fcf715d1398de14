"""Swap, lock, and what a killed run leaves."""

import os
import signal
import tempfile
from contextlib import ExitStack
from threading import Timer

import pytest

from promolab import cli
from promolab.errors import StepError
from promolab.folder import ReportsFolder, reports_folder, whole, write_json
from promolab.folder.files import exchange
from promolab.report.running.execute import kernels
from promolab.weeks import Week
from tests.refused import refused
from tests.report.conftest import forked

WEEK = Week(2017, 44)


def make_week(folder, text="new", status="good"):
    folder.mkdir(parents=True)
    (folder / "index.html").write_text(text)
    write_json(folder / "manifest.json", {"status": status})
    return folder


@pytest.fixture(params=["exchange", "fallback"])
def swap(request, monkeypatch):
    if request.param == "fallback":
        monkeypatch.setattr(reports_folder, "exchange", lambda one, other: False)


def test_a_new_week_appears_and_an_earlier_one_is_replaced(swap, tmp_path):
    target = tmp_path / str(WEEK)
    for text in ("first", "second", "third"):
        with ReportsFolder(tmp_path).staging(WEEK) as staged:
            (staged / "index.html").write_text(text)
            ReportsFolder(tmp_path).publish(staged, WEEK)
        assert (target / "index.html").read_text() == text
        assert [p.name for p in tmp_path.iterdir()] == [str(WEEK)]
    (tmp_path / "beside").mkdir()
    assert target.stat().st_mode == (tmp_path / "beside").stat().st_mode
    assert exchange(target, tmp_path / "missing") is False


def test_a_fallback_cut_short_between_the_renames_is_undone(monkeypatch, tmp_path):
    target = make_week(tmp_path / str(WEEK), "earlier")
    monkeypatch.setattr(reports_folder, "exchange", lambda one, other: False)
    rename, left = os.rename, [os.rename]

    def rename_once(one, other):
        if not left:
            raise KeyboardInterrupt
        left.pop()(one, other)

    with pytest.raises(KeyboardInterrupt), ReportsFolder(tmp_path).staging(WEEK) as staged:
        monkeypatch.setattr(os, "rename", rename_once)
        ReportsFolder(tmp_path).publish(staged, WEEK)
    monkeypatch.setattr(os, "rename", rename)
    assert not target.exists()
    ReportsFolder(tmp_path).tidy()
    assert (target / "index.html").read_text() == "earlier"
    assert [p.name for p in tmp_path.iterdir()] == [str(WEEK)]


def test_what_dead_runs_left_goes(tmp_path):
    for name in ("2017-W44", ".old-2017-W44", ".staging-2017-W44-abc"):
        make_week(tmp_path / name, "half" if name.startswith(".") else "good")
    for name in (".part-x", ".source.json.part"):
        (tmp_path / name).write_text("half")
    ReportsFolder(tmp_path).tidy()
    assert [p.name for p in tmp_path.iterdir()] == ["2017-W44"]
    assert (tmp_path / "2017-W44" / "index.html").read_text() == "good"


def test_latest_is_the_newest_good_week_by_time_and_a_folder_of_that_name_stays(tmp_path):
    reports, latest = ReportsFolder(tmp_path), tmp_path / "latest"
    reports.point_latest()
    assert not latest.exists()
    for name in ("2017-W44", "2016-W52", "2017-W09"):
        make_week(tmp_path / name)
        reports.point_latest()
        assert os.readlink(latest) == "2017-W44"
    make_week(tmp_path / "2017-W45", status="draft")
    make_week(tmp_path / "2017-W99")
    (tmp_path / "2017-W50").mkdir()
    reports.point_latest()
    assert reports.weeks() == [Week(2016, 52), Week(2017, 9), WEEK]
    assert (latest / "index.html").read_text() == "new" and not list(tmp_path.glob(".part-*"))
    latest.unlink()
    latest.mkdir()  # not ours
    reports.point_latest()
    assert not latest.is_symlink()


def test_two_runs_do_not_write_at_once_and_one_says_once_whom_it_waits_for(tmp_path):
    reports, left = ReportsFolder(tmp_path), make_week(tmp_path / ".staging-2017-W44-abc", "half")
    with reports.locked():
        reports.sweep()
        assert left.exists()  # it may be building that
        holder = rf"another run .*process {os.getpid()}, since 20"
        with pytest.raises(StepError, match=holder), reports.locked(wait=0.2):
            pass
    reports.sweep()
    assert not left.exists() and (tmp_path / ".lock").exists()
    said: list[str] = []
    with ExitStack() as first:
        first.enter_context(reports.locked(WEEK))
        leaves = Timer(0.4, first.close)
        leaves.start()
        with reports.locked(wait=20, say=said.append):
            assert len(said) == 1
        leaves.join()
    assert said[0].endswith("UTC, week 2017-W44); waiting until it is done")


def test_the_next_run_even_one_that_fails_clears_away_a_killed_one(tmp_path, monkeypatch):
    out, temporary = tmp_path / "out", tmp_path / "tmp"
    for folder in (out, temporary):
        folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))

    def killed():
        with ReportsFolder(out).locked(), ReportsFolder(out).staging(WEEK), kernels():
            os.kill(os.getpid(), signal.SIGKILL)

    assert forked(killed) == -signal.SIGKILL
    assert list(temporary.rglob("kernels-*")) and list(out.glob(".staging-*"))
    assert "process" in (out / ".lock").read_text()
    with ReportsFolder(out).locked(wait=0):
        pass  # its lock is free
    failed = ["report", "--source", "none", "--out", str(out)]
    assert forked(lambda: os._exit(cli.main(failed))) == 2
    assert not list(out.glob(".staging-*")) and not list(temporary.rglob("kernels-*"))


def test_staging_goes_whatever_happens_and_a_week_that_is_a_file_is_refused(tmp_path):
    with pytest.raises(KeyboardInterrupt), ReportsFolder(tmp_path).staging(WEEK) as staged:
        (staged / "tables").mkdir()
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "2017-W44").write_text("mine")
    refused("is a file; the week's report goes there", ReportsFolder.prepared, tmp_path, WEEK)


def test_of_what_failed_while_it_was_written_nothing_stays(tmp_path):
    (tmp_path / "a.txt").write_text("before")
    with pytest.raises(OSError, match="full"), whole(tmp_path / "a.txt") as part:
        part.write_text("half")
        raise OSError("full")
    assert [(p.name, p.read_text()) for p in tmp_path.iterdir()] == [("a.txt", "before")]
