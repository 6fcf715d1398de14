"""Quarantine: the rows that go, each under the first rule that it breaks; and those dated later."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from promolab.cleaning.report import COUNTS, CleaningReport, Note
from promolab.contract import (
    MONEY_KINDS,
    ROW_RULES,
    TABLES,
    Context,
    Shop,
    columns_of,
    context_of,
    hash_of,
    kept_rows,
)
from promolab.engines import keep
from promolab.errors import DataError
from promolab.language import ENGLISH, speaking
from promolab.results import words_of
from promolab.wording import count


def known_by(shop: Shop, as_of: datetime) -> Shop:
    """Return the shop as it stood just before a moment.

    Rows of events, exposures, responses, decisions, reviews and questions (by ``ts``), and of
    contact rights (by ``since``), that are dated at or after the moment are left out; so are the
    chances of decisions made later. A customer is left out who joined later, or, where the
    customers were derived from other tables, was first seen later; one with an event before the
    moment was known by then, whatever ``since`` says. Tables without dates, and plans (promotions,
    calendar), stay as they are, and so do rows whose date is missing.

    Parameters
    ----------
    shop : Shop
        As it was loaded.
    as_of : datetime
        The moment, UTC if it has no zone.

    Returns
    -------
    Shop
        With the number of rows left out, by table, as ``later``.

    Examples
    --------
    >>> import ibis, pandas as pd
    >>> from promolab.contract import Shop
    >>> when = pd.to_datetime(["2017-03-01", "2017-03-08"])
    >>> events = pd.DataFrame({"customer_id": list("AB"), "ts": when, "kind": "view"})
    >>> shop = Shop({"events": ibis.duckdb.connect().create_table("events", events)})
    >>> known = known_by(shop, pd.Timestamp("2017-03-08"))
    >>> known.events.customer_id.execute().tolist(), known.later
    (['A'], {'events': 1})
    """
    import ibis

    if as_of.tzinfo is not None:
        as_of = as_of.astimezone(UTC).replace(tzinfo=None)
    moment = ibis.literal(as_of).cast("timestamp")
    tables, later = dict(shop.tables), {}
    for name in shop.tables:
        is_later = _is_later(shop, name, moment)
        if is_later is not None:
            table = shop.tables[name]
            is_later = is_later.fill_null(False)
            tables[name] = table.filter(~is_later)
            later[name] = int(table.filter(is_later).count().execute())
    counted = {name: n + shop.later.get(name, 0) for name, n in later.items()}
    return replace(shop, tables=tables, later=counted)


def _is_later(shop: Shop, name: str, moment: Any) -> Any:
    """Return which rows of a table are dated later; None where its rows have no date."""
    if name not in TABLES:
        return None
    table = shop.tables[name]
    if name == "decision_propensities":
        return _of_later_decisions(shop, table, moment)
    if name == "customers" and shop.seen is not None:
        late = shop.seen.filter(shop.seen.ts >= moment)
        return table.customer_id.isin(late.customer_id)
    dates = [c for c in ("ts", "since") if c in TABLES[name] and c in table.columns]
    if not dates or not table[dates[0]].type().is_timestamp():
        return None
    is_later = table[dates[0]] >= moment
    if name == "customers" and shop.has("events", "customer_id", "ts"):
        seen = shop.events.filter((shop.events.ts < moment) & shop.events.customer_id.notnull())
        is_later &= table.customer_id.notin(seen.customer_id)
    return is_later


def _of_later_decisions(shop: Shop, table: Any, moment: Any) -> Any:
    if not shop.has("decisions", "decision_id", "ts"):
        return None
    made = shop.decisions.filter(shop.decisions.decision_id.notnull())
    made = made.group_by("decision_id").aggregate(ts=made.ts.min())
    return table.decision_id.isin(made.filter(made.ts >= moment).decision_id)


ODD_TIMES = 100
"""How many times the usual quantity a line holds whose unit is taken for an odd one."""


@dataclass(frozen=True)
class Flag:
    """A remark on rows of ``events`` that are kept.

    Parameters
    ----------
    name : str
        What stands in the column ``flags``; what it says stands in the room's words.
    columns : tuple of str
        Columns of ``events`` without which the flag is never set.
    holds : callable
        ``(events, shop) -> boolean expression``; None where the shop lacks what it takes.
    """

    name: str
    columns: tuple[str, ...]
    holds: Callable[[Any, Shop], Any]


def _of_money(events: Any) -> Any:
    return events.kind.isin(MONEY_KINDS)


def _unknown_product(events: Any, shop: Shop) -> Any:
    if "products" not in shop.tables:
        return None
    return events.product_id.notin(shop.products.product_id)


def _odd_unit(events: Any, shop: Shop) -> Any:
    """Flag lines above the shop's own limit, or far above what is usual.

    What is usual is the upper quartile: of the lines of a product, and of these quartiles over all
    products. A line is odd above `ODD_TIMES` the first (a slip of the pen), and where it and its
    product are both above `ODD_TIMES` the second (a unit like no other's, such as fuel in
    millilitres). Wholesale, where hundreds are usual, is neither. Up to a quarter of a product's
    lines, and of the products, may be odd before the quartiles are.
    """
    import ibis

    limit = shop.settings.odd_quantity
    if limit is not None:
        return _of_money(events) & (events.quantity > limit)
    product = events.product_id if "product_id" in events.columns else ibis.null("string")
    product = product.cast("string").fill_null("")
    # Rows cannot be looked up by two columns: the two as one text.
    line = product + " × " + events.quantity.cast("string")
    known = _of_money(events) & (events.quantity > 0)
    lines = events.filter(known).select(product=product, line=line, quantity=events.quantity)
    usual = lines.group_by("product").aggregate(usual=lines.quantity.quantile(0.75))
    most = ODD_TIMES * usual.usual.quantile(0.75).as_scalar()
    lines = lines.join(usual, "product")
    odd = lines.filter(
        (lines.quantity > ODD_TIMES * lines.usual)
        | (ibis.least(lines.quantity, lines.usual) > most)
    )
    return known & line.isin(odd.line)


def _extreme_customer(events: Any, shop: Shop) -> Any:
    """Flag customers whose orders per local day with an order exceed the shop's limit."""
    bought = events.filter(events.kind == "purchase")
    order = bought.order_id if "order_id" in events.columns else bought.ts.cast("string")
    orders = bought.select(
        customer_id=bought.customer_id,
        order=order.cast("string").fill_null(bought.ts.cast("string")),
        day=shop.local(bought.ts).date(),
    ).distinct()
    days = orders.group_by(["customer_id", "day"]).aggregate(orders=lambda t: t.count())
    customers = days.group_by("customer_id").aggregate(mean=lambda t: t.orders.mean())
    extreme = customers.filter(customers["mean"] > shop.settings.extreme_orders_per_day)
    return events.customer_id.isin(extreme.customer_id)


