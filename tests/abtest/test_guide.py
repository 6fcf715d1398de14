"""The code of docs/experiments.md runs, and prints what the page says it prints."""

from __future__ import annotations

import re
from pathlib import Path


def test_the_guide_runs_as_it_stands(repository: Path, capsys):
    text = (repository / "docs" / "experiments.md").read_text(encoding="utf-8")
    code = "\n".join(re.findall(r"```python\n(.*?)```", text, re.DOTALL))
    exec(compile(code, "docs/experiments.md", "exec"), {})
    printed = " ".join(capsys.readouterr().out.split())
    said = " ".join(re.findall(r"\*(Ship letter: .*?)\*", text, re.DOTALL)[0].split())
    assert said in printed
