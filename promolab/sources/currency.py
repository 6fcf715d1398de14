"""One currency per shop: money in another one is converted at a stated rate, or refused."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from promolab.checks import real_number
from promolab.contract import TABLES, Settings, shown_value
from promolab.engines import keep
from promolab.errors import DataError, InputError, nearest
from promolab.sources.mapping import Part
from promolab.wording import count, plural


def read_rates(settings: Settings, folder: Path | None, con: Any) -> Any:
    """Return the rates of ``[rates]``: what one unit of a currency is in the shop's.

    Parameters
    ----------
    settings : Settings
        With the section as it stands in ``shop.toml``: ``EUR = 0.86``, or ``files = "rates.csv"``
        with the columns ``currency``, ``rate`` and, where rates change, ``starts_at``.
    folder : Path, optional
        Where that file lies.
    con : ibis backend
        Reads the file.

    Returns
    -------
    DataFrame or None
        currency, rate, starts_at (missing: always), ends_at (missing: until now).

    Raises
    ------
    InputError
        If a rate is not a number above 0, or the section says something else.
    """
    import pandas as pd

    said = settings.mapping.get("rates")
    if said is None:
        return None
    if not isinstance(said, Mapping):
        raise InputError(f"shop.toml [rates] = {said!r}, must be such as EUR = 0.86")
    if "files" in said:
        frame = _from_file(said, settings, folder, con)
    else:
        _check_stated(said, settings.currency)
        frame = pd.DataFrame({"currency": list(said), "rate": list(said.values())})
    frame["currency"] = frame["currency"].astype("string").str.strip().str.upper()
    rate = pd.to_numeric(frame["rate"], errors="coerce")
    wrong = frame[~((rate > 0) & (rate < math.inf)) | frame["currency"].isna()]
    if len(wrong):
        code, given = (shown_value(str(wrong[key].iloc[0])) for key in ("currency", "rate"))
        raise InputError(
            f"{said['files']}: the rate of {code} is {given!r}, must be a number above 0: "
            f"one {code} in {settings.currency}"
        )
    if "starts_at" not in frame:
        frame["starts_at"] = pd.NaT
    frame = frame.assign(rate=rate.astype(float), starts_at=pd.to_datetime(frame["starts_at"]))
    frame = frame.sort_values(["currency", "starts_at"], na_position="first", ignore_index=True)
    twice = frame[frame.duplicated(["currency", "starts_at"])]
    if len(twice):
        raise InputError(f"shop.toml [rates] has two rates of {twice['currency'].iloc[0]} at once")
    frame["ends_at"] = frame.groupby("currency")["starts_at"].shift(-1)
    return frame[["currency", "rate", "starts_at", "ends_at"]]


def _check_stated(said: Mapping[str, Any], own: str) -> None:
    """Refuse what TOML does not have as a number above 0; text that looks like one too."""
    for code, rate in said.items():
        one = f", without quotes: one {code} in {own}"
        real_number(f"shop.toml [rates] {code}", rate, above=0, hint=one)


def _from_file(said: Mapping[str, Any], settings: Settings, folder: Path | None, con: Any) -> Any:
    from promolab.sources.files import find_files, read_files
    from promolab.sources.mapping import Value
    from promolab.sources.parsing import to_time

    other = [key for key in said if key != "files"]
    if other or folder is None:
        what = f"{other[0]!r} beside files" if other else "files, and the source is no folder"
        raise InputError(f"shop.toml [rates] has {what}; write rates as EUR = 0.86")
    paths = find_files(folder, "rates", said["files"])
    table = read_files(con, "rates", paths).table
    for column in ("currency", "rate"):
        if column not in table.columns:
            raise DataError(f"{paths[0].name} lacks {column!r}; {nearest(column, table.columns)}")
    if "starts_at" in table.columns:
        made, _ = to_time("rates.starts_at", table.starts_at, Value(), settings, con.name)
        table = table.mutate(starts_at=made)
    return table.execute()


SIGNS = {
    "€": "EUR",
    "£": "GBP",
    "$": "USD",
    "US$": "USD",
    "¥": "CNY",
    "元": "CNY",
    "RMB": "CNY",
    "R$": "BRL",
    "zł": "PLN",
    "Kč": "CZK",
    "Ft": "HUF",
    "₹": "INR",
    "₺": "TRY",
    "₩": "KRW",
    "Fr.": "CHF",
    "lei": "RON",
}
"""What the sign of a currency stands for."""
SHARED_SIGNS = {
    "$": ("USD", "CAD", "AUD", "NZD", "SGD", "HKD", "TWD", "MXN", "ARS", "CLP", "COP"),
    "¥": ("CNY", "JPY"),
    "kr": ("SEK", "NOK", "DKK", "ISK"),
}
"""Signs of several currencies; a shop in one of them means its own."""

_MOST = 5
_CODE = re.compile(r"[A-Z]{3}|[^\d@]{1,4}")  # EUR, €, US$, KČ, 元
_TIMES = {"events": "ts", "responses": "ts", "promotions": "starts_at"}


def in_one_currency(part: Part, table: Any, settings: Settings, rates: Any) -> Any:
    """Return a conformed table with all its money in the shop's currency.

    Parameters
    ----------
    part : Part
        Names the column that says a row's currency; one called ``currency`` needs no naming.
        Any other that is called so and holds codes has to be named: nothing is added up unseen.
    table : ibis Table
        In the contract's columns.
    settings : Settings
        With the shop's currency.
    rates : DataFrame or None
        From `promolab.sources.currency.read_rates`.

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
    if not money:
        return table
    own = settings.currency.upper()
    if column is None:
        _look_for_others(part, table, own)
        return table
    code = _code(table[column], own)
    rows, unsaid = _rows(table, code)
    known = {own} if rates is None else {own, *rates["currency"]}
    if odd := [c for c in rows if c not in known and not _CODE.fullmatch(c)]:
        n = plural(sum(rows[c] for c in odd), "row")
        raise DataError(
            f"{part.table}.{column} holds in {n} what is no currency ({shown_value(min(odd))}); a "
            "currency is three letters such as EUR, or a sign such as €: let shop.toml name the "
            f'column that says it, [{part.table}] currency = "…"'
        )
    if unsaid and set(rows) - {own}:
        raise DataError(
            f"{part.table}.{column} is empty in {plural(unsaid, 'row')}, and others are in "
            f"{_some(sorted(rows), ', ')}: say the currency of every row"
        )
    foreign = sorted(set(rows) - {own})
    if not foreign:
        return table
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
    held = _some([f"{code} ({plural(n, 'row')})" for code, n in sorted(rows.items())], " and ")
    return (
        f"{table} holds amounts in {held}: two currencies are never added up; say the rate in "
        f"shop.toml, [rates] {missing} = … (one {missing} in {own}), or leave those rows out"
    )


