"""The line on the terminal, and a command of the shop's that is told how a week went."""

import io
import json
import re
import sys
from contextlib import closing

import pytest

from promolab.errors import StepError
from promolab.report.running.run import Progress, notify, say
from tests.report.conftest import toy_shop

NOTE = "import json, sys; open(sys.argv[1], 'a').write(json.dumps(sys.argv[2:]) + chr(10))"


def noting(path, *more):
    return (sys.executable, "-c", NOTE, str(path), *more)


def noted(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_no_shell_reads_a_command_and_one_that_fails_only_warns(tmp_path, monkeypatch, capsys):
    path = tmp_path / "no ted"
    notify(noting(path, "$(touch x); 'a b'"), "2017-W44", "good", tmp_path)
    assert noted(path) == [["$(touch x); 'a b'", "2017-W44", "good", str(tmp_path)]]
    notify((), "2017-W44", "good", tmp_path)
    assert capsys.readouterr().err == ""
    monkeypatch.setattr("promolab.report.running.run.TIME_LIMIT", 0.5)
    for command, words in [
        (("/nowhere/x",), "No such file"),
        ((sys.executable, "-c", "import sys; sys.exit(1)"), "it ended with 1"),
        ((sys.executable, "-c", "import time; time.sleep(60)"), "took more than 0.5 seconds"),
    ]:
        notify(command, "W", "good", tmp_path)
        assert words in capsys.readouterr().err


def test_a_run_tells_of_success_and_of_failure(toy_here, monkeypatch, tmp_path, capsys):
    path = tmp_path / "noted"
    commands = {"on_success": [*noting(path), "yes"], "on_failure": [*noting(path), "no"]}
    shop = toy_shop(operations={"notify": commands})
    monkeypatch.setattr("promolab.sources.load_shop", lambda *_, **__: shop)
    page = toy_here(tmp_path / "out")
    with pytest.raises(StepError):
        toy_here(tmp_path / "out", parameters={"mood": "fail"})
    assert noted(path) == [
        ["yes", "2017-W44", "good", str(page)],
        ["no", "2017-W44", "failed", str(tmp_path / "out" / "index.html")],
    ]
    lines = capsys.readouterr().err.splitlines()
    assert all(re.fullmatch(r"promolab: \d\d_\w+: .+ \(\d of 2\)", line) for line in lines)


@pytest.mark.parametrize("terminal", [True, False])
def test_a_terminal_shows_which_steps_run_and_a_log_a_line_each(monkeypatch, terminal):
    screen = io.StringIO()
    monkeypatch.setattr(screen, "isatty", lambda: terminal)
    monkeypatch.setattr(sys, "stderr", screen)
    with (
        closing(Progress(5)) as shown,
        shown.during("Response", "04_response: Response"),
        shown.during("Segments", "03_segments: Segments"),
    ):
        say("another run holds the folder")
    lines = screen.getvalue().replace("\n", "\r").split("\r")
    assert "promolab: another run holds the folder" in lines
    assert ("promolab: 03_segments: Segments (2 of 5)" in lines) == (not terminal)
    for told in ("Response, Segments: 0/5", "Response: 1/5"):
        assert any(line.startswith(told) for line in lines) == terminal
