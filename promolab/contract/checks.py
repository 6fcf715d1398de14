"""Checks of a shop against the table contract, computed in the engine and said in sentences."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

from promolab.contract.personal import personal_columns
from promolab.contract.personal_looks import looks_personal
from promolab.contract.rules import ROW_RULES, Context, columns_of, context_of, hash_of, kept_rows
from promolab.contract.shop import Shop
from promolab.contract.tables import TABLES, Column
from promolab.errors import nearest
from promolab.results import Result
from promolab.wording import count, counted, plural

if TYPE_CHECKING:
    import pandas as pd


NO_AMOUNT = "events has no amount: no sales, and no money in profiles"
_NO_PRODUCT = (
    "events has no product_id: no interests, no price level, and nothing on a promotion's products"
)
_MOST_WORDS = 5


def lacking(shop: Shop) -> Iterator[Finding]:
    """Yield what lacks in a usable shop.

    Parameters
    ----------
    shop : Shop
        The shop. No query is run.

    Examples
    --------
    >>> import ibis, pandas as pd
    >>> events = pd.DataFrame({"customer_id": ["A"], "product_id": ["P"]})
    >>> shop = Shop({"events": ibis.duckdb.connect().create_table("events", events)})
    >>> [found.sentence for found in lacking(shop)]
    ['events has no amount: no sales, and no money in profiles']
    """
    if "events" in shop.tables:
        columns = shop.tables["events"].columns
        if "amount" not in columns:
            yield Finding("events", "no_amount", "warn", 0, NO_AMOUNT)
        if "product_id" not in columns:
            yield Finding("events", "no_product", "note", 0, _NO_PRODUCT)
    for gap in shop.gaps:
        yield Finding(gap.table, "missing_in_files", "warn", gap.rows, gap.sentence)


def unknown_words(column: Any, known: Sequence[str]) -> str:
    """Return a clause on the most frequent words of a column that are none of the known ones.

    Parameters
    ----------
    column : ibis StringColumn
        The column.
    known : sequence of str
        The contract's words.

    Returns
    -------
    str
        Empty if there are none; what may be an id, a name or an address is only counted.

    Examples
    --------
    >>> import ibis
    >>> unknown_words(ibis.memtable({"kind": ["view", "buy", "buy", "x@y.org"]}).kind, ["view"])
    "; the most frequent: 'buy' (2 rows), and 1 word more"
    """
    table = column.as_table()
    words = table[table.columns[0]]
    odd = table.filter(words.notnull() & words.notin(known))
    odd = odd.group_by(word=odd[odd.columns[0]]).aggregate(n=odd.count())
    top = odd.order_by([odd.n.desc(), odd.word]).limit(_MOST_WORDS).to_pyarrow().to_pylist()
    if not top:
        return ""
    plain = [f"{each['word']!r} ({plural(each['n'], 'row')})" for each in top if _tells(each)]
    more = int(odd.count().execute()) - len(plain)
    if not plain:
        return f"; it holds {plural(more, 'other word')}"
    rest = f", and {plural(more, 'word')} more" if more else ""
    return f"; the most frequent: {', '.join(plain)}{rest}"


def without_zeros(ids: Any) -> Any:
    """Return ids, as text, without the zeros that they start with.

    Parameters
    ----------
    ids : ibis StringColumn
        The ids; one of zeros alone stays empty.
    """
    return ids.re_replace("^0+", "")


def unmatched(ids: Any, known: Any, rows: int) -> str:
    """Return a clause on why ids have no match in another table; empty where some simply lack.

    Parameters
    ----------
    ids, known : ibis Column
        The ids of one table, and those that the other has.
    rows : int
        Rows of the first whose id the other does not have.

    Returns
    -------
    str
        Says whether most of these rows match once leading zeros are dropped, or whether no row at
        all matches.

    Examples
    --------
    >>> import ibis
    >>> mine, theirs = ibis.memtable({"id": ["007"]}).id, ibis.memtable({"id": ["7"]}).id
    >>> unmatched(mine, theirs, 1)[:44]
    '; 1 of them would match without leading zero'
    """
    if ids.type().is_string() and known.type().is_string():
        bare = without_zeros(ids).isin(without_zeros(known)) & ids.notin(known)
        zeros = int(bare.sum().execute() or 0)
        if zeros > rows / 2:
            return (
                f"; {count(zeros)} of them would match without leading zeros: one of the two "
                "tables has lost its zeros (a spreadsheet does that); export it again, ids as "
                "text, or say in shop.toml how many there are: { column = …, digits = 7 }"
            )
    if rows == int(ids.count().execute()):
        return "; not one matches: are they the same ids?"
    return ""


def _tells(each: dict[str, Any]) -> bool:
    word = str(each["word"])
    return len(word) <= 30 and not re.search(r"\d{3}|@", word) and looks_personal(word) is None


Level = Literal["stop", "warn", "note"]
_LEVELS: tuple[Level, ...] = ("stop", "warn", "note")


@dataclass(frozen=True)
class Finding:
    """A check that fails.

    Parameters
    ----------
    table, check : str
        Where, and the check's name.
    level : str
        ``stop`` (the shop cannot be used), ``warn`` (rows are quarantined or mislead) or ``note``.
    rows : int
        Rows concerned.
    sentence : str
        What is wrong and what to do.
    """

    table: str
    check: str
    level: Level
    rows: int
    sentence: str


@dataclass(frozen=True)
class Checks(Result):
    """What the checks found in a shop; returned by `check`.

    Parameters
    ----------
    name : str
        The shop's name.
    counts : mapping of str to int
        Rows of each table.
    findings : tuple of Finding
        The checks that fail, the ones that stop first.
    """

    name: str
    counts: Mapping[str, int]
    findings: tuple[Finding, ...]

    @property
    def usable(self) -> bool:
        """Whether nothing stops the shop from being used."""
        return not any(finding.level == "stop" for finding in self.findings)

    def to_frame(self) -> pd.DataFrame:
        """Return one row per failing check: table, check, level, rows, sentence."""
        import pandas as pd

        names = [field.name for field in fields(Finding)]
        return pd.DataFrame(list(self.findings), columns=names)

    def facts(self) -> dict[str, Any]:
        """Return the rows in all, how many checks fail by level, and what stops the shop."""
        levels = {str(level): sum(f.level == level for f in self.findings) for level in _LEVELS}
        stopped = [finding for finding in self.findings if finding.level == "stop"]
        return {**levels, "rows": sum(self.counts.values()), "stopped": stopped}

    def to_text(self) -> str:
        """Return the checks as an aligned plain-text table for the terminal."""
        wide = max((len(name) for name in self.counts), default=5)
        lines = [self.summary(), "", f"{'table':<{wide}}  {'rows':>12}"]
        lines += [f"{name:<{wide}}  {count(n):>12}" for name, n in self.counts.items()]
        if self.findings:
            width = max(len(finding.check) for finding in self.findings)
            lines += ["", f"level  {'check':<{width}}  {'rows':>12}  what"]
            lines += [
                f"{f.level:<5}  {f.check:<{width}}  {count(f.rows):>12}  {f.sentence}"
                for f in self.findings
            ]
        return "\n".join(lines)


def check(shop: Shop, now: datetime | None = None) -> Checks:
    """Check a shop against the contract: one aggregate query per table, no row leaves the engine.

    Words that are no known kind take a query more, to be named.

    Parameters
    ----------
    shop : Shop
        The shop.
    now : datetime, optional
        Nothing may have happened later; by default the present.

    Returns
    -------
    Checks
        The checks that fail. Exact duplicates are counted by a 64-bit hash of the row, so that two
        different rows in about 10¹³ pairs of rows could be taken for equal; cleaning compares rows.

    Examples
    --------
    >>> import ibis, pandas as pd
    >>> from promolab.contract.settings import Settings
    >>> from promolab.contract.shop import Shop
    >>> when = pd.Timestamp("2017-03-01")
    >>> events = pd.DataFrame({"customer_id": ["A"], "ts": [when], "kind": ["buy"]})
    >>> con = ibis.duckdb.connect()
    >>> checks = check(Shop({"events": con.create_table("events", events)}, Settings(zone="UTC")))
    >>> checks.usable, checks.findings[0].check
    (False, 'all_rows_bad')
    """
    context = context_of(shop, now)
    found = structure(shop)
    broken = {finding.table for finding in found}
    if "promotions" in broken:
        context = replace(context, promotions=None)
    counts = {}
    for name in shop.tables:
        if name not in TABLES:
            continue
        table = shop.tables[name]
        measures = [] if name in broken else list(_measures(shop, name, table, context, broken))
        query = {"rows": table.count()}
        query |= {f"m{i}": measure.rows for i, measure in enumerate(measures)}
        values = table.aggregate(**query).to_pyarrow().to_pylist()[0]
        counts[name] = int(values["rows"])
        if counts[name] == 0:
            level: Level = "stop" if name == "events" else "warn"
            sentence = f"the table {name} is empty; it needs rows"
            found.append(Finding(name, "empty_table", level, 0, sentence))
        for i, measure in enumerate(measures):
            n = int(values[f"m{i}"] or 0)
            if n and (n == counts[name] or not measure.only_if_all):
                if measure.check == "duplicate" and name == "events" and shop.has(name, "order_id"):
                    twice = kept_rows(table, measure.alike, orders=True)
                    n = int((twice.n - twice.kept).sum().execute())
                if not n:
                    continue
                sentence = counted(measure.sentence, n)
                if measure.check == "unknown_kind":
                    sentence += unknown_words(table.kind, TABLES[name]["kind"].values)
                if measure.refers is not None:
                    sentence += unmatched(table[measure.refers[0]], measure.refers[1], n)
                found.append(Finding(name, measure.check, measure.level, n, sentence))
    if shop.settings.zone is None:
        found.append(Finding("shop.toml", "zone", "stop", 0, _NO_ZONE))
    found += lacking(shop)
    found += [Finding(*personal) for personal in personal_columns(shop).findings()]
    found.sort(key=lambda finding: _LEVELS.index(finding.level))
    return Checks(shop.settings.name, counts, tuple(found))


_NO_ZONE = (
    "the shop states no time zone, so nobody knows when its days and weeks begin; "
    'write zone = "…" (an IANA name such as "America/New_York") in shop.toml'
)


def structure(shop: Shop) -> list[Finding]:
    """Return what makes tables unreadable: what is missing, wrong types, ids that differ.

    Parameters
    ----------
    shop : Shop
        The shop. No query is run.

    Returns
    -------
    list of Finding
        Each of level ``stop``.
    """
    found = []
    if "events" not in shop.tables:
        sentence = "the table events is missing; every shop needs it (see data/README.md)"
        found.append(Finding("events", "missing_table", "stop", 0, sentence))
    for name, table in shop.tables.items():
        if name not in TABLES:
            continue
        for column in TABLES[name]:
            place = f"{name}.{column.name}"
            if column.name in table.columns:
                wrong = _wrong_type(column, table[column.name].type())
                if wrong:
                    found.append(Finding(name, "wrong_type", "stop", 0, f"{place} {wrong}"))
                elif column.references in shop.tables:
                    found += _id_differs(shop, name, column)
            elif column.required:
                hint = nearest(column.name, table.columns)
                sentence = f"{name} lacks the required column {column.name!r}; {hint}"
                found.append(Finding(name, "missing_column", "stop", 0, sentence))
    return found


def _wrong_type(column: Column, kind: Any) -> str | None:
    """Return what is wrong with a column's type, as the end of a sentence."""
    is_id = kind.is_string() or kind.is_integer()
    is_time = kind.is_timestamp() and kind.timezone is None
    expected, fits = {
        "id": ("text or a whole number (floats lose digits)", is_id),
        "time": ("a timestamp in UTC without a zone", is_time),
        "flag": ("true or false", kind.is_boolean()),
        "text": ("text", kind.is_string()),
    }.get(column.type, ("a number", kind.is_numeric() and not kind.is_boolean()))
    return None if fits else f"is of type {kind}; expected {expected}"


