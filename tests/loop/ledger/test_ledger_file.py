"""What is no ledger is refused and left as it is; readers and writers do not meet in the file."""

import json
import multiprocessing
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pytest

from promolab.errors import InputError, StepError
from promolab.loop import ledger as module
from promolab.loop.ledger import Ledger
from promolab.loop.ledger_file import reading, writing
from tests.draws import draws
from tests.refused import refused

AS_OF = datetime(2017, 10, 30, 4)
ROWS = 2_000


def decisions(week: str, rows: int = ROWS) -> pd.DataFrame:
    ids = pd.RangeIndex(rows).to_series()
    made = pd.DataFrame({"decision_id": week + ids.astype(str), "customer_id": ids})
    return made.assign(ts=pd.Timestamp(AS_OF), action="18", propensity=0.5, holdout="none")


def said(value: float) -> pd.DataFrame:
    return pd.DataFrame({"measure": ["response_rate"], "value": [value]})


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = Ledger.open(tmp_path_factory.mktemp("one") / "ledger.duckdb", shop="Ours", create=True)
    rows = decisions("2017-W44", 20_000)
    made.record_week("2017-W44", AS_OF, state="draft", decisions=rows, predictions=said(0.1))
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


def of_a_newer_duckdb(path: Path) -> None:
    """As version 2 of DuckDB leaves its files: another storage version, its checksum right."""
    path.unlink()
    with duckdb.connect() as con:
        con.execute(f"ATTACH '{path}' AS newer (STORAGE_VERSION 'latest')")
        con.execute("CREATE TABLE newer.t AS SELECT 1 AS a")
    content = bytearray(path.read_bytes())
    content[12:20] = (999).to_bytes(8, "little")
    content[:8] = checksum(bytes(content[8:4096])).to_bytes(8, "little")
    path.write_bytes(bytes(content))


def checksum(buffer: bytes) -> int:
    """Return DuckDB's checksum of a block whose size is a multiple of 8."""
    result, mask = 5381, 2**64 - 1
    for place in range(0, len(buffer), 8):
        result ^= int.from_bytes(buffer[place : place + 8], "little") * 0xBF58476D1CE4E5B9 & mask
    return result


