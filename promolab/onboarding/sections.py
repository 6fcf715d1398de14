"""A section of a proposed ``shop.toml``: its lines, and why each of them is proposed.

Some tables are made out of order lines: products of which they say a category, codes redeemed.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from promolab.contract import NUMBERS, TABLES, Settings, is_empty, personal_values
from promolab.engines import is_embedded
from promolab.errors import DataError
from promolab.onboarding.contents import (
    Convention,
    Look,
    TimeLook,
    ask,
    convention_of,
    how_many,
    number_in,
    numbers_of,
    say,
    time_in,
    words_in,
)
from promolab.onboarding.events import (
    Line,
    amount_of,
    counted_kinds,
    kind_of_events,
    line_of,
    share,
    status_of_orders,
    then,
    values_of_kind,
)
from promolab.onboarding.matching import Choice, Pick, choose_columns
from promolab.sources import (
    CURRENCIES,
    SIGNS,
    TERMS,
    conform,
    currency_in,
    read_mapping,
    says_terms,
)


def currency_of(choice: Choice, how: Convention) -> tuple[Line | None, Line | None]:
    """Say in which currency a table's money is.

    Parameters
    ----------
    choice : Choice
        The table.
    how : Convention
        How its numbers are written.

    Returns
    -------
    currency : Line or None
        Its code, what says so, and what is doubtful.
    line : Line or None
        The line of the section that names the column of currencies.
    """
    if choice.has("currency"):
        name = choice.picks["currency"].name
        codes = words_in(choice.theirs, name)
        first = next(iter(codes), "").upper()
        line = line_of("currency", name, say("by_name"))
        others = [code for code in codes if code.upper() != first]
        check = say("other_currencies", others=others, code=first) if others else ""
        why = say("says_so", name=name)
        named = line if line.value else None
        return Line("currency", first, why, check) if first else None, named
    known = (how.symbol,) if how.symbol in CURRENCIES else SIGNS.get(how.symbol, ())
    if known:
        check = say("shared") if len(known) > 1 else ""
        return Line("currency", known[0], say("says_so", name=how.symbol), check), None
    for column in ("amount", "price"):
        if choice.has(column) and (code := currency_in(choice.picks[column].name)):
            name = choice.picks[column].name
            check = "" if code == "EUR" or code in name.upper() else say("shared")
            return Line("currency", code, say("says_so", name=name), check), None
    return None, None


@dataclass(frozen=True)
class Section:
    """One table of theirs as one of the contract's.

    Parameters
    ----------
    choice : Choice
        Which table it is.
    where : mapping
        The keys that say where it lies; empty where its name does.
    lines : sequence of Line
        The columns, and how they are written.
    rows : int
        Its rows.
    zoned : bool, optional
        Whether its times say their zone; None without times.
    currency : Line, optional
        Code of its money and where it is said; None where nothing says it.
    kept, personal : tuple of str
        Columns that are kept and not used, and those that look personal.
    checks : tuple of str
        What is doubtful about the table as a whole.
    """

    choice: Choice
    where: Mapping[str, Any]
    lines: Sequence[Line]
    rows: int
    zoned: bool | None = None
    currency: Line | None = None
    kept: tuple[str, ...] = ()
    personal: tuple[str, ...] = ()
    checks: tuple[str, ...] = ()

    @property
    def said(self) -> dict[str, Any]:
        """The section as it will be read from ``shop.toml``."""
        return {**self.where, **{x.key: x.value for x in self.lines if x.value is not None}}


def section_of(choice: Choice, *, several: bool = False, skip: tuple[str, ...] = ()) -> Section:
    """Propose how one table of theirs becomes one of the contract's.

    Parameters
    ----------
    choice : Choice
        Which table it is.
    several : bool
        Whether the contract's table is made of several of theirs.
    skip : tuple of str
        Kinds of event that another table holds.
    """
    where = {} if choice.theirs.own and not several else dict(choice.theirs.where)
    named = [column.name for column in TABLES[choice.table] if column.type in NUMBERS]
    looks = [choice.picks[name].look for name in (*named, "price") if choice.has(name)]
    written = convention_of(choice.theirs, looks)
    # Where no one way fits all columns, each says its own.
    how: Convention = written.how if written else Convention()
    lines = _how_written(looks, how, written.check) if written else []
    table = choice.theirs.table
    asked = {"rows": table.count()}
    if choice.has("customer_id"):
        asked["unnamed"] = how_many(is_empty(table[choice.picks["customer_id"].name]))
    facts = ask(choice.theirs, asked)
    times: list[TimeLook] = []
    for column in TABLES[choice.table]:
        if column.name == "kind" and choice.table == "events":
            lines.append(kind_of_events(choice, how, skip))
        elif column.name == "order_status":
            status = status_of_orders(choice)
            lines += [status] if status else []
        elif column.name == "kind":
            lines.append(_kind(choice))
        elif column.name == "amount" and choice.table == "events":
            amount = amount_of(choice, how)
            lines += [_in_their_own_way(choice, amount, written is None)] if amount else []
        elif column.name in choice.picks:
            pick = choice.picks[column.name]
            if column.type == "time":
                line, time = _time(choice, column.name, pick)
                times.append(time)
            elif column.type == "id":
                line = _id(choice, column.name, pick, facts)
            else:
                line = _other(choice, column.name, column.type, pick, how)
                line = _in_their_own_way(choice, line, written is None)
            lines.append(line)
    lines += _terms_in_words(choice, lines)
    currency, column_line = currency_of(choice, how)
    lines += [column_line] if column_line else []
    kept, personal = _not_used(choice, lines)
    zoned = all(time.zoned for time in times) if times else None
    section = Section(choice, where, lines, facts["rows"], zoned, currency, kept, personal)
    return dataclasses.replace(section, checks=(choice.doubt, *_tried(section)))


def _terms_in_words(choice: Choice, lines: Sequence[Line]) -> list[Line]:
    """Say which column holds the promotions' rules in words, such as ``满199减25``."""
    if choice.table != "promotions" or {"discount_rate", "reduction"} & {x.key for x in lines}:
        return []
    for look in (look for look in choice.looks if look.is_text):
        rules = [value for value in look.values if says_terms(value)]
        if not rules or 2 * len(rules) < len(look.values):
            continue
        odd = [repr(value) for value in look.values if not says_terms(value)][:3]
        check = say("no_terms", rules=odd) if odd else ""
        said, why = {"column": look.name, "in_words": True}, say("by_words", rule=repr(rules[0]))
        told = [name for name in TERMS if name not in {x.key for x in lines}]
        return [Line(name, said, why, check if name == told[0] else "") for name in told]
    return []


