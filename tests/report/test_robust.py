"""What goes wrong outside: full disks, changing files, secrets, a second run. Nothing is harmed."""

import errno
import json
import os
import shutil
import subprocess
from contextlib import contextmanager
from pathlib import Path

import duckdb
import nbformat
import pytest

from promolab.errors import DataError, MissingExtraError, StepError
from promolab.folder import ReportsFolder
from promolab.report.running import redaction
from promolab.report.running.run import run_report
from promolab.report.running.run_start import InputFiles
from tests.refused import spoilt
from tests.report.conftest import notebook, toy_shop

WEEK = "2017-W44"
SECRET = "pä:ss/w0rd'7"
CODE = """\
import os, pathlib
from promolab import errors
from promolab.folder.run_folder import open_run
run = open_run(folder, week=week)
--
if mood == "table":
    import numpy, pandas
    frame = pandas.DataFrame({"a": numpy.random.default_rng(0).random(1_500_000)})
    run.write_table("big", frame.assign(n=range(len(frame))), by="n")
if mood == "engine":
    import duckdb
    duckdb.sql("COPY (SELECT random() FROM range(2000000)) TO 'big.parquet'")
if mood == "brim":  # all that is left, to the last byte
    with open("brim.bin", "wb", buffering=0) as file:
        size = 1 << 20
        while size:
            try:
                file.write(bytes(size))
            except OSError:
                size //= 2
if mood == "data":
    raise errors.DataError("the warehouse does not answer")
if mood == "extra":
    raise errors.MissingExtraError("an Excel file", "excel")
if mood == "dropped":
    raise OSError("consuming input failed: server closed the connection unexpectedly\\n\\tThis")
if mood == "leak":
    url = source.replace("${SHOP_PASSWORD}", os.environ["SHOP_PASSWORD"])
    raise ConnectionError(f"cannot connect to {url}; the password is {os.environ['SHOP_PASSWORD']}")
if mood == "print":
    print("connected with", os.environ["SHOP_PASSWORD"])
if mood == "touch":
    with open(pathlib.Path(source, "events.csv"), "a") as file:
        file.write("more")
if mood == "vanish":
    pathlib.Path(source, "events.csv").unlink()
    raise FileNotFoundError("No files found that match the pattern")
--
run.record("headlines", [])
run.finish()
"""


def load_with_files(source, *, settings=None, threads=None):
    """Load the toy shop, from a folder with an ``events.csv``."""
    found = Path(source) / "events.csv"
    files = (found,) if found.exists() else ()
    return toy_shop(files=files)


@pytest.fixture(scope="session")
def notebooks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One notebook, in which things go wrong as they are told to."""
    folder = tmp_path_factory.mktemp("robust")
    nbformat.write(notebook("# Report", CODE), folder / "01_report.ipynb")
    return folder


@pytest.fixture
def make(monkeypatch, notebooks, warm_kernels):
    monkeypatch.setattr("promolab.sources.load_shop", load_with_files)

    def report(out, mood="calm", **options):
        return run_report(out=out, notebooks=notebooks, parameters={"mood": mood}, **options)

    return report


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    folder = tmp_path / "shop"
    folder.mkdir()
    (folder / "events.csv").write_text("customer_id,ts,kind\n")
    return folder


def everything(folder: Path) -> dict[str, bytes]:
    """Return all that lies in a reports folder, but for the lock and what says that it failed."""
    apart = {folder / ".lock", folder / "index.html"}
    files = {p for p in folder.rglob("*") if p.is_file() and ".failed" not in p.parts} - apart
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 6 MB."""
    folder = tmp_path / "small"
    folder.mkdir()
    if shutil.which("mount") is None or os.geteuid() != 0:
        pytest.skip("only root may mount a small file system")
    call = ["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", str(folder)]
    if subprocess.run(call, capture_output=True).returncode:
        pytest.skip("mounting is not permitted here")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk_is_said_and_leaves_the_earlier_report(small_disk, make):
    out = small_disk / "reports"
    make(out)
    before = everything(out)
    for mood in ("table", "engine", "brim"):
        with pytest.raises(StepError, match=rf"the disk of {out} is full; the reports .* as they"):
            make(out, mood)
        assert everything(out) == before, mood
        assert not list(out.glob(".staging-*")) and not list(out.rglob(".part-*")), mood
    make(out)
    assert set(everything(out)) == set(before)
    left = sorted(p.name for p in out.iterdir() if p.name.startswith("."))
    assert left == [".key", ".ledger.duckdb.lock", ".lock"]


