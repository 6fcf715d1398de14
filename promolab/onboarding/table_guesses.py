"""What a sample leaves open, asked of a whole column in the engine: formats, signs, beginnings."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from promolab.contract import Settings
from promolab.engines import is_embedded
from promolab.onboarding.guesses import (
    CONVENTIONS,
    Choice,
    Convention,
    Look,
    TimeLook,
    clock_of,
    numbers_of,
    times_of,
)
from promolab.onboarding.inventory import Theirs
from promolab.sources import Value, to_number, to_time
from promolab.wording import count, plural


@dataclass(frozen=True)
class Written:
    """How something is written, and how sure that is.

    Parameters
    ----------
    how : TimeLook or Convention
        What was found.
    why : str
        What speaks for it.
    check : str
        What is doubtful; empty where nothing is.
    """

    how: Any
    why: str = ""
    check: str = ""


def ask(theirs: Theirs, asked: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of some aggregates of a table, computed in one pass.

    Parameters
    ----------
    theirs : Theirs
        The table.
    asked : mapping of str to ibis Scalar
        The aggregates.
    """
    found = theirs.table.aggregate(_rows=theirs.table.count(), **asked).to_pyarrow().to_pylist()
    return {name: value or 0 for name, value in found[0].items() if name != "_rows"}


def is_empty(value: Any) -> Any:
    """Return which rows of a column hold nothing."""
    return value.isnull() | (value.strip() == "") if value.type().is_string() else value.isnull()


def how_many(expression: Any) -> Any:
    """Return in how many rows something holds."""
    return expression.fill_null(False).cast("int64").sum()


def number_in(theirs: Theirs, column: str, how: Convention) -> tuple[Any, Any]:
    """Return a column as numbers, and which of its rows are none.

    Parameters
    ----------
    theirs : Theirs
        The table.
    column : str
        The column.
    how : Convention
        How numbers are written.
    """
    import ibis

    value = Value((column,), decimal=how.decimal, thousands=how.thousands, symbol=how.symbol)
    made, problems = to_number(column, theirs.table[column], value, theirs.engine)
    return made, problems[0].bad if problems else ibis.literal(False)


def time_in(theirs: Theirs, look: Look, clock: Look | None = None) -> Written:
    """Say how the times of a column are written.

    Parameters
    ----------
    theirs : Theirs
        The table.
    look : Look
        The column of days or times.
    clock : Look, optional
        The column of the time of day, where that is another one.
    """
    candidates = _with_clock(times_of(look), clock)
    first = candidates[0]
    if look.type.is_temporal():
        return Written(first, f"{look.type}, as it lies there")
    if len(candidates) == 1 and first.twin is None:
        return Written(first, f"all {plural(look.filled, 'sampled value')} fit")
    if not is_embedded(theirs.engine):  # a whole column is not tried on somebody's warehouse
        others = [c.format for c in candidates[1:]]
        check = f"{others[0]} fits them all as well: which one is it?" if others else ""
        return Written(first, f"all {plural(look.filled, 'sampled value')} fit", check)
    value = theirs.table[look.name]
    if clock is not None:
        value = value.strip().concat(" ", theirs.table[clock.name].cast("string"))
    forms = list(dict.fromkeys([*(c.format or "" for c in candidates), first.twin or ""]))
    forms = [form for form in forms if form]
    bad = {
        f"bad{i}": how_many(
            to_time(look.name, value, Value(format=form), Settings(), theirs.engine)[1][0].bad
        )
        for i, form in enumerate(forms)
    }
    given = how_many(~is_empty(theirs.table[look.name]))
    found = ask(theirs, {**bad, "given": given})
    return _chosen(forms, found, candidates)


def _with_clock(candidates: Sequence[TimeLook], clock: Look | None) -> list[TimeLook]:
    if clock is None:
        return list(candidates)
    form = clock_of(clock)
    return [TimeLook(f"{c.format} {form}" if c.format else None) for c in candidates]


def _chosen(
    forms: Sequence[str], found: Mapping[str, int], candidates: Sequence[TimeLook]
) -> Written:
    """Choose the format that fits the whole column; say if another one does as well."""
    given = found["given"]
    looks = {c.format: c for c in candidates}
    order = sorted(range(len(forms)), key=lambda i: (found[f"bad{i}"], i))
    best = order[0]
    form, bad = forms[best], found[f"bad{best}"]
    like = looks.get(form) or candidates[0]
    how = TimeLook(form, like.zoned, like.has_clock)
    others = [forms[i] for i in order[1:] if found[f"bad{i}"] == bad]
    if bad:
        check = f"{count(bad)} of {plural(given, 'value')} do not fit and will be refused"
        if others:
            check += f"; {others[0]} fits as many"
        return Written(how, f"{plural(given - bad, 'value')} fit", check)
    why = f"all {plural(given, 'value')} fit"
    if others:
        return Written(
            how,
            why,
            f"{others[0]} fits them all as well (no day is above 12): which one is it?",
        )
    twin = how.twin
    if twin in forms:
        # What the other order of day and month cannot read has a day above 12.
        above = found[f"bad{forms.index(twin)}"]
        why += f", and {count(above)} of them have a day above 12"
    return Written(how, why)


