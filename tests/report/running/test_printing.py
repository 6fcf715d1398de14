"""``report --pdf``: what is said where no browser is there, or one that does not print."""

from pathlib import Path

import pytest

from promolab import cli
from promolab.errors import StepError
from promolab.report.running.printing import find_browser, print_pages
from tests.refused import refused

WRITES = """#!/bin/sh
for word; do
  case $word in --print-to-pdf=*) echo "$@" > "${word#*=}";; esac
done
"""


def browser(folder: Path, script: str) -> str:
    made = folder / "chromium"
    made.write_text(script, encoding="utf-8")
    made.chmod(0o755)
    return str(made)


@pytest.fixture
def week(tmp_path: Path) -> Path:
    folder = tmp_path / "2017 W44"  # as an address has it: %20
    folder.mkdir()
    for name in ("index", "01_data", "08_plan"):
        (folder / f"{name}.html").write_text("<p>page", encoding="utf-8")
    return folder


def test_without_a_browser_nothing_is_made_and_it_is_said_what_to_do(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("PATH", str(tmp_path))
    refused("apt install chromium", find_browser)
    assert cli.main(["report", "--pdf", "--out", str(tmp_path / "reports")]) == 2
    said = capsys.readouterr().err
    assert "--pdf needs a browser to print with" in said and "Traceback" not in said
    assert not (tmp_path / "reports").exists()


def test_the_first_page_or_all_are_printed_without_a_network(tmp_path, week, monkeypatch):
    made = browser(tmp_path, WRITES)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert find_browser() == made
    assert print_pages(made, week) == [week / "index.pdf"]
    line = (week / "index.pdf").read_text()
    assert "MAP * ~NOTFOUND" in line and line.strip().endswith("2017%20W44/index.html")
    printed = print_pages(made, week, "all")
    assert [file.name for file in printed] == ["index.pdf", "01_data.pdf", "08_plan.pdf"]


@pytest.mark.parametrize("script", ["#!/bin/sh\necho no display >&2; exit 3\n", "#!/bin/sh\n"])
def test_a_browser_that_does_not_print_is_said(tmp_path, week, script):
    with pytest.raises(
        StepError, match=r"did not print .*index.html: (no display|it says nothing)"
    ):
        print_pages(browser(tmp_path, script), week)
    assert not list(week.glob("*.pdf"))
