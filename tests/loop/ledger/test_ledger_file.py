"""What is no ledger is refused and left as it is; readers and writers do not meet in the file."""

import multiprocessing
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest

from promolab.errors import InputError, StepError
from promolab.loop import ledger as module
from promolab.loop.ledger import Ledger
from promolab.loop.ledger_file import reading, writing
from tests.loop.ledger.test_ledger import AS_OF, WEEK, decisions, said
from tests.refused import refused


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = Ledger.open(tmp_path_factory.mktemp("one") / "ledger.duckdb", shop="Ours", create=True)
    rows = decisions(20_000)
    made.record_week(WEEK, AS_OF, state="draft", decisions=rows, predictions=said(0.1))
    return made.path


@pytest.fixture
def ledger(written: Path, tmp_path: Path) -> Ledger:
    return Ledger.open(shutil.copy(written, tmp_path), shop="Ours")


def flipped(path: Path) -> None:
    """Turn bits over in the middle of the rows: the file opens, and what is in it is wrong."""
    content = bytearray(path.read_bytes())
    place = content.find(b"2017-W44", 3 * 4096)
    content[place : place + 8] = bytes(255 - byte for byte in content[place : place + 8])
    path.write_bytes(bytes(content))


def told(path: Path, sql: str, *, anew: bool = False) -> None:
    """Let a program that knows nothing of ledgers write into the file, or into another one."""
    if anew:
        path.unlink()
    with duckdb.connect(str(path)) as con:
        con.execute(sql)


NEWER = "UPDATE meta SET value = '2' WHERE key = 'schema_version'"
THEIRS = "UPDATE meta SET value = 'Theirs' WHERE key = 'shop'"
OTHER = "CREATE TABLE meta AS SELECT 1 AS customer_id"
DAMAGE: dict[str, tuple[Callable[[Path], Any], str]] = {
    "truncated": (lambda p: p.write_bytes(p.read_bytes()[:-200_000]), "is damaged"),
    "cut to its header": (lambda p: p.write_bytes(p.read_bytes()[:5_000]), "is damaged"),
    "emptied": (lambda p: p.write_bytes(b""), "is empty: it is damaged, or something else"),
    "text": (lambda p: p.write_text("week,decision\n" * 1_000), "not a valid DuckDB"),
    "flipped": (flipped, "is damaged"),
    "newer promolab": (lambda p: told(p, NEWER), "was written by a newer promolab"),
    "another shop": (lambda p: told(p, THEIRS), "is that of Theirs, not of Ours"),
    "no ledger": (lambda p: told(p, OTHER, anew=True), "is a DuckDB file, but no ledger"),
    "without a table": (lambda p: told(p, "DROP TABLE outcomes"), "is damaged"),
}


@pytest.mark.parametrize("named", DAMAGE)
def test_what_is_no_ledger_of_ours_is_refused_and_left_as_it_is(ledger, named):
    damage, sentence = DAMAGE[named]
    damage(ledger.path)
    before = ledger.path.read_bytes()
    said_of_it = refused(sentence, Ledger.prepared, ledger.path, shop="Ours")
    assert "--ledger" in said_of_it and "\n" not in said_of_it
    assert ledger.path.read_bytes() == before
    if named in ("truncated", "flipped"):  # which are seen where all of the file is read
        refused("is damaged", ledger.decisions, WEEK)
    else:
        with pytest.raises(InputError):
            Ledger.open(ledger.path, shop="Ours", create=True).outcomes()
        with pytest.raises((InputError, StepError)):
            ledger.record_outcomes(WEEK, said(1.0), state="settled", known_at=AS_OF)
    assert ledger.path.read_bytes() == before


