"""The command line: exit codes, and a sentence for every mistake."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from promolab import cli
from promolab.errors import MissingExtraError, StepError

REPOSITORY = Path(__file__).resolve().parents[1]


@pytest.fixture
def asked(monkeypatch):
    """Replace the run by one that notes what it was asked for."""
    seen: dict[str, object] = {}

    def run_report(**options):
        seen.update(options)
        if "raise" in seen:
            raise seen["raise"]
        return Path("reports/2017-W44/index.html")

    monkeypatch.setattr("promolab.report.run_report", run_report)
    return seen


def test_report_prints_the_path_last_and_hands_its_options_on(asked, capsys):
    line = "report --source shop --week 2017-W40 --out o --seed 3 --shop s.toml -p a=1 -p b=c=d"
    assert cli.main(line.split()) == 0
    printed = capsys.readouterr()
    assert printed.out.splitlines()[-1] == "reports/2017-W44/index.html" and printed.err == ""
    assert asked == {
        "source": "shop",
        "week": "2017-W40",
        "out": "o",
        "seed": 3,
        "shop_file": "s.toml",
        "parameters": {"a": "1", "b": "c=d"},
    }


@pytest.mark.parametrize(
    ("error", "code", "sentence"),
    [
        (StepError("step 03 failed"), 1, "promolab: step 03 failed\n"),
        (MissingExtraError("x", "lab"), 2, "pip install 'promolab[lab]'\n"),
        (KeyError("boom"), 1, "promolab: unexpected KeyError: 'boom' (--verbose shows where)\n"),
        (KeyboardInterrupt(), 130, "promolab: interrupted; nothing was changed\n"),
    ],
)
def test_errors_become_exit_codes_and_sentences(asked, capsys, error, code, sentence):
    asked["raise"] = error
    assert cli.main(["report"]) == code
    printed = capsys.readouterr()
    assert printed.out == "" and printed.err.endswith(sentence)
    assert "Traceback" not in printed.err


def test_verbose_shows_where(asked, capsys, monkeypatch):
    asked["raise"] = KeyError("boom")
    assert cli.main(["report", "--verbose"]) == 1
    assert "Traceback" in capsys.readouterr().err
    monkeypatch.setenv("PROMOLAB_DEBUG", "1")
    assert cli.main(["report"]) == 1
    assert "Traceback" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        (["report", "-p", "threads"], "write -p name=value"),
        (["report", "-p", "=2"], "write -p name=value"),
        (["report", "-p", "a=1", "-p", "a=2"], "given twice"),
        (["report", "--week", "2017-W53"], "there is no week 2017-W53"),
        (["report", "--seed", "x"], "invalid int value"),
        (["reprot"], "invalid choice"),
        ([], "required"),
    ],
)
def test_a_wrong_call_exits_2_without_a_traceback(line, sentence):
    done = call(*line)
    assert done.returncode == 2
    assert sentence in done.stderr and "Traceback" not in done.stderr and done.stdout == ""


def call(*line, **options):
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY)}
    return subprocess.run(
        [sys.executable, "-m", "promolab.cli", *line],
        env=environment,
        capture_output=True,
        text=True,
        **options,
    )


def test_help_imports_nothing_heavy():
    code = (
        "import sys\nfrom promolab.cli import main\n"
        "try:\n    main(['report', '--help'])\nexcept SystemExit:\n    pass\n"
        "heavy = {'pandas', 'numpy', 'ibis', 'torch', 'matplotlib', 'papermill', 'jinja2'}\n"
        "print(sorted(heavy & set(sys.modules)), file=sys.stderr)"
    )
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True
    )
    assert done.stderr == "[]\n" and "--week" in done.stdout


@pytest.mark.parametrize(("usable", "code"), [(True, 0), (False, 2)])
def test_data_prints_the_checks(monkeypatch, capsys, usable, code):
    class Checks:
        def __init__(self):
            self.usable = usable

        def to_text(self):
            return "events  3 rows"

        def summary(self):
            return "events is empty"

    class Shop:
        def check(self):
            return Checks()

    monkeypatch.setattr("promolab.sources.load_shop", lambda source, settings: Shop())
    assert cli.main(["data", "somewhere"]) == code
    printed = capsys.readouterr()
    assert printed.out == "events  3 rows\n"
    assert ("events is empty" in printed.err) is not usable


def test_an_unknown_source_names_what_there_is(capsys):
    assert cli.main(["data", "complete_journy"]) == 2
    assert "did you mean 'complete_journey'?" in capsys.readouterr().err


def test_lab_copies_the_notebooks_where_there_are_none(monkeypatch, tmp_path, capsys):
    packaged = tmp_path / "packaged"
    packaged.mkdir()
    (packaged / "01_data.ipynb").write_text("{}")
    parameters = importlib.import_module("promolab.report.parameters")
    monkeypatch.setattr(parameters, "find_notebooks", lambda: packaged)
    calls: list[list[str]] = []
    monkeypatch.setattr(subprocess, "call", lambda line: calls.append(line) or 0)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())
    monkeypatch.chdir(tmp_path)
    assert cli.main(["lab", "--", "--no-browser"]) == 0
    assert (tmp_path / "notebooks" / "01_data.ipynb").exists()
    assert calls == [[sys.executable, "-m", "jupyterlab", "notebooks", "--no-browser"]]
    (packaged / "02_more.ipynb").write_text("{}")
    assert cli.main(["lab"]) == 0
    assert not (tmp_path / "notebooks" / "02_more.ipynb").exists()
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert cli.main(["lab"]) == 2
    assert "pip install 'promolab[lab]'" in capsys.readouterr().err