FLAGS: tuple[Flag, ...] = (
    Flag("odd_unit", ("quantity",), _odd_unit),
    Flag("zero_quantity", ("quantity",), lambda t, _: _of_money(t) & (t.quantity == 0)),
    Flag("zero_amount", ("amount",), lambda t, _: _of_money(t) & (t.amount == 0)),
    Flag("unknown_product", ("product_id",), _unknown_product),
    Flag("extreme_customer", (), _extreme_customer),
)


def with_flags(events: Any, shop: Shop) -> Any:
    """Return events with the text column ``flags``: names joined by ``;``, empty where none."""
    import ibis

    text = ibis.literal("")
    for flag in FLAGS:
        if set(flag.columns) <= set(events.columns):
            holds = flag.holds(events, shop)
            if holds is not None:
                text = text + ibis.ifelse(holds.fill_null(False), f";{flag.name}", "")
    return events.mutate(flags=text.substr(1))


def count_flags(events: Any) -> dict[str, int]:
    """Return the rows that carry each flag; flags that no row carries are left out."""
    flags = events.filter(events.flags != "").flags.value_counts(name="n").to_pyarrow().to_pylist()
    counts = {flag.name: 0 for flag in FLAGS}
    for row in flags:
        for flag in row["flags"].split(";"):
            counts[flag] += int(row["n"])
    return {flag: n for flag, n in counts.items() if n}


