"""The command line: exit codes, and a sentence for every mistake."""

import importlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from promolab import cli
from promolab.errors import MissingExtraError, StepError


@pytest.fixture
def asked(monkeypatch):
    """Replace the run by one that notes what it was asked for."""
    seen = {}

    def run_report(**options):
        seen.update(options)
        if "raise" in seen:
            raise seen["raise"]
        return Path("reports/2017-W44/index.html")

    monkeypatch.setattr("promolab.report.running.run_report", run_report)
    return seen


def test_report_prints_the_path_last_and_hands_its_options_on(asked, capsys):
    line = "report --source shop --week 2017-W40 --out o --seed 3 --shop s.toml -p a=1 --wait 5"
    assert cli.main([*line.split(), "-p", "b=c=d"]) == 0
    assert capsys.readouterr() == ("reports/2017-W44/index.html\n", "")
    given = {"source": "shop", "week": "2017-W40", "out": "o", "seed": 3, "shop_file": "s.toml"}
    given |= {"parameters": {"a": "1", "b": "c=d"}, "wait": 5.0}
    assert asked == given | {"workers": None, "strict": False, "ledger": None}


@pytest.mark.parametrize(
    ("error", "code", "sentence"),
    [
        (StepError("step 03 failed"), 1, "promolab: step 03 failed\n"),
        (MissingExtraError("x", "lab"), 2, "pip install 'promolab[lab]'\n"),
        (KeyError("boom"), 1, "promolab: unexpected KeyError: 'boom' (--verbose shows where)\n"),
        (KeyboardInterrupt(), 130, "promolab: interrupted; nothing half done is left\n"),
    ],
)
def test_errors_become_exit_codes_and_sentences(asked, capsys, error, code, sentence):
    asked["raise"] = error
    assert cli.main(["report"]) == code
    printed = capsys.readouterr()
    assert printed.out == "" and printed.err.endswith(sentence)
    assert "Traceback" not in printed.err
    cli.main(["report", "--verbose"])
    assert ("Traceback" in capsys.readouterr().err) is (code != 130)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])  # as a terminal that closes
def test_a_loop_that_is_ended_leaves_in_order_and_says_that_it_goes_on(
    number, monkeypatch, tmp_path, capsys
):
    left = []

    def ended(*_, **__):
        try:
            signal.raise_signal(number)
        finally:
            left.append("through its context managers")

    monkeypatch.setattr("promolab.loop.rehearse", ended)
    before = {n: signal.signal(n, signal.SIG_DFL) for n in (signal.SIGTERM, signal.SIGHUP)}
    try:
        assert cli.main(["loop", "--out", str(tmp_path)]) == 128 + number
    finally:
        for n, handler in before.items():
            signal.signal(n, handler)
    said = f"ended by {number.name}; the weeks that are done stand, and the same call goes on"
    assert said in capsys.readouterr().err and left


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("report -p threads", "write -p name=value"),
        ("report -p =2", "write -p name=value"),
        ("report -p a=1 -p a=2", "given twice"),
        ("report --week 2017-W53", "there is no week 2017-W53"),
        ("report --seed x", "invalid int value"),
        ("reprot", "invalid choice"),
    ],
)
def test_a_wrong_call_exits_2_without_a_traceback(line, sentence, capsys):
    try:
        assert cli.main(line.split()) == 2
    except SystemExit as ended:  # of argparse
        assert ended.code == 2
    said = capsys.readouterr()
    assert said.out == "" and sentence in said.err and "Traceback" not in said.err


HEAD = "customer_id,ts,kind"


@pytest.fixture
def shop_folder(tmp_path):
    """A shop of four events, one of a kind that nobody knows."""
    folder = tmp_path / "shop"
    folder.mkdir()
    rows = [f"C{n},2017-03-0{n}T12:00:00,{'buy' if n == 4 else 'purchase'}" for n in range(1, 5)]
    (folder / "events.csv").write_text("\n".join([HEAD, *rows]) + "\n")
    return folder


@pytest.mark.parametrize(("zone", "code"), [('zone = "UTC"', 0), ("", 2)])
def test_data_tells_its_checks_whether_the_shop_can_be_used_or_not(shop_folder, capsys, zone, code):
    (shop_folder / "shop.toml").write_text(f'name = "Corner"\n{zone}\n')
    assert cli.main(["data", str(shop_folder)]) == code
    printed = capsys.readouterr()
    assert ("cannot be used" in printed.err) is (code == 2)
    assert ["warn", "unknown_kind", "1"] in [line.split()[:3] for line in printed.out.splitlines()]
    assert cli.main(["data", "complete_journy"]) == 2
    assert "did you mean 'complete_journey'?" in capsys.readouterr().err


@pytest.mark.parametrize("command", [["data"], ["init"], ["report", "--out", "o", "--source"]])
@pytest.mark.parametrize(
    "source",
    [
        "host=localhost password=hunter2 dbname=x",
        "host=localhost PGPASSWORD = 'hunter2 hunter3'",
        "postgres:ann:hunter2@localhost",
        "1postgres://ann:hunt@er2@localhost/hunter2@x",
    ],
)
def test_a_mistyped_address_echoes_no_password(capsys, tmp_path, monkeypatch, command, source):
    monkeypatch.chdir(tmp_path)
    assert cli.main([*command, source]) == 2
    said = capsys.readouterr().err
    assert "hunt" not in said and "there is no " in said and "…" in said