NEWER = "UPDATE meta SET value = '2' WHERE key = 'schema_version'"
THEIRS = "UPDATE meta SET value = 'Theirs' WHERE key = 'shop'"
OTHER, NONE = "CREATE TABLE {} AS SELECT 1 AS customer_id", "is a DuckDB file, but no ledger"
DAMAGE: dict[str, tuple[Callable[[Path], Any], str]] = {
    "truncated": (lambda p: p.write_bytes(p.read_bytes()[:-200_000]), "is damaged"),
    "cut to its header": (lambda p: p.write_bytes(p.read_bytes()[:5_000]), "is damaged"),
    "emptied": (lambda p: p.write_bytes(b""), "is empty: it is damaged, or something else"),
    "text": (lambda p: p.write_text("week,decision\n" * 1_000), "is no DuckDB file"),
    "flipped": (flipped, "is damaged"),
    "newer promolab": (lambda p: told(p, NEWER), "was written by a newer promolab"),
    "another shop": (lambda p: told(p, THEIRS), "is that of Theirs, not of Ours"),
    "no ledger": (lambda p: told(p, OTHER.format("events"), anew=True), NONE),
    "other columns": (lambda p: told(p, OTHER.format("meta"), anew=True), NONE),
    "without a table": (lambda p: told(p, "DROP TABLE outcomes"), "is damaged"),
    "newer DuckDB": (of_a_newer_duckdb, "was written by a newer DuckDB"),
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
        refused("is damaged", ledger.decisions, "2017-W44")
    else:
        with pytest.raises(InputError):
            Ledger.open(ledger.path, shop="Ours", create=True).outcomes()
        with pytest.raises((InputError, StepError)):
            ledger.record_outcomes("2017-W44", said(1.0), state="settled", known_at=AS_OF)
    assert ledger.path.read_bytes() == before


def test_places_that_can_hold_none(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    refused("is a folder", Ledger.prepared, tmp_path, shop="Ours")
    refused("cannot be written", Ledger.prepared, tmp_path / "file" / "ledger.duckdb", shop="Ours")
    with pytest.raises(InputError, match="cannot be written"):
        Ledger.open(tmp_path / "file" / "ledger.duckdb", shop="Ours", create=True)
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
            impatient.advance("2017-W44", "released")
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
        ledger.record_week("2017-W44", AS_OF, state="released", predictions=said(0.9))
    monkeypatch.undo()
    assert ledger.weeks()["state"].tolist() == ["draft"]
    assert len(ledger.decisions("2017-W44")) == 20_000
    assert ledger.predictions()["value"].tolist() == [0.1]


def write_weeks(path: Path, writer: int, weeks: int) -> None:
    ledger = Ledger.open(path, shop="Ours", create=True)
    for number in range(weeks):
        week = f"20{20 + writer}-W{number + 1:02d}"
        for value in (0.5, 0.1):
            rows = {"decisions": decisions(week, 200), "predictions": said(value)}
            ledger.record_week(week, AS_OF, state="draft", **rows)
        ledger.record_outcomes("2019-W01", said(writer), state="settled", known_at=AS_OF)


def test_two_writers_and_a_reader(tmp_path):
    path = tmp_path / "ledger.duckdb"
    started = multiprocessing.get_context("spawn")
    writers = [started.Process(target=write_weeks, args=(path, n, 3)) for n in (0, 1)]
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
    assert len(weeks) == 6 and set(ledger.predictions()["value"]) == {0.1}
    assert [len(ledger.decisions(week)) for week in weeks] == [200] * 6
    assert len(ledger.outcomes()) == 1  # settled once, by whoever came first


KILLED = """
import json, os, random, signal, sys, time, traceback
from contextlib import suppress
from datetime import datetime
from pathlib import Path
import duckdb, pandas as pd
from promolab.errors import InputError
sys.path.insert(0, {tests!r})
from test_ledger_file import AS_OF, ROWS, decisions, said
from promolab.loop.ledger import Ledger

path, log = Path({path!r}), Path({log!r})
WEEKS = [f"20{{y}}-W{{w:02d}}" for y in range(10, 30) for w in range(1, 53)]

def write():
    ledger = Ledger.open(path, shop="Ours", create=True)
    done = len(log.read_text().split()) if log.exists() else 0
    for place in range(done, len(WEEKS)):
        week = WEEKS[place]
        with suppress(InputError):  # it was released before the kill
            ledger.record_week(week, AS_OF, state="draft", predictions=said(0.5))
        ledger.record_week(week, AS_OF, state="released", decisions=decisions(week, 500),
                           predictions=said(0.1))
        ledger.record_outcomes(week, said(place), state="settled", known_at=AS_OF)
        with log.open("a") as file:
            file.write(week + "\\n")
            file.flush()
            os.fsync(file.fileno())

def check():
    if not path.exists():
        assert not log.exists()
        return
    ledger = Ledger.prepared(path, shop="Ours")
    told = log.read_text().split() if log.exists() else []
    weeks = ledger.weeks().set_index("week")["state"]
    assert set(told) <= set(weeks.index) and len(weeks) - len(told) in (0, 1), (told, weeks)
    assert (weeks.loc[told] == "released").all()
    values = ledger.predictions().set_index("week")["value"]
    assert values.index.tolist() == weeks.index.tolist()
    assert (values == weeks.map({{"draft": 0.5, "released": 0.1}})).all()
    for week, state in weeks.iloc[-3:].items():
        assert len(ledger.decisions(week)) == (500 if state == "released" else 0)
    settled = ledger.outcomes().set_index("week")["value"]
    assert set(told) <= set(settled.index)

def child(work):
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            work()
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(code)
    return pid

# How long a week takes here: the first child writes one.
begun, pid = time.monotonic(), child(write)
while not log.exists():
    time.sleep(0.001)
week = time.monotonic() - begun
os.kill(pid, signal.SIGKILL)
os.waitpid(pid, 0)

rng, kills = random.Random({seed}), []
for attempt in range({kills}):
    pid = child(write)
    time.sleep(rng.uniform(0.0, 1.5 * week))
    os.kill(pid, signal.SIGKILL)
    status = os.waitpid(pid, 0)[1]
    kills.append(os.WIFSIGNALED(status))
    assert os.waitpid(child(check), 0)[1] == 0, attempt
print(json.dumps({{"killed": sum(kills), "weeks": len(log.read_text().split())}}))
"""


def test_killed_at_random_moments_nothing_is_lost(tmp_path, repository):
    """Each kill ends a process that writes weeks as fast as it can; the file is looked at after."""
    kills = draws(4, most=40)
    names = {"path": str(tmp_path / "ledger.duckdb"), "log": str(tmp_path / "told.txt")}
    code = KILLED.format(tests=str(Path(__file__).parent), seed=0, kills=kills, **names)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(repository), *sys.path])}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["killed"] == kills and told["weeks"] >= kills // 4, done.stdout + done.stderr