FORGOTTEN = "forgotten"
QUARANTINE_RULES = (FORGOTTEN, *(rule.name for rule in ROW_RULES), "duplicate", "repeated_key")
"""The rules in the order in which they are tried: the first one counts."""
FEW_WITHOUT_CLOCK = 0.01
"""Up to this share of purchases at midnight are nothing to speak of."""


def clean(
    shop: Shop, now: datetime | None = None, *, forgotten: Collection[Any] = ()
) -> tuple[Shop, CleaningReport]:
    """Clean a shop: quarantine what cannot be used, flag what would mislead, keep the rest.

    Rows that break one of `QUARANTINE_RULES` are left out and stand in the report's quarantine.
    The others are kept as they are, but for two things: ``events`` gets the text column ``flags``
    (names of `FLAGS` joined by ``;``, empty where there is none), and the quantity, amount and
    discounts of returns and cancels become 0 or more, whichever sign the source gives them.
    Returns are not set against their orders here; that is done where orders are summed up.

    Parameters
    ----------
    shop : Shop
        The shop as it was loaded.
    now : datetime, optional
        Nothing may have happened later (UTC, or with a zone); by default the present.
    forgotten : collection of ids
        Customers who are to be forgotten: their rows are counted, and stand nowhere.

    Returns
    -------
    shop : Shop
        The cleaned shop; its tables are computed once and lie in the engine.
    report : CleaningReport
        Rows by table and rule, and the quarantine.

    Raises
    ------
    DataError
        If a required table or column is missing, a column is of a wrong type, ``events`` is empty,
        or none of its rows is left.

    Examples
    --------
    >>> import ibis, pandas as pd
    >>> from promolab.contract import Shop
    >>> when = pd.to_datetime(["2017-03-01", "2017-03-01", None])
    >>> events = pd.DataFrame({"customer_id": list("AAB"), "ts": when, "kind": "purchase"})
    >>> shop, report = clean(Shop({"events": ibis.duckdb.connect().create_table("events", events)}))
    >>> report.to_dict()
    {'events': {'rows_in': 3, 'rows_dated_later': 0, 'rows_kept': 1, 'rows_quarantined': 2}}
    >>> report.rules["rule"].tolist()
    ['missing_key', 'duplicate']
    """
    shop.require_readable()
    context = context_of(shop, now)
    done: dict[str, _Cleaned] = {}
    tables = dict(shop.tables)
    # What others refer to comes first: an exposure to a quarantined promotion is quarantined too.
    for name in sorted(tables, key=lambda name: not TABLES[name].key if name in TABLES else True):
        if name in TABLES:
            done[name] = _clean_table(shop.with_tables(tables), name, context, [*forgotten])
            tables[name] = done[name].kept
            if name == "promotions":
                context = replace(context, promotions=tables[name])
    cleaned = shop.with_tables(tables, cleaned=True)
    order = [name for name in shop.tables if name in done]
    return cleaned, _report(cleaned, {name: done[name] for name in order})


@dataclass(frozen=True)
class _Cleaned:
    kept: Any
    rows_in: int
    quarantined: dict[str, int]
    flagged: dict[str, int]
    quarantine: list[Any]


def _of(shop: Shop, name: str, customers: list[Any]) -> Any:
    """Return which rows of a table are of these customers; None where none can be."""
    table = shop.tables[name]
    if "customer_id" in table.columns:
        return table.customer_id.isin(customers) if customers else None
    if not customers or "decision_id" not in table.columns or not shop.has("decisions"):
        return None
    made = shop.decisions.filter(shop.decisions.customer_id.isin(customers))
    return table.decision_id.isin(made.decision_id)