def _id_differs(shop: Shop, name: str, column: Column) -> list[Finding]:
    other = shop.tables[column.references]
    # The referring column may be named after a role; the one referred to is the table's key.
    key = TABLES[column.references].key[0]
    if column.references == name or key not in other.columns:
        return []
    mine, theirs = shop.tables[name][column.name].type(), other[key].type()
    if mine.is_string() == theirs.is_string():
        return []
    sentence = (
        f"{name}.{column.name} is of type {mine} and {column.references}.{key} of type {theirs}, "
        "so no row would match; write both as text or both as integers"
    )
    return [Finding(name, "id_types_differ", "stop", 0, sentence)]


@dataclass(frozen=True)
class _Measure:
    """One check of a table: the rows that are bad, or rows more than what should tell them apart.

    Its number is an aggregate of the table's one query.
    """

    check: str
    level: Level
    sentence: str
    bad: Any = None
    alike: Any = None
    only_if_all: bool = False
    refers: tuple[str, Any] | None = None  # a column of ids, and the ids of the other table

    @property
    def rows(self) -> Any:
        """How many rows the check concerns."""
        if self.bad is not None:
            return self.bad.fill_null(False).sum()
        return self.alike.count() - self.alike.nunique()


def _measures(
    shop: Shop, name: str, table: Any, context: Context, broken: set[str]
) -> Iterator[_Measure]:
    """Yield the checks of a table."""
    import ibis

    yield from _by_rule(name, table, context)
    yield from _by_range(name, table)
    yield from _by_reference(shop, name, table, broken)
    if name == "promotions":
        yield from _by_terms(table)
    yield _Measure(
        "duplicate",
        "warn",
        f"{name} has {{n}} rows that are equal to another in every column; one of each is kept",
        alike=hash_of(table, shop.tables[name].columns),
    )
    if name == "events" and "amount" in table.columns:
        yield _Measure("no_amount", "warn", NO_AMOUNT, table.amount.isnull(), only_if_all=True)
    for key in TABLES[name].key:
        sentence = f"{name} has {{n}} rows more than values of {key}, which must name one row each"
        yield _Measure("repeated_key", "warn", sentence, alike=table[key])
    if name == "events":
        found = [rule.any_broken(name, table, context) for rule in ROW_RULES]
        bad = ibis.or_(*[each for each in found if each is not None])
        sentence = f"no row of {name} is left: every one of its {{n}} rows breaks a rule"
        yield _Measure("all_rows_bad", "stop", sentence, bad, only_if_all=True)


