"""A week is written once; what is no ledger is refused; readers and writers do not meet."""

import multiprocessing
import os
import shutil
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest

from promolab.errors import InputError, StepError
from promolab.loop import ledger as module
from promolab.loop.ledger import Ledger
from promolab.loop.ledger_file import LEDGER_TABLES, reading, writing
from tests.refused import refused

WEEK = "2017-W44"
AS_OF = datetime(2017, 10, 30, 4)


def decisions(n: int = 5, chance: float = 0.5, week: str = WEEK) -> pd.DataFrame:
    columns = {"decision_id": [f"{week}-{i}" for i in range(n)], "customer_id": np.arange(n)}
    columns |= {"ts": pd.Timestamp(AS_OF), "action": "18", "propensity": chance}
    columns |= {"planned_action": "18", "holdout": "none"}
    return pd.DataFrame(columns)


def said(value: float = 0.1) -> pd.DataFrame:
    row = {"promotion_id": "18", "measure": "response_rate", "value": value, "ci_low": value / 2}
    return pd.DataFrame([row | {"ci_high": 2 * value, "per": "customer"}])


@pytest.fixture
def book(tmp_path):
    return Ledger.open(tmp_path / "ledger.duckdb", shop="Ours", create=True)


def test_a_week_is_read_as_it_was_written_and_text_ids_stay_text(book):
    models = pd.DataFrame({"name": ["response"], "fingerprint": ["ab"], "decision": ["champion"]})
    chances = decisions()[["decision_id", "action", "propensity"]]
    frames = {"decisions": decisions(), "decision_propensities": chances}
    frames |= {"predictions": said(), "models": models}
    assert book.record_week(WEEK, AS_OF, state="draft", run_key="k", **frames)
    found = book.decisions(WEEK)[decisions().columns]
    pd.testing.assert_frame_equal(found, decisions(), check_dtype=False)
    assert found["customer_id"].dtype.kind == "i"
    assert book.rows("decision_propensities", WEEK)["propensity"].tolist() == [0.5] * 5
    assert book.predictions()[["value", "ci_low", "level"]].iloc[0].tolist() == [0.1, 0.05, 0.9]
    assert book.rows("models")["fingerprint"].tolist() == ["ab"]
    assert book.weeks()[["week", "state", "run_key"]].iloc[0].tolist() == [WEEK, "draft", "k"]
    names = [f"00{i}" for i in range(5)]
    book.record_week(WEEK, AS_OF, state="draft", decisions=decisions().assign(customer_id=names))
    assert book.decisions(WEEK)["customer_id"].tolist() == names


def test_a_draft_is_replaced_and_a_released_week_is_not(book):
    book.record_week(WEEK, AS_OF, state="draft", decisions=decisions(9), predictions=said(0.3))
    again = {"decisions": decisions(), "predictions": said()}
    assert book.record_week(WEEK, AS_OF, state="draft", **again)
    assert not book.record_week(WEEK, AS_OF, state="draft", **again)
    assert len(book.decisions(WEEK)) == 5
    assert book.record_week(WEEK, AS_OF, state="released", **again)
    assert not book.record_week(WEEK, AS_OF, state="draft", **again)
    changed = {"state": "released", "decisions": decisions(chance=0.4)}
    never = "2017-W44 is released in the ledger .* never changes"
    refused(never, book.record_week, WEEK, AS_OF, **changed)
    assert book.record_week(WEEK, AS_OF, state="closed", **again)
    assert book.weeks()["state"].tolist() == ["closed"]
    assert book.decisions(WEEK)["propensity"].tolist() == [0.5] * 5


def test_outcomes_are_provisional_until_settled_once(book):
    def know(day, value, state):
        known = datetime(2017, 12, day)
        return book.record_outcomes(WEEK, said(value), state=state, known_at=known)

    assert know(1, 0.1, "provisional") and know(1, 0.2, "provisional")
    assert not know(1, 0.2, "provisional") and know(8, 0.3, "provisional")
    assert book.outcomes()["value"].tolist() == [0.3]
    assert know(15, 0.4, "settled")
    assert not know(22, 0.5, "settled") and not know(22, 0.5, "provisional")
    assert book.outcomes()[["value", "state"]].to_numpy().tolist() == [[0.4, "settled"]]


