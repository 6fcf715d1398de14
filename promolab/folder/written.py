"""What a step wrote into the run folder, read back from the files: the end of each step's page."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Any

import pandas as pd

from promolab.display import Html, say, table
from promolab.language import shown_language, speaking
from promolab.results import Result

_MOST = 60


@dataclass(frozen=True)
class Written(Result):
    """The files and the sections of ``metrics.json`` that a step wrote; by `RunFolder.finish`.

    Parameters
    ----------
    table : DataFrame
        A row each: what (its path in the run folder, or the name of the section), section (whether
        it is one), size and of what (rows, kB, values).
    """

    table: pd.DataFrame = field(repr=False)

    def to_frame(self) -> pd.DataFrame:
        """Return a copy of the table."""
        return self.table.copy()

    def facts(self) -> Mapping[str, Any]:
        """Return how many files and sections there are, and which of them there are at all."""
        sections = int(self.table["section"].sum())
        files = len(self.table) - sections
        case = "both" if files and sections else "files" if files else "sections"
        return {"files": files, "sections": sections, "case": case if len(self.table) else "none"}

    def _repr_html_(self) -> str:
        with speaking(shown_language()):
            return self._listed()._repr_html_()

    def _listed(self) -> Html:
        if self.table.empty:
            return say(self.summary())
        facts = self._facts
        names = [
            escape(n) if section else _linked(n)
            for n, section in zip(self.table["what"], self.table["section"], strict=True)
        ]
        cells = [
            (Html(row.line(facts.words["say"]["what"])), row.line(facts.words["say"]["holds"]))
            for row in facts.rows(self.table.assign(name=names, file=_linked("metrics.json")))
        ]
        rows = pd.DataFrame(cells, columns=["what", "holds"])
        heads = {name: self.say(f"{name}_head") for name in ("what", "holds")}
        return table(rows, heads, caption=self.summary(), most=_MOST)


def what_was_written(folder: Path, paths: Sequence[Path], sections: Mapping[str, Any]) -> Written:
    """Look at files of a run folder, and at sections of its ``metrics.json``.

    Parameters
    ----------
    folder : Path
        The run folder.
    paths : sequence of Path
        Files of it, or folders: then every file in them.
    sections : mapping of str to object
        What each section holds.

    Returns
    -------
    Written
        Of what is there; files first, each once.
    """
    folder = folder.resolve()
    files = dict.fromkeys(file for path in paths for file in _files(path.resolve()))
    rows: list[tuple[str, bool, int, str]] = [
        (file.relative_to(folder).as_posix(), False, *_size(file)) for file in files
    ]
    for name, values in sections.items():
        rows.append((name, True, sum(1 for _ in _leaves(values)), "values"))
    frame = pd.DataFrame(rows, columns=["what", "section", "size", "unit"])
    return Written(frame.astype({"section": bool, "size": int}))


def _files(path: Path) -> Iterator[Path]:
    if path.is_dir():
        yield from sorted(file for file in path.rglob("*") if file.is_file())
    elif path.is_file():
        yield path


def _size(file: Path) -> tuple[int, str]:
    rows = _rows(file)
    return (max(1, round(file.stat().st_size / 1000)), "kB") if rows is None else (rows, "rows")


def _rows(file: Path) -> int | None:
    if file.suffix == ".parquet":
        import pyarrow.parquet as pq

        return int(pq.read_metadata(file).num_rows)
    if file.suffix == ".csv":
        with file.open(encoding="utf-8", newline="") as lines:
            return max(0, sum(1 for _ in csv.reader(lines)) - 1)  # less the heading
    return None


def _leaves(values: Any) -> Iterator[Any]:
    inner = values.values() if isinstance(values, dict) else values
    if isinstance(values, (dict, list)):
        for value in inner:
            yield from _leaves(value)
    else:
        yield values


def _linked(name: str) -> str:
    return f'<a href="{escape(name)}">{escape(name)}</a>'
