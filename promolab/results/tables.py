"""A table of a result, as its words say: rows, headings, formats and a caption."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from promolab.display import Html, Ranged, ends_beside, heading, table
from promolab.glossary import label
from promolab.results.estimate import Estimate
from promolab.results.facts import Facts

if TYPE_CHECKING:
    import pandas as pd

MOST = 20


def worded_table(
    words: Mapping[str, Any], facts: Facts, frame: pd.DataFrame | Callable[[], pd.DataFrame]
) -> Html:
    """Return a table; nothing where the fact that it goes by (``of``) does not hold.

    Parameters
    ----------
    words : mapping
        ``rows`` (a fact; the result's frame by default), ``columns`` (those that the rows have are
        shown), ``heads``, ``formats`` and ``cells`` (lines, filled from the row) by column,
        ``caption``, ``otherwise`` (where there is no row), ``most``, ``marked`` (a column),
        ``file`` (an artifact that has all rows) and ``file_text``. Heads and cells that it lacks
        are those under ``head`` and ``cell``.
    facts : Facts
    frame : DataFrame or callable
        The rows, or what makes them, where the words name none.
    """
    if "of" in words and not facts[words["of"]]:
        return Html("")
    rows = facts[words["rows"]] if "rows" in words else frame() if callable(frame) else frame
    most = words.get("most", MOST)
    shared = facts.words.get("cell", {})
    cells = {k: shared[k] for k in words.get("columns", ()) if k in shared and k in rows}
    for name, line in (cells | words.get("cells", {})).items():
        told = [row.line(line) for row in facts.rows(rows.head(most))]
        rows = rows.assign(**{name: told + [""] * (len(rows) - len(told))})
    if "columns" not in words and "heads" not in words:
        return table(rows, None, most=most, **_beside(words, facts))
    known = [str(c) for c in words.get("columns", rows) if c in rows]
    held = [str(column) for column in rows]
    heads, formats = {}, {}
    for name in known:
        line = (facts.words.get("head", {}) | words.get("heads", {})).get(name)
        heads[name] = facts.line(line) if line is not None else _head(name, facts)
        if spec := words.get("formats", {}).get(name):
            formats[name] = _writer(spec, facts, ends_beside(name, held))
    return table(rows, heads, formats, most=most, **_beside(words, facts))


def _beside(words: Mapping[str, Any], facts: Facts) -> dict[str, Any]:
    lines = ("caption", "otherwise", "file_text")
    told = {name: facts.line(words[name]) for name in lines if name in words}
    return told | {"marked": words.get("marked", ""), "file": words.get("file", "")}


def _head(name: str, facts: Facts) -> str:
    told = heading(name, str(facts.get("currency", "")))
    return facts.word(name) if told == label(name) else told


def _writer(spec: str, facts: Facts, ends: tuple[str, str] | None) -> Any:
    one = partial(_written, facts, spec)
    return one if ends is None else Ranged(one, *ends)


def _written(facts: Facts, spec: str, value: Any, *ends: float) -> str:
    if value is None or value != value:
        return "–"
    return facts.written(Estimate.of((value, *ends)) if ends else value, spec)
