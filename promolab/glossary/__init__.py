"""Meaning and unit of every column and figure, in one place and in a shopkeeper's words.

The report's glossary and the data dictionary are made from this page. "Before" always means before
the row's ``as_of``; "the last 28 days" are the 28 × 24 hours before it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from promolab.errors import InputError, nearest
from promolab.glossary._columns import (
    FEATURES,
    FINANCE,
    KEYS,
    PAIRS,
    PROFILES,
    QUARANTINE,
    SCORES,
    SEGMENTS,
)
from promolab.glossary._words import WORDS

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["GLOSSARY", "describe", "label"]


@dataclass(frozen=True)
class Term:
    """A column or a word of the report.

    Parameters
    ----------
    name : str
        The column's name, or the word as the report writes it.
    label : str
        What a figure or a table calls it; no underscores.
    unit : str
        Unit of its values; empty for words that have none.
    meaning : str
        What it says, in a sentence.
    """

    name: str
    label: str
    unit: str
    meaning: str


def _read(page: str) -> dict[str, Term]:
    terms = {}
    for line in page.strip().replace("\n    ", " ").splitlines():
        name, text, unit, meaning = (part.strip() for part in line.split("|"))
        terms[name] = Term(name, text, unit, meaning)
    return terms


GROUPS: dict[str, dict[str, Term]] = {
    "Keys and times": _read(KEYS),
    "Customers": _read(FEATURES),
    "Customer and promotion": _read(PAIRS),
    "Profiles": _read(PROFILES),
    "Segments": _read(SEGMENTS),
    "Scores": _read(SCORES),
    "Quarantine": _read(QUARANTINE),
    "Finance": _read(FINANCE),
    "Words of the report": _read(WORDS),
}
"""Terms by what they belong to, in the order in which they are read."""

# A column's own entry wins over a word of the same name.
GLOSSARY: dict[str, Term] = {
    name: term for group in reversed(list(GROUPS.values())) for name, term in group.items()
}
"""Every term by its name."""


def label(name: str) -> str:
    """Return what a reader calls a column; an unknown one loses its underscores.

    Examples
    --------
    >>> label("recency_days"), label("house_size")
    ('days since the last order', 'house size')
    """
    term = GLOSSARY.get(name)
    return term.label if term else name.replace("_", " ")


def describe(names: Iterable[str] | None = None) -> pd.DataFrame:
    """Return the terms as a table.

    Parameters
    ----------
    names : iterable of str, optional
        Which terms, in which order; by default all.

    Returns
    -------
    DataFrame
        One row per term: name, label, unit, meaning.

    Raises
    ------
    InputError
        If a name is not in the glossary.

    Examples
    --------
    >>> describe(["AUC", "orders"]).label.tolist()
    ['AUC', 'orders']
    """
    import pandas as pd

    if names is None:
        names = dict.fromkeys(name for group in GROUPS.values() for name in group)
    rows = []
    for name in names:
        if name not in GLOSSARY:
            raise InputError(f"{name!r} is not in the glossary; {nearest(name, GLOSSARY)}")
        term = GLOSSARY[name]
        rows.append((term.name, term.label, term.unit, term.meaning))
    return pd.DataFrame(rows, columns=["name", "label", "unit", "meaning"])


def to_markdown(groups: Iterable[str] | None = None) -> str:
    """Return the glossary as Markdown, a table per group.

    Parameters
    ----------
    groups : iterable of str, optional
        Names of `GROUPS`; by default all.

    Raises
    ------
    InputError
        If there is no such group.

    Examples
    --------
    >>> print(to_markdown(["Quarantine"]).splitlines()[4])
    | table | table | name | The table that the row was in. |
    """
    lines: list[str] = []
    for group in GROUPS if groups is None else groups:
        if group not in GROUPS:
            raise InputError(f"{group!r} is no group of the glossary; {nearest(group, GROUPS)}")
        lines += [f"### {group}", "", "| name | in words | unit | meaning |", "|---|---|---|---|"]
        lines += [
            f"| {term.name} | {term.label} | {term.unit} | {term.meaning} |"
            for term in GROUPS[group].values()
        ]
        lines.append("")
    return "\n".join(lines)
