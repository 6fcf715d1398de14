"""The code of docs/experiments.md runs, and prints what the page says it prints."""

import re
from pathlib import Path

from tests.golden import agrees, facts_of_names
from tests.written import one_line, run_python


def test_the_guide_runs_as_it_stands(repository: Path, capsys):
    page = repository / "docs" / "experiments.md"
    agrees("experiments", facts_of_names(run_python(page)))
    text = page.read_text(encoding="utf-8")
    said = one_line(re.findall(r"\*(Ship letter: .*?)\*", text, re.DOTALL)[0])
    assert said in one_line(capsys.readouterr().out)