@pytest.mark.parametrize("mark", ["publish", "note_owner", "point_latest"])
def test_a_disk_that_is_full_at_the_end_is_said_too(make, monkeypatch, tmp_path, mark):
    out = tmp_path / "reports"
    monkeypatch.setattr("promolab.report.running.run.execute", lambda step, *_, **__: step.notebook)
    make(out)
    before = everything(out)

    def fill(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(ReportsFolder, mark, fill)
        with pytest.raises(StepError, match=r"the disk of .* is full; ") as said:
            make(out)
    if mark == "publish":
        assert everything(out) == before
    else:
        assert "the report of 2017-W44 is there, but the list of weeks is not" in str(said.value)
    make(out)
    assert set(everything(out)) == set(before) and not list(out.rglob(".*part*"))


def test_what_the_engine_says_of_a_full_disk_is_understood(tmp_path):
    con = duckdb.connect(config={"memory_limit": "30MB", "threads": 1})
    con.execute(f"SET temp_directory = '{tmp_path}'")
    con.execute("SET max_temp_directory_size = '1MB'")
    with pytest.raises(duckdb.Error) as said:
        con.execute("SELECT * FROM range(9000000) t(i) ORDER BY hash(i) LIMIT 8000000").fetchone()
    others = [OSError(code, os.strerror(code)) for code in (errno.ENOSPC, errno.EDQUOT)]
    assert all(redaction.says_full(str(error)) for error in (said.value, *others))
    assert not redaction.says_full("events.csv: line 28 has no space after the comma")
    assert not redaction.disk_is_full(tmp_path)


def test_an_error_of_promolab_is_the_same_outside(make, tmp_path):
    lost, missing = DataError("the warehouse does not answer"), ("an Excel file", "excel")
    for mood, error in (("data", lost), ("extra", MissingExtraError(*missing))):
        with pytest.raises(type(error)) as said:
            make(tmp_path / "out", mood)
        assert type(said.value) is type(error) and str(said.value) == f"01_report: {error}"


def test_a_connection_that_drops_is_a_sentence(make, tmp_path, monkeypatch):
    def load(source, **_):
        raise OSError("server closed the connection unexpectedly\n\tThis probably means")

    told = r"^the connection to the shop's tables was lost \(.*server closed the connection "
    told += r"unexpectedly\); the reports .* Run again when they can be reached$"
    out = tmp_path / "out"
    with pytest.raises(StepError, match=told):
        make(out, "dropped", source="postgres://db.example/shop")
    assert not (out / WEEK).exists() and not list(out.glob(".staging-*"))
    monkeypatch.setattr("promolab.sources.load_shop", load)
    with pytest.raises(StepError, match=told.replace(".*server", "server")):
        make(out, source="postgres://db.example/shop")
    assert not redaction.says_lost("the connection between events and products is unclear")


def test_a_file_that_changes_while_it_is_read_is_said(make, shop, tmp_path, monkeypatch):
    out = tmp_path / "out"

    def load(source, **options):
        opened = load_with_files(source, **options)
        (shop / "events.csv").write_text("customer_id,ts,kind\n1")
        return opened

    with monkeypatch.context() as patch:
        patch.setattr("promolab.sources.load_shop", load)
        spoilt("events.csv changed while it was read", make, out, source=shop)
    for mood, message in (("touch", "changed while it was read"), ("vanish", "went away while it")):
        spoilt(f"events.csv {message}", make, out, mood, source=shop)
        assert not (out / WEEK).exists() and not list(out.glob(".staging-*"))


def test_files_are_told_apart_by_size_time_and_number(tmp_path):
    path = tmp_path / "a" / "events.csv"
    path.parent.mkdir()
    path.write_text("one")
    for before in (InputFiles.of([path]), InputFiles.under(tmp_path), InputFiles.under(path)):
        assert before.changed() is None and before.only([path]).changed() is None
    twin = tmp_path / "twin"
    twin.write_text("two")
    os.utime(twin, ns=(0, path.stat().st_mtime_ns))
    os.replace(twin, path)
    assert before.changed() == path and before.only([]).changed() is None
    assert InputFiles.under("postgres://host/shop").states == {}


URL = "postgres://reader:${SHOP_PASSWORD}@db.example:5432/shop"


def test_no_secret_is_in_a_report_or_kept_by_a_step_that_fails(make, tmp_path, monkeypatch):
    monkeypatch.setenv("SHOP_PASSWORD", SECRET)
    out = tmp_path / "out"
    with pytest.raises(StepError) as said:
        make(out, "leak", source=URL)
    assert f"cannot connect to {URL}; the password is ${{SHOP_PASSWORD}}" in str(said.value)
    kept = (out / ".failed" / WEEK / "01_report.ipynb").read_text(encoding="utf-8")
    assert "cannot connect to postgres://reader:${SHOP_PASSWORD}@db" in kept
    for text in (str(said.value), kept):
        assert not any(form in text for form in (SECRET, "w0rd", json.dumps(SECRET)))
    make(out, "print", source=URL)
    page = (out / WEEK / "index.html").read_text("utf-8")
    assert "connected with ${SHOP_PASSWORD}" in page and "reader" not in page
    assert not any(b"w0rd" in content for content in everything(out).values())
    manifest = json.loads((out / WEEK / "manifest.json").read_text())
    assert manifest["parameters"]["source"] == "postgres://db.example:5432/shop"


def test_no_secret_is_in_an_error_of_a_driver(make, tmp_path, monkeypatch):
    monkeypatch.setenv("SHOP_PASSWORD", SECRET)

    def load(source, **_):
        raise kind("the warehouse refuses the login") from ConnectionError(f"with {SECRET}")

    monkeypatch.setattr("promolab.sources.load_shop", load)
    for kind in (DataError, ValueError):
        told = kind if kind is DataError else StepError
        with pytest.raises(told, match="the warehouse refuses the login") as said:
            make(tmp_path / "out", source=URL)
        assert said.value.__cause__ is None and said.value.__suppress_context__


def test_plain_words_stay_on_a_page():
    values = {"WHO": "shop", "PORT": "5432", "HOST": "db.example.org", "TOKEN": "abc", "P": "a"}
    url = "postgres://${WHO}:${P}@${HOST}:${PORT}/x?t=${TOKEN}"
    hidden = redaction.hidden_in(url, values)
    assert set(hidden) == set(values.values())
    assert set(redaction.telling(hidden, url)) == {"db.example.org", "abc", "a"}
    cell = {"cell_type": "code", "source": "a code", "outputs": [{"output_type": "stream"}]}
    redaction.replace_everywhere(cell, {"code": "${P}", "stream": "${P}"})
    assert cell == {"cell_type": "code", "source": "a ${P}", "outputs": [{"output_type": "stream"}]}
    assert redaction.hidden_in("a folder/${WHO}", values) == {}
    assert redaction.hidden_in("postgres://db/x", {"PGPASSWORD": "abc"}) == {"abc": "${PGPASSWORD}"}


def test_data_that_changed_while_a_run_waited_are_read_again(make, shop, tmp_path, monkeypatch):
    read = []

    def load(*_, **__):
        read.append((shop / "events.csv").read_text())
        return toy_shop(files=(shop / "events.csv",), fingerprints={"e": str(len(read))})

    @contextmanager
    def locked(_, week, *, wait, say):
        assert (str(week), wait) == (WEEK, 5) and callable(say)
        (shop / "events.csv").write_text("newer")
        yield

    monkeypatch.setattr("promolab.sources.load_shop", load)
    monkeypatch.setattr(ReportsFolder, "locked", locked)
    monkeypatch.setattr("promolab.report.running.run.execute", lambda step, *_, **__: step.notebook)
    page = make(tmp_path / "out", source=shop, wait=5)
    assert read[-1] == "newer" and len(read) == 2
    assert json.loads((page.parent / "manifest.json").read_text())["inputs"] == {"e": "2"}
