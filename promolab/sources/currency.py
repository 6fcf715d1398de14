"""One currency per shop: money in another one is converted at a stated rate, or refused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from promolab.contract import TABLES, Settings
from promolab.errors import DataError
from promolab.sources.mapping import Part
from promolab.wording import count, plural

__all__ = ["in_one_currency"]

_TIMES = {"events": "ts", "responses": "ts", "promotions": "starts_at"}


def in_one_currency(part: Part, table: Any, settings: Settings, rates: Any) -> Any:
    """Return a conformed table with all its money in the shop's currency.

    Parameters
    ----------
    part : Part
        Names the column that says a row's currency; one called ``currency`` needs no naming.
    table : ibis Table
        In the contract's columns.
    settings : Settings
        With the shop's currency.
    rates : DataFrame or None
        From `promolab.sources.rates.read_rates`.

    Returns
    -------
    ibis Table

    Raises
    ------
    DataError
        If rows are in a currency that has no rate, or in none.
    """
    money = [c.name for c in TABLES[part.table] if c.type == "money" and c.name in table.columns]
    column = _column(part, table)
    if column is None or not money:
        return table
    code = table[column].cast("string").strip().upper()
    found = table.group_by(code=code).aggregate(n=table.count()).execute()
    rows = {str(c): int(n) for c, n in zip(found["code"], found["n"], strict=True) if c == c and c}
    unsaid = int(found["n"].sum()) - sum(rows.values())
    own = settings.currency.upper()
    if unsaid and set(rows) - {own}:
        raise DataError(
            f"{part.table}.{column} is empty in {plural(unsaid, 'row')}, and others are in "
            f"{', '.join(sorted(rows))}: say the currency of every row"
        )
    foreign = sorted(set(rows) - {own})
    if not foreign:
        return table
    known = set() if rates is None else set(rates["currency"])
    missing = [c for c in foreign if c not in known]
    if missing:
        raise DataError(_no_rate(part.table, rows, missing[0], own))
    return _converted(part, table, money, code, own, rates)


def _no_rate(table: str, rows: Mapping[str, int], missing: str, own: str) -> str:
    if set(rows) == {missing}:
        return (
            f'{table} is in {missing}, and shop.toml says currency = "{own}": '
            f'say currency = "{missing}", or a rate: [rates] {missing} = … (one {missing} in {own})'
        )
    held = " and ".join(f"{code} ({plural(n, 'row')})" for code, n in sorted(rows.items()))
    return (
        f"{table} holds amounts in {held}: two currencies are never added up; say the rate in "
        f"shop.toml, [rates] {missing} = … (one {missing} in {own}), or leave those rows out"
    )


def _column(part: Part, table: Any) -> str | None:
    wanted = (part.currency or "currency").lower()
    return next((c for c in table.columns if c.lower() in (wanted, f"source_{wanted}")), None)


def _converted(part: Part, table: Any, money: list[str], code: Any, own: str, rates: Any) -> Any:
    import ibis

    con = table.get_backend()
    schema = {"_code": "string", "_rate": "float64", "_from": "timestamp", "_until": "timestamp"}
    renamed = rates.set_axis(list(schema), axis=1)
    lookup = con.create_table(
        ibis.util.gen_name("promolab_rates"),
        ibis.memtable(renamed, schema=schema),
        temp=True,
    )
    marked = table.mutate(_own_code=code)
    ts = marked[_TIMES[part.table]]
    valid = [
        marked._own_code == lookup["_code"],
        lookup["_from"].isnull() | (ts >= lookup["_from"]),
        lookup["_until"].isnull() | (ts < lookup["_until"]),
    ]
    joined = marked.left_join(lookup, valid)
    home = joined._own_code.isnull() | (joined._own_code == "") | (joined._own_code == own)
    rate = ibis.ifelse(home, 1.0, joined["_rate"])
    early = joined.filter(rate.isnull() & joined[_TIMES[part.table]].notnull())
    n = int(early.count().execute())
    if n:
        raise DataError(
            f"{part.table} has {count(n)} amounts older than the first rate of their currency; "
            "add an earlier rate to [rates]"
        )
    # Money is a number of hundredths at least; a hundredth of a cent keeps what a rate makes of it.
    changed = {name: (joined[name].cast("float64") * rate).round(4) for name in money}
    return joined.mutate(**changed).select(*table.columns)