def convention_of(choice: Choice, columns: Sequence[str], *, whole: bool = False) -> Written | None:
    """Say how the numbers of some columns are written; None where no one way fits them all.

    Parameters
    ----------
    choice : Choice
        The table.
    columns : sequence of str
        Its columns that hold numbers, by the contract's names.
    whole : bool
        Whether to ask the whole columns, not the sample only.
    """
    looks = [choice.picks[c].look for c in columns if choice.picks[c].look.is_text]
    if not looks:
        return Written(Convention())
    fits = [numbers_of(look) for look in looks]
    symbols = {each[0].symbol for each in fits} - {""}
    if len(symbols) > 1:
        return None
    symbol = symbols.pop() if symbols else ""
    pairs = [{(c.decimal, c.thousands) for c in each} for each in fits]
    common = [
        Convention(c.decimal, c.thousands, symbol)
        for c in CONVENTIONS
        if all((c.decimal, c.thousands) in each for each in pairs)
    ]
    if not common:
        return None
    common, doubt = _with_thousands(common, [value for look in looks for value in look.values])
    if not whole:
        return Written(common[0], check=doubt)
    return _first_that_fits(choice, [look.name for look in looks], common, doubt)


def _with_thousands(
    common: list[Convention], values: Sequence[str]
) -> tuple[list[Convention], str]:
    """Put first what is likelier where every separator stands before three digits."""
    first = common[0]
    marked = [value for value in values if re.search(r"\d[.,]\d", value)]
    grouped = bool(marked) and all(re.search(r"^\D*\d{1,3}([.,]\d{3})+\D*$", v) for v in marked)
    if not grouped or first.thousands:
        return common, ""
    other = next((c for c in common if c.thousands == first.decimal), None)
    if other is None:
        return common, ""
    mark = "comma" if first.decimal == "," else "point"
    if mark == "point":
        return common, (
            "every point stands before three digits: if it marks thousands, say "
            'decimal = ",", thousands = "."'
        )
    rest = [c for c in common if c not in (first, other)]
    return [other, first, *rest], (
        'every comma stands before three digits: if it is the decimal one, say decimal = ","'
    )


def _first_that_fits(
    choice: Choice, names: Sequence[str], common: Sequence[Convention], doubt: str
) -> Written:
    least: tuple[int, Convention] | None = None
    for how in common:
        bad = {f"n{i}": how_many(number_in(choice.theirs, n, how)[1]) for i, n in enumerate(names)}
        wrong = sum(ask(choice.theirs, bad).values())
        if not wrong:
            return Written(how, check=doubt)
        if least is None or wrong < least[0]:
            least = (wrong, how)
    assert least is not None
    return Written(least[1], check=f"values that are no number so written: {count(least[0])}")


def words_in(theirs: Theirs, column: str, most: int = 60) -> dict[str, int]:
    """Return the different words of a column and their rows, the most frequent first."""
    text = theirs.table[column].cast("string")
    found = theirs.table.group_by(word=text).aggregate(n=theirs.table.count())
    found = found.filter(found.word.notnull()).order_by([found.n.desc(), found.word]).limit(most)
    rows = found.to_pyarrow().to_pylist()
    return {row["word"]: row["n"] for row in rows}


def prefixes_in(
    theirs: Theirs, column: str, below: Any, unnamed: Any, most: int = 20
) -> list[dict[str, Any]]:
    """Return the letters that ids begin with, and how many of their rows are what.

    Parameters
    ----------
    theirs : Theirs
        The table.
    column : str
        The column of ids.
    below, unnamed : ibis BooleanValue
        Rows below zero, and rows without a customer.
    most : int
        As many at most.

    Returns
    -------
    list of dict
        ``letters`` (empty where there are none), ``rows``, ``below`` and ``unnamed``, the most
        frequent first.
    """
    table = theirs.table
    starts = words_in(dataclasses.replace(theirs, table=table.select(s=table[column].left(1))), "s")
    if len({start if start.isalpha() else "" for start in starts}) < 2:
        return []
    letters = table[column].re_extract(r"^([A-Za-z]{1,6})[-_ ]?\d", 1).fill_null("")
    marked = table.select(letters=letters, below=below, unnamed=unnamed)
    found = marked.group_by("letters").aggregate(
        rows=marked.count(), below=how_many(marked.below), unnamed=how_many(marked.unnamed)
    )
    found = found.order_by([found.rows.desc(), found.letters]).limit(most)
    return list(found.to_pyarrow().to_pylist())
