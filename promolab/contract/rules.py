"""The rules that a row can break by itself: named once, counted by the checks, applied by cleaning.

A rule looks at columns of a table and says, as an Ibis expression, in which rows a column breaks
it. A row breaks the rule if any of these columns does.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from promolab.contract.shop import Shop
from promolab.contract.tables import HAPPENED, NOT_COUNTED, TABLES

if TYPE_CHECKING:
    import ibis.expr.types as ir


MONEY_KINDS = ("purchase", "return", "cancel")
"""Kinds of event whose quantity and amounts count; those of a view mean nothing."""

EARLIEST = datetime(1971, 1, 1)
"""Before it nothing has happened in a shop that does not state when it opened: such times stand for
none (0, as seconds from 1970 on; 1900-01-01; 0001-01-01)."""

LATEST = datetime(3000, 1, 1)
"""From it on a time stands for none, such as 9999-12-31: no week is asked of it."""

_MEASURES = ("amount", "quantity", "discount", "coupon_discount")


@dataclass(frozen=True)
class Context:
    """What a rule may know beside the row: the clock, the shop's life, the promotions that exist.

    Parameters
    ----------
    now : datetime
        Nothing has happened later, UTC without a zone.
    opened, closed : datetime, optional
        The shop's life, ``opened`` included and ``closed`` not; `context_of` lets a shop that
        states no opening begin with `EARLIEST`.
    promotions : ibis Table, optional
        The promotions that exist; without it no promotion is unknown.
    """

    now: datetime
    opened: datetime | None = None
    closed: datetime | None = None
    promotions: ir.Table | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Rule:
    """A named rule on single rows.

    Parameters
    ----------
    name : str
        The rule's name.
    columns : callable
        ``(table name, table) -> names`` of the columns that it looks at in this table.
    broken : callable
        ``(table name, table, column, context) -> boolean expression``, true where the column
        breaks the rule.
    sentence : str
        What the checks say; ``{column}`` and ``{n}`` are filled in.
    """

    name: str
    columns: Callable[[str, Any], list[str]]
    broken: Callable[[str, Any, str, Context], Any]
    sentence: str

    def any_broken(self, name: str, table: ir.Table, context: Context) -> ir.BooleanValue | None:
        """Return which rows break the rule; None where it does not concern the table."""
        import ibis

        found = [
            self.broken(name, table, column, context).fill_null(False)
            for column in self.columns(name, table)
        ]
        return ibis.or_(*found) if found else None


def context_of(shop: Shop, now: datetime | None = None) -> Context:
    """Return what the rules may know of a shop.

    Parameters
    ----------
    shop : Shop
        The shop.
    now : datetime, optional
        The clock to go by; a time with a zone is turned into UTC. By default the present.

    Returns
    -------
    Context
    """
    now = datetime.now(UTC) if now is None else now
    if now.tzinfo is not None:
        now = now.astimezone(UTC).replace(tzinfo=None)
    opened, closed = shop.settings.life()
    return Context(now, opened or EARLIEST, closed, shop.tables.get("promotions"))


def columns_of(name: str, table: Any, *names: str) -> list[str]:
    """Return those of the names that are the contract's and the table has, in the given order."""
    return [column for column in names if column in TABLES[name] and column in table.columns]


def _keys(name: str, table: Any) -> list[str]:
    return [
        column.name
        for column in TABLES[name]
        if column.required
        and (column.type in ("id", "time") or column.values)
        and column.name in table.columns
    ]


def _kinds(name: str, table: Any) -> list[str]:
    return [c.name for c in TABLES[name] if c.required and c.values and c.name in table.columns]


def _only(tables: Sequence[str], *names: str) -> Callable[[str, Any], list[str]]:
    return lambda name, table: columns_of(name, table, *names) if name in tables else []


def _floats(name: str, table: Any) -> list[str]:
    names = {"events": _MEASURES, "responses": ("amount",)}.get(name, ())
    return [c for c in columns_of(name, table, *names) if table[c].type().is_floating()]


def _spans(name: str, table: Any) -> list[str]:
    both = columns_of(name, table, "starts_at", "ends_at")
    return ["ends_at"] if len(both) == 2 else []


def is_empty(value: Any) -> Any:
    """Return which rows of a column hold nothing: null, or blanks alone."""
    return value.isnull() | (value.strip() == "") if value.type().is_string() else value.isnull()


def _unknown_kind(name: str, table: Any, column: str, _: Context) -> Any:
    return table[column].notin(TABLES[name][column].values)


def _not_finite(name: str, table: Any, column: str, _: Context) -> Any:
    wrong = table[column].isnan() | table[column].isinf()
    return wrong & table.kind.isin(MONEY_KINDS) if name == "events" else wrong


def _negative(_: str, table: Any, column: str, context: Context) -> Any:
    return (table.kind == "purchase") & (table[column] < 0)


