"""A line a step, and a command of the shop's that is told how a week went."""

import dataclasses
import json
import re
import sys

import pytest

from promolab import sources
from promolab.errors import StepError
from promolab.report.running.run import notify

NOTE = "import json, sys; open(sys.argv[1], 'a').write(json.dumps(sys.argv[2:]) + chr(10))"


def noting(path, *more):
    return (sys.executable, "-c", NOTE, str(path), *more)


def noted(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_no_shell_reads_a_command_and_one_that_fails_or_hangs_only_warns(
    tmp_path, monkeypatch, capsys
):
    path = tmp_path / "no ted"
    notify(noting(path, "$(touch x); 'a b'"), "2017-W44", "good", tmp_path / "index.html")
    assert noted(path) == [["$(touch x); 'a b'", "2017-W44", "good", str(tmp_path / "index.html")]]
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


@pytest.fixture
def told(monkeypatch, toy_here, tmp_path):
    """Let the toy shop name a command for both; return what it was told."""
    calm, path = sources.load_shop, tmp_path / "noted"
    commands = {"on_success": [*noting(path), "yes"], "on_failure": [*noting(path), "no"]}

    def load(source, **options):
        shop = calm(source, **options)
        settings = dataclasses.replace(shop.settings, operations={"notify": commands})
        return dataclasses.replace(shop, settings=settings)

    monkeypatch.setattr("promolab.sources.load_shop", load)
    return path


def test_a_run_tells_of_success_and_of_failure(toy_here, told, tmp_path, capsys):
    page = toy_here(tmp_path / "out")
    with pytest.raises(StepError):
        toy_here(tmp_path / "out", parameters={"mood": "fail"})
    assert noted(told) == [
        ["yes", "2017-W44", "good", str(page)],
        ["no", "2017-W44", "failed", str(tmp_path / "out" / "index.html")],
    ]
    lines = capsys.readouterr().err.splitlines()
    assert all(re.fullmatch(r"promolab: \d\d_\w+: .+ \(\d of 2\)", line) for line in lines)