def test_one_promotion_settles_before_another(book):
    both = pd.concat([said(), said().assign(promotion_id="19")])
    book.record_outcomes(WEEK, both, state="provisional", known_at=datetime(2017, 12, 1))
    book.record_outcomes(WEEK, said(0.7), state="settled", known_at=datetime(2017, 12, 8))
    later = both.assign(value=0.9)
    book.record_outcomes(WEEK, later, state="provisional", known_at=datetime(2017, 12, 15))
    found = book.outcomes().set_index("promotion_id")["value"].to_dict()
    assert found == {"18": 0.7, "19": 0.9}


def test_a_week_without_decisions_is_kept_and_one_without_decision_ids_is_refused(book):
    assert book.record_week(WEEK, AS_OF, state="draft", decisions=pd.DataFrame())
    assert book.weeks()["ids"].tolist() == ["text"]
    rows = {"state": "draft", "decisions": pd.DataFrame({"action": ["none"]})}
    refused("need a column decision_id", book.record_week, WEEK, AS_OF, **rows)


def test_no_ledger_reads_as_an_empty_one(tmp_path):
    none = Ledger(tmp_path / "none.duckdb", "Ours")
    for table in ("predictions", "outcomes", "models", "weeks"):
        rows = none.rows(table)
        assert rows.empty and list(rows) == list(LEDGER_TABLES[table])
    assert none.decisions(WEEK).empty
    refused("there is no ledger", Ledger.open, tmp_path / "none.duckdb", shop="Ours")


def test_rows_that_do_not_fit_are_refused_and_a_link_to_a_ledger_is_the_ledger(book, tmp_path):
    for table, frame, match in [
        ("predictions", pd.concat([said(), said()]), "repeat another's"),
        ("predictions", said().drop(columns="measure"), "need a column measure"),
        ("models", pd.DataFrame({"name": [None], "reason": ["x"]}), "name has no value"),
    ]:
        refused(match, book.record_week, WEEK, AS_OF, state="draft", **{table: frame})
        assert book.weeks().empty
    (tmp_path / "link.duckdb").symlink_to(book.path)
    linked = Ledger.open(tmp_path / "link.duckdb", shop="Ours", create=True)
    linked.record_week(WEEK, AS_OF, state="draft", predictions=said())
    assert len(book.predictions()) == 1 and linked.path == book.path


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    made = Ledger.open(tmp_path_factory.mktemp("one") / "ledger.duckdb", shop="Ours", create=True)
    rows = decisions(20_000)
    made.record_week(WEEK, AS_OF, state="draft", decisions=rows, predictions=said(0.1))
    return made.path


@pytest.fixture
def ledger(written, tmp_path):
    return Ledger.open(shutil.copy(written, tmp_path), shop="Ours")


def flipped(path):
    """Turn bits over in the middle of the rows: the file opens, and what is in it is wrong."""
    content = bytearray(path.read_bytes())
    place = content.find(b"2017-W44", 3 * 4096)
    content[place : place + 8] = bytes(255 - byte for byte in content[place : place + 8])
    path.write_bytes(bytes(content))


def told(path, sql):
    """Let a program that knows nothing of ledgers write into the file."""
    with duckdb.connect(str(path)) as con:
        con.execute(sql)


META = "UPDATE meta SET value = '{}' WHERE key = '{}'"
OTHER = "CREATE TABLE meta AS SELECT 1 AS customer_id"
DAMAGE = {
    "truncated": (lambda p: p.write_bytes(p.read_bytes()[:-200_000]), "is damaged"),
    "cut to its header": (lambda p: p.write_bytes(p.read_bytes()[:5_000]), "is damaged"),
    "emptied": (lambda p: p.write_bytes(b""), "is empty: it is damaged, or something else"),
    "text": (lambda p: p.write_text("week,decision\n" * 1_000), "not a valid DuckDB"),
    "flipped": (flipped, "is damaged"),
    "newer promolab": (lambda p: told(p, META.format(2, "schema_version")), "by a newer promolab"),
    "another shop": (
        lambda p: told(p, META.format("Theirs", "shop")),
        "is that of Theirs, not of Ours",
    ),
    "no ledger": (lambda p: p.unlink() or told(p, OTHER), "is a DuckDB file, but no ledger"),
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


def write_weeks(path, writer, weeks):
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
