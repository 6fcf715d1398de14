"""What pages of documentation say, so that tests can run it."""

import re
from pathlib import Path
from typing import Any


def blocks(page: Path, language: str) -> list[str]:
    """Return the code blocks of a page, those indented under a list apart."""
    text = page.read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```", text, flags=re.DOTALL | re.MULTILINE)


def run_python(page: Path, **instead: str) -> dict[str, Any]:
    """Run the Python blocks of a page one after the other, and return the names that they made.

    ``instead`` are smaller numbers for those of the page, such as ``customers="customers=300"``:
    what is written after the name in the page gives way.
    """
    names: dict[str, Any] = {}
    for block in blocks(page, "python"):
        for name, value in instead.items():
            block = re.sub(rf"\b{name}=[\d_]+", value, block)
        exec(compile(block, str(page), "exec"), names)
    return names


def commands(page: Path) -> list[str]:
    """Return the commands of a page's shell blocks, each on a line and without its comment."""
    lines = re.sub(r"\\\n\s*", "", "\n".join(blocks(page, "sh"))).splitlines()
    return [line.partition("  #")[0].strip() for line in lines if line.strip()]


def one_line(text: str) -> str:
    """Return a text without its line breaks and marks of a quotation."""
    return " ".join(re.sub(r"^> ?", "", text, flags=re.MULTILINE).split())