def _some(said: Sequence[str], between: str) -> str:
    """Join the first five, and say how many more there are."""
    rest = len(said) - _MOST
    if rest <= 0:
        return between.join(said)
    return ", ".join([*said[:_MOST], f"and {count(rest)} more"])


def _column(part: Part, table: Any) -> str | None:
    wanted = (part.currency or "currency").lower()
    return next((c for c in table.columns if c.lower() in (wanted, f"source_{wanted}")), None)


def _code(value: Any, own: str) -> Any:
    """Return the code of a currency that is written as a code or as a sign."""
    import ibis

    means = dict(SIGNS)
    for sign, codes in SHARED_SIGNS.items():
        means[sign] = own if own in codes else codes[0]
    text = value.cast("string").strip().upper()
    return ibis.cases(*[(text == sign.upper(), code) for sign, code in means.items()], else_=text)


def _rows(table: Any, code: Any) -> tuple[dict[str, int], int]:
    """Return the rows in each currency, and those that state none."""
    found = table.group_by(code=code).aggregate(n=table.count()).execute()
    rows = {str(c): int(n) for c, n in zip(found["code"], found["n"], strict=True) if c == c and c}
    return rows, int(found["n"].sum()) - sum(rows.values())


def _look_for_others(part: Part, table: Any, own: str) -> None:
    """Refuse another currency in a column whose name says so, and that nobody named."""
    from promolab.sources.synonyms import CURRENCIES, column_rank

    attributes = {name.lower() for name in part.attributes}
    for name, kind in table.schema().items():
        known = name in TABLES[part.table] or name.lower() in attributes
        if known or not kind.is_string() or column_rank("events", "currency", name) is None:
            continue
        every, _ = _rows(table, _code(table[name], own))
        rows = {code: n for code, n in every.items() if code in CURRENCIES}
        if set(rows) <= {own} or 2 * sum(rows.values()) < sum(every.values()):
            continue
        raise DataError(_unnamed(part.table, name, rows, own))


def _unnamed(table: str, name: str, rows: Mapping[str, int], own: str) -> str:
    other = min(set(rows) - {own})
    held = _some([f"{code} ({plural(n, 'row')})" for code, n in sorted(rows.items())], " and ")
    said = f"{table}.{name} says {held}"
    if len(rows) > 1:
        said += ", and two currencies are never added up: if that is the amounts' currency,"
    else:
        said += f', and shop.toml says currency = "{own}": say currency = "{other}", or'
    return (
        f'{said} name it in shop.toml, [{table}] currency = "{name}", and a rate, [rates] {other} '
        f"= … (one {other} in {own}); if it is not, keep it as an attribute, "
        f'[{table}.attributes] other_currency = "{name}"'
    )


def _converted(part: Part, table: Any, money: list[str], code: Any, own: str, rates: Any) -> Any:
    import ibis

    schema = {"_code": "string", "_rate": "float64", "_from": "timestamp", "_until": "timestamp"}
    renamed = rates.set_axis(list(schema), axis=1)
    lookup = keep(table.get_backend(), ibis.memtable(renamed, schema=schema), "rates")
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
            f"{part.table} has {plural(n, 'amount')} older than the first rate of their currency; "
            "add an earlier rate to [rates]"
        )
    # Money is a number of hundredths at least; a hundredth of a cent keeps what a rate makes of it.
    changed = {name: (joined[name].cast("float64") * rate).round(4) for name in money}
    return joined.mutate(**changed).select(*table.columns)