def _clean_table(shop: Shop, name: str, context: Context, forgotten: list[Any]) -> _Cleaned:
    import ibis

    table = shop.tables[name]
    cases = [(_of(shop, name, forgotten), FORGOTTEN)]
    cases += [(rule.any_broken(name, table, context), rule.name) for rule in ROW_RULES]
    marked = table.mutate(**{_RULE: _first([(c, rule) for c, rule in cases if c is not None])})
    counted = marked.group_by(_RULE).aggregate(n=marked.count()).to_pyarrow().to_pylist()
    counts = {row[_RULE]: int(row["n"]) for row in counted}
    rows_in = sum(counts.values())
    if name == "events" and rows_in == 0:
        raise DataError("the table events is empty; it needs rows")
    if name == "events" and not counts.get(None):
        worst = ", ".join(f"{rule}: {count(n)}" for rule, n in sorted(counts.items()))
        all_of_them = "the only one breaks" if rows_in == 1 else f"all {count(rows_in)} break"
        raise DataError(f"no row of events is left: {all_of_them} a rule ({worst})")
    broken = marked.filter(marked[_RULE].notnull() & (marked[_RULE] != FORGOTTEN))
    gone = [broken] if set(counts) - {None, FORGOTTEN} else []
    good = marked.filter(marked[_RULE].isnull()).drop(_RULE)
    for rule, part in (("duplicate", _without_twins), ("repeated_key", _without_repeated_keys)):
        good, extra = part(shop, name, good)
        if extra is not None:
            counts[rule] = int(extra.count().execute())
            gone.append(extra.mutate(**{_RULE: ibis.literal(rule)}))
    columns = table.columns
    quarantine = [_as_json(shop, name, rows.select(*columns, _RULE)) for rows in gone]
    if name == "events":
        good = with_flags(_of_one_sign(good), shop)
    kept = keep(shop.backend, good, name)
    quarantined = {rule: counts[rule] for rule in QUARANTINE_RULES if counts.get(rule)}
    return _Cleaned(
        kept, rows_in, quarantined, count_flags(kept) if name == "events" else {}, quarantine
    )


_RULE, _HASH, _COPY = "_rule", "_hash", "_copy"


def _first(cases: list[tuple[Any, str]]) -> Any:
    import ibis

    return ibis.cases(*cases, else_=ibis.null("string")) if cases else ibis.null("string")


def _without_twins(shop: Shop, name: str, rows: Any) -> tuple[Any, Any]:
    """Return the rows, each as often as `kept_rows` says, and the copies that go.

    Rows are grouped by a hash, and only those whose hash is not alone are compared as a whole: two
    different rows with one hash both stay.
    """
    import ibis

    columns = rows.columns
    hashed = rows.mutate(**{_HASH: hash_of(rows, columns)})
    orders = name == "events" and "order_id" in columns
    shared = kept_rows(hashed, hashed[_HASH], orders=orders).rename({_HASH: "line"})
    shared = keep(shop.backend, shared, "hashes")
    if shared.count().execute() == 0:
        return rows, None
    alone = hashed.filter(hashed[_HASH].notin(shared[_HASH])).drop(_HASH)
    twins = hashed.join(shared.select(_HASH, "kept"), _HASH)
    copy = ibis.row_number().over(ibis.window(group_by=[twins[c] for c in columns]))
    twins = twins.mutate(**{_COPY: copy}).mutate(goes=lambda t: t[_COPY] >= t.kept)
    twins = keep(shop.backend, twins.select(*columns, "goes"), "twins")
    # A stored table states the precision of its times, an expression does not.
    stay = twins.filter(~twins.goes).drop("goes").cast(alone.schema())
    return alone.union(stay), twins.filter(twins.goes).drop("goes")


def _without_repeated_keys(shop: Shop, name: str, rows: Any) -> tuple[Any, Any]:
    """Return the first row of each key, in the order of all columns, and the rows behind it."""
    import ibis

    key = TABLES[name].key
    if not key:
        return rows, None
    found = (
        rows.aggregate(rows=rows.count(), keys=rows[key[0]].nunique()).to_pyarrow().to_pylist()[0]
    )
    if found["rows"] == found["keys"]:
        return rows, None
    window = ibis.window(group_by=list(key), order_by=list(rows.columns))
    numbered = rows.mutate(**{_COPY: ibis.row_number().over(window)})
    numbered = keep(shop.backend, numbered, name)
    first = numbered.filter(numbered[_COPY] == 0).drop(_COPY)
    return first, numbered.filter(numbered[_COPY] > 0).drop(_COPY)