def _how_written(looks: Sequence[Look], how: Convention, check: str) -> list[Line]:
    lines = []
    for key, mark in how.keys().items():
        having = [x.name for x in looks if x.is_text and any(mark in value for value in x.values)]
        lines.append(Line(key, mark, say("as_written", names=having) if having else ""))
    if check:
        first = lines[0] if lines else Line("decimal", ".")
        lines[:1] = [dataclasses.replace(first, check=check)]
    return lines


def _in_their_own_way(choice: Choice, line: Line, each: bool) -> Line:
    """Say of one column how its numbers are written, where no one way fits all columns."""
    # A column that is called alike may still differ by case.
    own = choice.picks[line.key].name if choice.has(line.key) else line.key
    value = line.value if line.value is not None else own
    said: dict[str, Any] = {"column": value} if isinstance(value, str) else dict(value)
    names = said.get("multiply") or [said.get("column")]
    fits = [numbers_of(x) for x in choice.looks if x.is_text and x.name in names]
    keys = next((ways[0].keys() for ways in fits if ways and ways[0].keys()), {})
    return dataclasses.replace(line, value={**said, **keys}) if each and keys else line


def _id(choice: Choice, column: str, pick: Pick, facts: Mapping[str, int]) -> Line:
    look, more = pick.look, dict[str, Any]()
    why, check = [pick.by], ""
    if column not in TABLES[choice.table].key:
        why.append(say("different", n=look.distinct, rows=look.filled))
    if pick.digits:
        more = {"digits": pick.digits}
    if pick.in_promotions:
        more = {"in_promotions": pick.in_promotions}
    if look.type.is_floating() or any(re.fullmatch(r"\d+\.0+", v) for v in look.values):
        more = {"whole": True}
    if column == "customer_id":
        n, rows = facts["unnamed"], facts["rows"]
        why.append(say("empty_in", share=share(n, rows), rows=rows, n=n) if n else "")
        if choice.table == "events" and look.is_unique and look.filled > 100:
            check = say("hardly_twice")
    return line_of(column, pick.name, then(*why), check, **more)


