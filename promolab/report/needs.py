"""What each notebook reads and writes, as its own table says, and so which waits for which.

The table is the markdown cell headed ``| reads | writes |``. A name in backticks is a file of the
run folder (``*`` stands for any), ``data`` in ``metrics.json`` a section of that file; plain words
speak of what lies elsewhere.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nbformat import NotebookNode

    from promolab.report.parameters import Step

__all__ = ["EVERYTHING", "Needs", "read_needs", "waits_for"]

_HEAD = re.compile(r"^\|\s*reads\s*\|\s*writes\s*\|\s*$", re.MULTILINE)
_SECTION = re.compile(r"`([^`]+)` in `metrics\.json`")
_NAME = re.compile(r"`([^`]+)`")


@dataclass(frozen=True)
class Needs:
    """The files of the run folder that a notebook reads and writes.

    Parameters
    ----------
    reads, writes : tuple of str
        Paths inside the run folder, ``*`` for any; ``metrics.json/data`` is a section of that file.
    """

    reads: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()

    def must_follow(self, earlier: Needs) -> bool:
        """Tell whether a notebook with these needs has to wait for an earlier one's end."""
        return (
            _meet(self.reads, earlier.writes)
            or _meet(self.writes, earlier.reads)
            or _meet(self.writes, earlier.writes)
        )


EVERYTHING = Needs(("*",), ("*",))
"""Of a notebook without a table: it waits for all before it, and all after it wait for it."""


def read_needs(notebook: NotebookNode) -> Needs:
    """Read a notebook's table.

    Parameters
    ----------
    notebook : NotebookNode
        The notebook.

    Returns
    -------
    Needs
        `EVERYTHING` where there is no table.
    """
    for cell in notebook.cells:
        head = _HEAD.search(cell.source) if cell.cell_type == "markdown" else None
        if head:
            rows = [line.split("|") for line in cell.source[head.end() :].split("\n")[2:]]
            rows = [row for row in rows if len(row) == 4]
            if rows:
                reads = ", ".join(row[1] for row in rows)
                return Needs(_files(reads), _files(", ".join(row[2] for row in rows)))
    return EVERYTHING


def waits_for(steps: Sequence[Step]) -> dict[str, frozenset[str]]:
    """Return, for each step, the earlier ones that must be done before it starts.

    Parameters
    ----------
    steps : sequence of Step
        In their order.

    Returns
    -------
    dict of str to frozenset of str
        Stems by stem.
    """
    return {
        step.stem: frozenset(
            earlier.stem for earlier in steps[:number] if step.needs.must_follow(earlier.needs)
        )
        for number, step in enumerate(steps)
    }


def _files(text: str) -> tuple[str, ...]:
    sections = [f"metrics.json/{name}" for name in _SECTION.findall(text)]
    names = _NAME.findall(_SECTION.sub("", text))
    return tuple(
        "metrics.json/*" if name == "metrics.json" else name for name in (*names, *sections)
    )


def _meet(some: Sequence[str], others: Sequence[str]) -> bool:
    return any(fnmatchcase(a, b) or fnmatchcase(b, a) for a in some for b in others)