def _of_one_sign(events: Any) -> Any:
    import ibis

    back = events.kind.isin(("return", "cancel"))
    measures = columns_of("events", events, "quantity", "amount", "discount", "coupon_discount")
    return events.mutate(
        **{name: ibis.ifelse(back, events[name].abs(), events[name]) for name in measures}
    )


def _as_json(shop: Shop, name: str, rows: Any) -> Any:
    import ibis

    hidden = {_RULE, *shop.personal_in(name)}  # compared with, and written nowhere
    values = {c: _json_value(rows[c]) for c in rows.columns if c not in hidden}
    text = ibis.struct(values).cast("json").cast("string")
    rows = rows.select(table=ibis.literal(name), rule=rows[_RULE], row=text)
    return keep(shop.backend, rows, "quarantine")


def _json_value(value: Any) -> Any:
    """Return a value as it may stand in JSON, which has no word for NaN and infinity."""
    import ibis

    if not value.type().is_floating():
        return value
    quoted = (ibis.literal('"') + value.cast("string") + ibis.literal('"')).cast("json")
    return ibis.ifelse(value.isnan() | value.isinf(), quoted, value.cast("json"))


def _report(shop: Shop, done: Mapping[str, _Cleaned]) -> CleaningReport:
    import ibis
    import pandas as pd

    rows, rules, parts = [], [], []
    named = [*QUARANTINE_RULES, *(flag.name for flag in FLAGS)]
    with speaking(ENGLISH):  # in tables, whatever the page speaks
        meanings = {rule: words_of(__name__).word(rule) for rule in named}
    for name, table in done.items():
        out = sum(table.quarantined.values())
        kept = int(table.kept.count().execute())
        later = shop.later.get(name, 0)
        rows.append((name, table.rows_in + later, later, kept, out))
        for action in ("quarantined", "flagged"):
            found = getattr(table, action)
            rules += [(name, rule, action, n, meanings[rule]) for rule, n in found.items()]
        parts += table.quarantine
    columns = ["table", "rule", "row"]
    quarantine = (
        ibis.union(*parts)
        if len(parts) > 1
        else parts[0]
        if parts
        else keep(
            shop.backend,
            ibis.memtable({c: [] for c in columns}, schema=dict.fromkeys(columns, "string")),
            "quarantine",
        )
    )
    return CleaningReport(
        pd.DataFrame(rows, columns=["table", *COUNTS]),
        pd.DataFrame(rules, columns=["table", "rule", "action", "rows", "meaning"]),
        quarantine.order_by(columns),
        _notes(shop),
    )


def _notes(shop: Shop) -> tuple[Note, ...]:
    later = {name: n for name, n in shop.later.items() if n}
    notes = [Note("later", tuple(later), tuple(later.values()))] if later else []
    notes += _without_clock(shop)
    if "customers" not in shop.tables:
        return tuple(notes)
    for name in ("events", "exposures", "responses"):
        if name in shop.tables:
            table = shop.tables[name]
            unknown = table.filter(table.customer_id.notin(shop.customers.customer_id))
            n = int(unknown.count().execute())
            if n:
                notes.append(Note("of_nobody", (name,), (n,)))
    return tuple(notes)


def _without_clock(shop: Shop) -> list[Note]:
    """Note that purchases have a date and no time of day, where more than a few have none."""
    bought = shop.events.filter(shop.events.kind == "purchase")
    # The clock of a zone is slow to ask for; a midnight of any zone is a whole quarter of an hour.
    quarters = bought.filter(bought.ts.epoch_seconds().cast("int64") % 900 == 0)
    local = shop.local(quarters.ts)
    here, as_utc = local == local.truncate("D"), quarters.ts == quarters.ts.truncate("D")
    found = quarters.aggregate(n=(here | as_utc).sum(), utc=as_utc.sum()).to_pyarrow()
    found = {name: values[0] or 0 for name, values in found.to_pydict().items()}
    n, whole = found["n"], int(bought.count().execute())
    if n <= FEW_WITHOUT_CLOCK * whole:
        return []
    as_days = shop.zone != "UTC" and found["utc"] > n / 2
    return [Note("no_clock", share=n / whole, as_days_of_utc=as_days)]