def _time(choice: Choice, column: str, pick: Pick) -> tuple[Line, TimeLook]:
    clock = choice.picks.get("time_of_day") if column == "ts" else None
    whole = time_in(choice.theirs, pick.look)
    if clock is not None and (whole.how.has_clock or clock.name == pick.name):
        clock = None
    if clock is not None:
        whole = time_in(choice.theirs, pick.look, clock.look)
    more: dict[str, Any] = {"format": whole.how.format} if whole.how.format else {}
    if whole.how.format and whole.how.format.endswith("UTC"):
        more["zone"] = "UTC"
    check = whole.check
    if column == "ends_at" and not whole.how.has_clock:
        more["last_day"] = True
        check = then(check, say("last_day", key="last_day"))
    line = line_of(column, pick.name, then(pick.by, whole.why), check, **more)
    if clock is not None:
        line = dataclasses.replace(line, value={"columns": [pick.name, clock.name], **more})
    return line, whole.how


def _kind(choice: Choice) -> Line:
    if choice.has("kind"):
        name = choice.picks["kind"].name
        more, kinds, check = values_of_kind(choice, name)
        if kinds:
            why = then(say("by_name"), counted_kinds(kinds))
            return line_of("kind", name, why, check, **more)
    known = TABLES[choice.table]["kind"].values
    likely = "redeem" if choice.table == "responses" else "coupon"
    return Line("kind", {"value": likely}, say("one_kind"), say("a_guess", kinds=known))


def _other(choice: Choice, column: str, kind: str, pick: Pick, how: Convention) -> Line:
    """Propose a number, a text or a flag."""
    why, check, more = pick.by, "", dict[str, Any]()
    if kind in NUMBERS:
        number = number_in(choice.theirs, pick.name, how)[0]
        found = ask(
            choice.theirs,
            {"below": (number < 0).cast("int64").sum(), "above": (number > 0).cast("int64").sum()}
            | {"high": number.cast("float64").max()},
        )
        if kind == "share" and found["high"] > 1.5:
            more, why = {"scale": 0.01}, then(why, say("in_percent"))
        elif "discount" in column and found["below"] > found["above"]:
            more, why = {"scale": -1}, then(why, say("turned"))
        elif "discount" in column and 0 < found["high"] <= 1:
            check = say("a_share")
    return line_of(column, pick.name, why, check, **more)


def _not_used(choice: Choice, lines: Sequence[Line]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    used = {line.key.lower() for line in lines if line.value is None}
    for line in lines:
        said = line.value
        if isinstance(said, str):
            used.add(said.lower())
        elif isinstance(said, dict):
            several = [*said.get("columns", ()), *said.get("multiply", ())]
            used |= {name.lower() for name in (said.get("column"), *several) if name}
    known = {column.name for column in TABLES[choice.table]} | {"currency"}
    left = [x for x in choice.looks if x.name.lower() not in used | known]
    personal = {}
    if choice.has("customer_id"):
        for look in left:
            if word := personal_values(look.name, look.values, is_text=look.is_text):
                personal[look.name] = f"{look.name} ({word})"
    kept = tuple(look.name for look in left if look.name not in personal)
    return kept, tuple(personal.values())


def _tried(section: Section) -> tuple[str, ...]:
    """Read the table as the section says; return what stands against it, without an example."""
    choice = section.choice
    part = read_mapping({choice.table: section.said})[choice.table][0]
    if not is_embedded(choice.theirs.engine):
        return ()
    try:
        conform(part, choice.theirs.table, Settings(), choice.theirs.name)
    except DataError as error:
        return (re.sub(r",? such as ('[^']*'|\"[^\"]*\"|\S+)", "", str(error)),)
    return ()


def products_within(choice: Choice) -> Section | None:
    """Propose a table of products made from order lines, if these say a category.

    Parameters
    ----------
    choice : Choice
        The order lines.
    """
    if not choice.has("product_id"):
        return None
    taken = {pick.name for column, pick in choice.picks.items() if column != "product_id"}
    free = [look for look in choice.looks if look.name not in taken]
    picks = choose_columns("products", free)
    if "category" not in picks or "product_id" not in picks:
        return None
    wanted = ("product_id", "category", "brand", "department")
    picks = {column: picks[column] for column in wanted if column in picks}
    within = dataclasses.replace(
        choice,
        table="products",
        picks=picks,
        theirs=dataclasses.replace(choice.theirs, own=False),
    )
    section = section_of(within)
    table = choice.theirs.table.select([pick.name for pick in picks.values()])
    told = table.filter(~is_empty(table[picks["category"].name])).distinct()
    ids = told[picks["product_id"].name]
    found = told.aggregate(rows=told.count(), ids=ids.nunique()).to_pyarrow().to_pylist()[0]
    if found["rows"] > 1.5 * found["ids"]:
        return None
    where = {**section.where, "distinct": True}
    return dataclasses.replace(section, where=where, kept=(), personal=())