def _outside(_: str, table: Any, column: str, context: Context) -> Any:
    ts = table[column]
    wrong = ts > context.now
    if context.opened is not None:
        wrong = wrong | (ts < context.opened)
    if context.closed is not None:
        wrong = wrong | (ts >= context.closed)
    return wrong


def _backwards(_: str, table: Any, column: str, context: Context) -> Any:
    return table[column] <= table.starts_at


def _unknown_promotion(_: str, table: Any, column: str, context: Context) -> Any:
    import ibis

    if context.promotions is None:
        return ibis.literal(False)
    known = context.promotions.filter(context.promotions.promotion_id.notnull())
    return table[column].notin(known.promotion_id)


_OF_PROMOTIONS = ("promotion_products", "exposures", "responses")
_NEGATIVE = '{column} has {n} negative values of kind "purchase"; '
_RETURNS = 'returns belong in kind "return" (see data/README.md)'

ROW_RULES: tuple[Rule, ...] = (
    Rule(
        "not_counted",
        _only(("events",), "order_status"),
        lambda _, table, column, __: table[column].lower().isin(NOT_COUNTED),
        "{column} says in {n} rows that the order did not count: they are left out of all sales",
    ),
    Rule(
        "missing_key",
        _keys,
        lambda _, table, column, __: is_empty(table[column]),
        "{column} is required and empty in {n} rows; fill it at the source",
    ),
    Rule(
        "unknown_kind",
        _kinds,
        _unknown_kind,
        "{column} has {n} values that are no known kind; it must be one of {values}",
    ),
    Rule(
        "not_finite",
        _floats,
        _not_finite,
        "{column} has {n} values that are NaN or infinite; write a number or leave it empty",
    ),
    Rule(
        "negative_amount",
        _only(("events",), "amount"),
        _negative,
        _NEGATIVE + _RETURNS,
    ),
    Rule(
        "negative_quantity",
        _only(("events",), "quantity"),
        _negative,
        _NEGATIVE + _RETURNS,
    ),
    Rule(
        "negative_discount",
        _only(("events",), "discount", "coupon_discount"),
        _negative,
        _NEGATIVE + "a discount is written as 0 or more",
    ),
    Rule(
        "outside_life",
        _only(HAPPENED, "ts"),
        _outside,
        "{column} has {n} times that lie ahead, before 1971 or outside the shop's life; "
        "check the times, and opened and closed in shop.toml",
    ),
    Rule(
        "ends_before_start",
        _spans,
        _backwards,
        "{column} is not after starts_at in {n} rows; "
        "ends_at is the first moment that is not valid any more",
    ),
    Rule(
        "unknown_promotion",
        _only(_OF_PROMOTIONS, "promotion_id"),
        _unknown_promotion,
        "{column} names promotions that the table promotions does not have in {n} rows",
    ),
)
"""In the order in which they are tried: a row is counted under the first rule that it breaks."""


def kept_rows(rows: ir.Table, line: Any, *, orders: bool) -> ir.Table:
    """Return how many rows stay of each line that stands more than once.

    One does; but the equal lines of an order with an id are so many pieces, and all of them stay,
    unless every line of the order repeats: then the order as a whole was written so many times.

    Parameters
    ----------
    rows : ibis Table
        The rows.
    line : ibis expression
        What is the same for equal rows.
    orders : bool
        Whether they are lines of orders, by ``order_id``.

    Returns
    -------
    ibis Table
        line, n (its rows), kept.

    Examples
    --------
    >>> import ibis
    >>> rows = ibis.memtable({"line": [*"112334444"], "order_id": [*"AAABBBBBB"]})
    >>> kept_rows(rows, rows.line, orders=True).order_by("line").execute().to_numpy().tolist()
    [['1', 2, 2], ['3', 2, 1], ['4', 4, 2]]
    """
    import ibis

    order = rows.order_id.cast("string").max() if orders else rows.count()
    lines = rows.group_by(line=line).aggregate(n=rows.count(), order=order)
    again = lines.filter(lines.n > 1)
    if not orders:
        return again.select("line", "n", kept=1)
    whole = lines.filter(lines.order.isin(again.order))
    whole = whole.mutate(times=whole.n.min().over(ibis.window(group_by=whole.order)))
    rest = (whole.n % whole.times).max()
    whole = whole.group_by("order").aggregate(times=whole.times.min(), rest=rest)
    found = again.left_join(whole, "order")
    times = ibis.cases((found.order.isnull(), found.n), (found.rest == 0, found.times), else_=1)
    return found.select("line", "n", kept=(found.n // times).cast("int64"))


def hash_of(table: Any, columns: Sequence[str]) -> Any:
    """Return a 64-bit hash of these columns of a row; nulls are equal to each other."""
    import ibis

    return ibis.struct({column: table[column] for column in columns}).hash()