def test_places_that_can_hold_none(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    refused("is a folder", Ledger.prepared, tmp_path, shop="Ours")
    below = tmp_path / "file" / "ledger.duckdb"
    refused("cannot be written", Ledger.open, below, shop="Ours", create=True)
    assert Ledger.prepared(tmp_path / "new" / "ledger.duckdb", shop="Ours").weeks().empty
    assert list((tmp_path / "new").iterdir()) == []

    def denied(self, *_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "touch", denied)
    refused("Permission denied", Ledger.prepared, tmp_path / "ledger.duckdb", shop="Ours")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_ledger_that_may_only_be_read_is_read(ledger):
    ledger.path.parent.chmod(0o555)
    ledger.path.chmod(0o444)
    try:
        assert len(ledger.predictions()) == 1
        refused("cannot be written", Ledger.prepared, ledger.path, shop="Ours")
    finally:
        ledger.path.parent.chmod(0o755)


def test_who_holds_the_file_too_long_is_said(ledger):
    impatient = Ledger(ledger.path, "Ours", wait=0.1)
    with writing(ledger.path, "Ours"), pytest.raises(StepError, match="held by another program"):
        impatient.predictions()
    with reading(ledger.path, "Ours"):
        assert len(impatient.predictions()) == 1  # readers do not wait for each other
        with pytest.raises(StepError, match="held by another program"):
            impatient.advance(WEEK, "released")
    # a program that knows no lock beside the file
    code = f"import duckdb, sys; con = duckdb.connect({str(ledger.path)!r}); print(flush=True)"
    command, pipe = [sys.executable, "-c", f"{code}; sys.stdin.read()"], subprocess.PIPE
    foreign = subprocess.Popen(command, stdin=pipe, stdout=pipe)
    assert foreign.stdout is not None
    foreign.stdout.readline()
    try:
        with pytest.raises(StepError, match="held by another program"):
            impatient.predictions()
    finally:
        foreign.communicate(b"")
    assert len(impatient.predictions()) == 1


def test_what_fails_in_between_leaves_the_ledger_as_it_was(ledger, monkeypatch):
    replace = module.replace_rows

    def full(con, table, view, week):
        if table == "predictions":
            raise duckdb.IOException("IO Error: No space left on device")
        replace(con, table, view, week)

    monkeypatch.setattr(module, "replace_rows", full)
    with pytest.raises(StepError, match=r"could not be written \(.*No space left.*it is as it was"):
        ledger.record_week(WEEK, AS_OF, state="released", predictions=said(0.9))
    monkeypatch.undo()
    assert ledger.weeks()["state"].tolist() == ["draft"]
    assert len(ledger.decisions(WEEK)) == 20_000
    assert ledger.predictions()["value"].tolist() == [0.1]


def write_weeks(path: Path, writer: int, weeks: int) -> None:
    ledger = Ledger.open(path, shop="Ours", create=True)
    for number in range(weeks):
        week = f"20{20 + writer}-W{number + 1:02d}"
        for value in (0.5, 0.1):
            rows = {"decisions": decisions(200, week=week), "predictions": said(value)}
            ledger.record_week(week, AS_OF, state="draft", **rows)
        ledger.record_outcomes("2019-W01", said(writer), state="settled", known_at=AS_OF)


def test_two_writers_and_a_reader(tmp_path):
    path = tmp_path / "ledger.duckdb"
    started = multiprocessing.get_context("forkserver")  # which imports once for both
    started.set_forkserver_preload([__name__])
    writers = [started.Process(target=write_weeks, args=(path, n, 2)) for n in (0, 1)]
    for writer in writers:
        writer.start()
    seen = [0]
    while any(writer.is_alive() for writer in writers):
        if path.exists():
            rows = Ledger.open(path, shop="Ours").predictions()
            assert len(rows) >= seen[-1] and set(rows["value"]) <= {0.5, 0.1}
            seen.append(len(rows))
        time.sleep(0.01)
    assert [writer.exitcode for writer in writers] == [0, 0]
    ledger = Ledger.prepared(path, shop="Ours")
    weeks = ledger.weeks()["week"].tolist()
    assert len(weeks) == 4 and set(ledger.predictions()["value"]) == {0.1}
    assert [len(ledger.decisions(week)) for week in weeks] == [200] * 4
    assert len(ledger.outcomes()) == 1  # settled once, by whoever came first