def test_a_personal_value_is_in_no_sentence(capsys, shop_folder):
    rows = [f"C{n},2017-03-0{n}T12:00:00,purchase,c{n}@shop.example" for n in range(1, 5)]
    (shop_folder / "events.csv").write_text("\n".join([f"{HEAD},mail", *rows]) + "\n")
    for line in ('amount = "mail"', 'ts = "mail"', 'currency = "mail"\namount = "customer_id"'):
        (shop_folder / "shop.toml").write_text(f'zone = "UTC"\n[events]\n{line}\n')
        assert cli.main(["data", str(shop_folder)]) == 2
        said = capsys.readouterr().err
        assert "shop.example" not in said and "promolab: events." in said, line


def test_init_proposes_a_shop_toml_and_overwrites_none(tmp_path, capsys):
    (tmp_path / "sales.csv").write_text("Kunde,Datum,Betrag\n7,2024-01-31,9.95\n")
    toml = tmp_path / "shop.toml"
    assert cli.main(["init", str(tmp_path)]) == 0
    printed = capsys.readouterr()
    assert '[events]\nfiles = "sales.csv"' in printed.out and not toml.exists()
    assert "promolab: found: events from sales.csv (1 row)" in printed.err
    assert printed.err.splitlines()[-1].endswith(f"promolab data {tmp_path}")
    assert cli.main(["init", str(tmp_path), "--write"]) == 0
    assert toml.read_text(encoding="utf-8") == printed.out
    assert capsys.readouterr().out == f"{toml}\n"
    assert cli.main(["init", str(tmp_path), "--write"]) == 2
    assert "is not overwritten; give another file" in capsys.readouterr().err
    assert cli.main(["init", str(tmp_path), "--write", "--out", str(toml)]) == 2
    assert "both say where the proposal goes" in capsys.readouterr().err
    (tmp_path / "sales.csv").write_text("Datum,Betrag\n2024-01-31,9.95\n")
    assert cli.main(["init", str(tmp_path)]) == 2
    assert "nothing here looks like events" in capsys.readouterr().err


@pytest.fixture
def lab(monkeypatch, tmp_path):
    """The calls of JupyterLab, from a folder without notebooks; two lie in the package."""
    packaged, calls = tmp_path / "packaged", []
    packaged.mkdir()
    for name in ("00_start.ipynb", "01_data.ipynb"):
        (packaged / name).write_text("{}")
    running = importlib.import_module("promolab.report.running")
    monkeypatch.setattr(running, "find_notebooks", lambda: packaged)

    def call(line: list[str], env: dict[str, str]) -> int:
        assert env["PATH"].split(os.pathsep)[0] == str(Path(sys.executable).parent)
        calls.append(line)
        return 0

    monkeypatch.setattr(subprocess, "call", call)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())
    monkeypatch.chdir(tmp_path)
    return calls


def test_lab_opens_the_start_and_copies_the_notebooks_where_there_are_none(lab, tmp_path):
    assert cli.main(["lab", "--", "--no-browser"]) == 0
    start, root = tmp_path / "notebooks" / "00_start.ipynb", f"--ServerApp.root_dir={tmp_path}"
    assert lab == [[sys.executable, "-m", "jupyterlab", str(start), root, "--no-browser"]]
    (tmp_path / "packaged" / "02_more.ipynb").write_text("{}")
    assert cli.main(["lab"]) == 0
    assert sorted(path.name for path in start.parent.iterdir()) == [start.name, "01_data.ipynb"]
    assert cli.main(["lab", "--folder", "of/mine"]) == 0
    mine = tmp_path / "of" / "mine"
    assert (mine / "02_more.ipynb").exists()
    assert lab[-1][3:] == [str(mine / start.name), f"--ServerApp.root_dir={mine.parent}"]


def test_lab_says_kindly_where_it_cannot_open(lab, tmp_path, monkeypatch, capsys):
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "notebooks" / "thesis.ipynb").write_text("{}")
    assert cli.main(["lab"]) == 2
    (tmp_path / "file").write_text("")
    assert cli.main(["lab", "--folder", "file"]) == 2
    (tmp_path / "notebooks" / "00_start.ipynb").write_text("{}")
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # root may write everywhere
    assert cli.main(["lab"]) == 2
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert cli.main(["lab"]) == 2
    ask = "name a folder of your own: promolab lab --folder FOLDER"
    assert capsys.readouterr().err.splitlines() == [
        f"promolab: notebooks holds notebooks, but not promolab's 00_start.ipynb; {ask}",
        f"promolab: the notebooks cannot be copied into file (File exists); {ask}",
        f"promolab: the notebooks in notebooks cannot be changed here; {ask}",
        "promolab: promolab lab needs the extra 'lab': pip install 'promolab[lab]'",
    ]
    assert lab == []
