"""What engines do differently and the library asks for by name; it need not know the engine.

The rest is settled in the SQL that an engine is sent (`duckdb_answers`, `postgres_sql`,
`spark_sql`): DuckDB's answer is the one that the others are held to.

| asked for | DuckDB | PostgreSQL | Spark |
|---|---|---|---|
| `keep` | temporary table | temporary table, measured | partitions kept, the plan cut off |
| `local_time`, `to_utc` | ``timezone`` | ``timezone`` | ``from_utc_timestamp`` and back |
| `write_batches` | streamed through this process | likewise | on the executors |
| `until_next` | as-of join | join between two dates | join between two dates |
| `cast_or_null` | ``TRY_CAST`` | a pattern first | ``TRY_CAST`` behind a pattern |
| `time_or_null` | ``try_strptime`` | a pattern, then a cast | a pattern, then a cast |
"""

from __future__ import annotations

import functools
import uuid
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import ibis.expr.types as ir

_HAS_ASOF = ("duckdb", "snowflake")
"""PostgreSQL has none: Ibis would ask it for all dates again at each row."""
_CAN_TRY = ("duckdb", "postgres", "pyspark")
"""Engines that return null where a cast fails; on others it is the engine's own error."""


def keep(con: Any, rows: Any, name: str = "rows") -> Any:
    """Compute a table once, on the engine and for as long as its connection lives.

    Parameters
    ----------
    con : ibis Backend
        Where it is computed and kept; nothing of the source's own is changed.
    rows : ibis Table
        The table.
    name : str
        A word for what it holds, part of its name there.

    Returns
    -------
    ibis Table

    Examples
    --------
    >>> import ibis
    >>> con = ibis.duckdb.connect()
    >>> keep(con, ibis.memtable({"a": [1, 2]})).a.execute().tolist()
    [1, 2]
    """
    return con.create_table(f"promolab_{name}_{uuid.uuid4().hex[:12]}", rows, temp=True)


def local_time(ts: ir.TimestampValue, zone: str) -> ir.TimestampValue:
    """Return a UTC time as the wall-clock time of a zone, summer time included.

    Parameters
    ----------
    ts : ibis TimestampValue
        UTC, without a zone.
    zone : str
        IANA name.

    Examples
    --------
    >>> import ibis
    >>> noon = ibis.literal("2021-07-01 12:00").cast("timestamp")
    >>> ibis.duckdb.connect().execute(local_time(noon, "Europe/London")).hour
    13
    """
    return ts if zone == "UTC" else _moved(ts, "UTC", zone)


def to_utc(local: ir.TimestampValue, zone: str) -> ir.TimestampValue:
    """Return a wall-clock time of a zone as UTC without a zone.

    An hour that summer time skips is read as if it had not begun, one that comes twice as the
    second.

    Parameters
    ----------
    local : ibis TimestampValue
        Without a zone.
    zone : str
        IANA name.

    Examples
    --------
    >>> import ibis
    >>> noon = ibis.literal("2021-07-01 12:00").cast("timestamp")
    >>> ibis.duckdb.connect().execute(to_utc(noon, "Europe/London")).hour
    11
    """
    return local if zone == "UTC" else _moved(local, zone, "UTC")


def _moved(clock: ir.TimestampValue, of: str, to: str) -> ir.TimestampValue:
    to_naive, to_instant = _timezone()
    return to_naive(to, to_instant(of, clock))


@functools.cache
def _timezone() -> tuple[Any, Any]:
    # Casting to timestamp('America/New_York') moves nothing in DuckDB; its own function does, and
    # which way depends on whether the argument carries a zone.
    import ibis
    import ibis.expr.datatypes as dt

    aware, naive = dt.Timestamp(timezone="UTC"), dt.Timestamp()

    @ibis.udf.scalar.builtin(name="timezone", signature=((dt.string, aware), naive))
    def to_naive(zone, ts):  # type: ignore[no-untyped-def]
        """Wall-clock time of an instant."""

    @ibis.udf.scalar.builtin(name="timezone", signature=((dt.string, naive), aware))
    def to_instant(zone, ts):  # type: ignore[no-untyped-def]
        """Instant of a wall-clock time."""

    return to_naive, to_instant


def until_next(rows: Any, dates: Any) -> Any:
    """Return the rows before the last of some dates, each with the first date after it.

    Parameters
    ----------
    rows : ibis Table
        With ``ts``.
    dates : ibis Table
        With ``as_of``, each date once.

    Returns
    -------
    ibis Table
        The rows with ``until``.

    Examples
    --------
    >>> import ibis, pandas as pd
    >>> con = ibis.duckdb.connect()
    >>> day = pd.to_datetime(["2021-03-01", "2021-03-08", "2021-03-15"])
    >>> rows = con.create_table("rows", pd.DataFrame({"ts": day}))
    >>> dates = con.create_table("dates", pd.DataFrame({"as_of": day[1:]}))
    >>> until_next(rows, dates).order_by("ts").until.execute().dt.day.tolist()
    [8, 15]
    """
    import ibis

    if rows.get_backend().name in _HAS_ASOF:
        ends = dates.rename(until="as_of")
        found = rows.asof_join(ends, rows.ts < ends.until)
        return found.filter(found.until.notnull())
    earlier = dates.as_of.lag().over(ibis.window(order_by=dates.as_of))
    since = earlier.fill_null(ibis.literal(datetime(1, 1, 1)).cast("timestamp"))
    spans = dates.select(until=dates.as_of, since=since)
    return rows.join(spans, [rows.ts < spans.until, rows.ts >= spans.since]).drop("since")


def cast_or_null(text: Any, kind: str, engine: str) -> Any:
    """Return text as another type, null where it is none; some engines stop there instead.

    Parameters
    ----------
    text : ibis StringValue
        Text.
    kind : str
        An Ibis type.
    engine : str
        Name of the Ibis backend.
    """
    return text.try_cast(kind) if engine in _CAN_TRY else text.cast(kind)


def is_embedded(engine: str) -> bool:
    """Tell whether an engine runs in this process, where to try a whole column costs little.

    Parameters
    ----------
    engine : str
        Name of the Ibis backend.

    Examples
    --------
    >>> is_embedded("duckdb"), is_embedded("postgres")
    (True, False)
    """
    return engine == "duckdb"


def time_or_null(text: Any, form: str, engine: str) -> Any:
    """Return text in a format of ``strftime`` as UTC, null where it is not written so.

    Parameters
    ----------
    text : ibis StringValue
        Text; what states no zone is taken as it is.
    form : str
        The format.
    engine : str
        Name of the Ibis backend.
    """
    if not is_embedded(engine):
        return text.as_timestamp(form).cast("timestamp")
    zoned = "%z" in form
    parsed = _try_strptime(zoned)(text, form)
    return parsed.cast("timestamp('UTC')").cast("timestamp") if zoned else parsed


@functools.cache
def _try_strptime(zoned: bool) -> Any:
    import ibis
    import ibis.expr.datatypes as dt

    result = dt.Timestamp(timezone="UTC") if zoned else dt.Timestamp()

    @ibis.udf.scalar.builtin(name="try_strptime", signature=((dt.string, dt.string), result))
    def try_strptime(text, form):  # type: ignore[no-untyped-def]
        """Null where the text does not fit."""

    return try_strptime
