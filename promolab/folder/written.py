"""What a step wrote into the run folder, read back from the files: the end of each step's page."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from promolab.display import Html, say, table
from promolab.results import Result
from promolab.wording import count, plural

if TYPE_CHECKING:
    import pandas as pd


_MOST = 60


@dataclass(frozen=True)
class Written(Result):
    """The files and the sections of ``metrics.json`` that a step wrote; by `RunFolder.finish`.

    Parameters
    ----------
    table : DataFrame
        A row each: what (its path in the run folder, or the name of the section), rows (of a table;
        missing where it is none) and holds (in words).
    """

    table: pd.DataFrame = field(repr=False)

    def to_frame(self) -> pd.DataFrame:
        """Return a copy of the table."""
        return self.table.copy()

    def summary(self) -> str:
        """Return how many files and sections there are."""
        if self.table.empty:
            return "Nothing was written."
        sections = int(self.table["section"].sum())
        files = len(self.table) - sections
        said = [plural(files, "file")] if files else []
        said += [f"{plural(sections, 'section')} of metrics.json"] if sections else []
        return f"This step wrote {' and '.join(said)}."

    def _repr_html_(self) -> str:
        if self.table.empty:
            return say(self.summary()).text
        names = zip(self.table["what"], self.table["section"], strict=True)
        links: Any = [_linked(name, section) for name, section in names]
        rows = self.table.assign(what=links)
        return table(
            rows, {"what": "what", "holds": "holds"}, caption=self.summary(), most=_MOST
        )._repr_html_()


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
    import pandas as pd

    folder = folder.resolve()
    files = dict.fromkeys(file for path in paths for file in _files(path.resolve()))
    rows: list[tuple[str, bool, int | None, str]] = [
        (file.relative_to(folder).as_posix(), False, *_holds(file)) for file in files
    ]
    for name, values in sections.items():
        n = sum(1 for _ in _leaves(values))
        rows.append((name, True, None, plural(n, "value")))
    frame = pd.DataFrame(rows, columns=["what", "section", "rows", "holds"])
    return Written(frame.astype({"section": bool, "rows": "Int64"}))


def _files(path: Path) -> Iterator[Path]:
    if path.is_dir():
        yield from sorted(file for file in path.rglob("*") if file.is_file())
    elif path.is_file():
        yield path


def _holds(file: Path) -> tuple[int | None, str]:
    rows = _rows(file)
    if rows is None:
        return None, f"{count(max(1, round(file.stat().st_size / 1000)))} kB"
    return rows, plural(rows, "row")


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


def _linked(name: str, section: bool) -> Html:
    if section:
        return Html(f'“{escape(name)}” in <a href="metrics.json">metrics.json</a>')
    return Html(f'<a href="{escape(name)}">{escape(name)}</a>')