def _by_rule(name: str, table: Any, context: Context) -> Iterator[_Measure]:
    for rule in ROW_RULES:
        for column in rule.columns(name, table):
            values = ", ".join(TABLES[name][column].values)
            sentence = rule.sentence.replace("{column}", f"{name}.{column}")
            sentence = sentence.replace("{values}", values)
            bad = rule.broken(name, table, column, context)
            yield _Measure(rule.name, "warn", sentence, bad)


def _by_range(name: str, table: Any) -> Iterator[_Measure]:
    for column in TABLES[name]:
        # Events have rules of their own: what is wrong for a purchase is right for a return.
        if column.name not in table.columns or name == "events" or column.low is None:
            continue
        value = table[column.name]
        bad, high = value < column.low, " or more"
        if column.high is not None:
            # NaN too: the engine takes it for the greatest number.
            bad, high = bad | (value > column.high), f" to {column.high:g}"
        sentence = f"{name}.{column.name} has {{n}} values outside its range, {column.low:g}{high}"
        yield _Measure("out_of_range", "warn", sentence, bad)


def _by_terms(table: Any) -> Iterator[_Measure]:
    import ibis

    said = columns_of("promotions", table, "discount_rate", "threshold", "reduction")
    if not said or "kind" not in table.columns:
        return  # the shop says of no promotion what it takes off
    rate, threshold, reduction = (
        table[c].notnull() if c in said else ibis.literal(False)
        for c in ("discount_rate", "threshold", "reduction")
    )
    needs = {
        "limited_time_discount": rate,
        "full_reduction": threshold & reduction,
        "coupon": rate | reduction,
    }
    yield _Measure(
        "terms_missing",
        "warn",
        "promotions has {n} rows that do not say what they take off: a limited-time discount needs "
        "discount_rate, a full reduction threshold and reduction, a coupon reduction or "
        "discount_rate",
        ibis.or_(*[(table.kind == kind) & ~told for kind, told in needs.items()]),
    )


def _by_reference(shop: Shop, name: str, table: Any, broken: set[str]) -> Iterator[_Measure]:
    for column in columns_of(name, table, *[c.name for c in TABLES[name]]):
        other = TABLES[name][column].references
        if other in ("", "promotions", name) or other not in shop.tables or other in broken:
            continue
        key = TABLES[other].key[0]
        known = shop.tables[other]
        known = known.filter(known[key].notnull())[key]
        yield _Measure(
            f"unknown_{key.removesuffix('_id')}",
            "note" if other == "customers" else "warn",
            f"{name}.{column} names in {{n}} rows what the table {other} does not have; "
            "the rows are kept",
            table[column].notin(known),
            refers=(column, known),
        )
