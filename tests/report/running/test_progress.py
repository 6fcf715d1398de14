"""A command of the shop's is told how a week went."""

import dataclasses
import json
import re
import sys
import time

import pytest

from promolab import sources
from promolab.errors import StepError
from promolab.report.running.progress import notify

NOTE = "import json, sys; open(sys.argv[1], 'a').write(json.dumps(sys.argv[2:]) + chr(10))"


def noting(path):
    return (sys.executable, "-c", NOTE, str(path))


def noted(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_the_week_the_status_and_the_path_come_last_and_no_shell_reads_them(tmp_path):
    path = tmp_path / "no ted"
    call = (*noting(path), "$(touch x); 'a b'")
    assert notify(call, "2017-W44", "good", tmp_path / "index.html") is None
    assert noted(path) == [["$(touch x); 'a b'", "2017-W44", "good", str(tmp_path / "index.html")]]
    assert notify((), "2017-W44", "good", tmp_path) is None


def test_a_command_that_fails_or_hangs_only_warns_and_is_ended(tmp_path):
    said = notify(("/nowhere/x",), "W", "good", tmp_path)
    assert said is not None and "cannot be run (No such file" in said
    failing = (sys.executable, "-c", "import sys; print('out'); sys.exit('no mail today')")
    said = notify(failing, "W", "good", tmp_path)
    assert said is not None and said.endswith("ended with 1: no mail today")
    begun = time.monotonic()
    sleep = "[sys.executable, '-c', 'import time; time.sleep(60)']"
    code = f"import subprocess, sys; subprocess.run({sleep})"
    said = notify((sys.executable, "-c", code), "W", "good", tmp_path, limit=0.5)
    assert said is not None and "took more than 0.5 seconds and was ended" in said
    assert time.monotonic() - begun < 20


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
    told = capsys.readouterr().err.splitlines()
    assert all(re.fullmatch(r"promolab: \d\d_\w+: .+ \(\d of 2\)", line) for line in told)
