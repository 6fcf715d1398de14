"""Meaning and unit of every column and figure, in one place and in a shopkeeper's words.

The report's glossary and the data dictionary are made from ``terms.txt``. "Before" always means
before the row's ``as_of``; "the last 28 days" are the 28 × 24 hours before it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from promolab.errors import InputError, nearest
from promolab.language import ENGLISH, language, own_name

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
    chinese, chinese_meaning : str
        Label and meaning in Chinese.
    decimals : int or None
        How many decimals its figures are written with; None for what their intervals allow.
    """

    name: str
    label: str
    unit: str
    meaning: str
    chinese: str
    chinese_meaning: str
    decimals: int | None = None


def _read() -> tuple[dict[str, dict[str, Term]], dict[str, str]]:
    groups: dict[str, dict[str, Term]] = {}
    units: dict[str, str] = {}
    for line in (Path(__file__).parent / "terms.txt").read_text(encoding="utf-8").splitlines():
        if line.startswith("== "):
            groups[line[3:]] = found = {}
        elif line.startswith("= "):
            spoken, _, chinese = line[2:].partition(" | ")
            units[spoken] = chinese
        elif line and not line.startswith("#"):
            name, called, unit, meaning, explained = (part.strip() for part in line.split("|"))
            english, _, chinese = called.partition(" / ")
            unit, _, decimals = unit.removesuffix(" decimals").partition("; ")
            shown = int(decimals) if decimals else None
            found[name] = Term(name, english, unit, meaning, chinese, explained, shown)
    return groups, units


GROUPS, UNITS = _read()
"""Terms by what they belong to, in the order in which they are read; units in Chinese."""

# A column's own entry wins over a word of the same name.
GLOSSARY: dict[str, Term] = {
    name: term for group in reversed(list(GROUPS.values())) for name, term in group.items()
}
"""Every term by its name."""


def label(name: str) -> str:
    """Return what a reader calls a column, in the language spoken.

    An unknown one loses its underscores.

    Examples
    --------
    >>> label("recency_days"), label("house_size")
    ('days since the last order', 'house size')
    """
    term = GLOSSARY.get(name)
    if term is None:
        return name.replace("_", " ")
    return term.label if language() == ENGLISH else term.chinese


def named(text: str) -> str:
    """Return a name, remark or label that was written down in English in the language spoken.

    Examples
    --------
    >>> from promolab.language import speaking
    >>> with speaking("zh"):
    ...     named("days since the last order"), named("At risk"), named("milk")
    ('距上次下单天数', '流失风险', 'milk')
    """
    if language() == ENGLISH:
        return text
    told = own_name(text)
    return told if told != text else _CHINESE.get(text, text)


_CHINESE = {term.label: term.chinese for term in GLOSSARY.values()}


def meaning(name: str) -> str:
    """Return what a column or word means, in the language spoken; empty for an unknown one.

    Examples
    --------
    >>> meaning("discount_share")
    'Discount ÷ (sales + discount); null where nothing was spent.'
    """
    term = GLOSSARY.get(name)
    if term is None:
        return ""
    return term.meaning if language() == ENGLISH else term.chinese_meaning


def describe(names: Iterable[str] | None = None) -> pd.DataFrame:
    """Return the terms as a table.

    Parameters
    ----------
    names : iterable of str, optional
        Which terms, in which order; by default all.

    Returns
    -------
    DataFrame
        One row per term: word, unit (missing where it has none), meaning; its name is the index.
        Word and meaning are in the language spoken.

    Raises
    ------
    InputError
        If a name is not in the glossary.

    Examples
    --------
    >>> describe(["auc", "orders"]).word.tolist()
    ['AUC', 'orders']
    """
    import pandas as pd

    if names is None:
        names = dict.fromkeys(name for group in GROUPS.values() for name in group)
    rows = []
    for name in names:
        if name not in GLOSSARY:
            raise InputError(f"{name!r} is not in the glossary; {nearest(name, GLOSSARY)}")
        unit = GLOSSARY[name].unit
        said = unit if language() == ENGLISH else UNITS.get(unit, unit)
        rows.append((name, label(name), said or None, meaning(name)))
    return pd.DataFrame(rows, columns=["name", "word", "unit", "meaning"]).set_index("name")
