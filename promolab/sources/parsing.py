"""Text into numbers, times, flags, ids and terms, exactly as ``shop.toml`` says they are written.

Nothing is guessed value by value: what does not fit is a `Problem` of the whole column, with its
number of rows and an example, never a null in silence.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from promolab.contract import Settings, is_empty
from promolab.engines import cast_or_null, time_or_null, to_utc
from promolab.errors import DataError
from promolab.sources.mapping import Value

_ZONE = r"(Z|[+-]\d{2}(:?\d{2})?)$"
_ISO = (
    r"^\d{4}[-/]\d{1,2}[-/]\d{1,2}"
    r"([ T]\d{1,2}:\d{2}(:\d{2}(\.\d+)?)?)?\s*(Z|[+-]\d{2}(:?\d{2})?)?$"
)
_SPACES = ("\u00a0", "\u202f")  # no-break spaces stand between thousands
_EXCEL_DAY_0 = datetime(1899, 12, 30)
_TRUE, _FALSE = ("true", "t", "yes", "y", "1"), ("false", "f", "no", "n", "0")
_N = r"(\d+(?:[.,]\d+)?)"
_PERCENT, _FOLD = rf"{_N}\s*[%％]", rf"{_N}\s*折"
_EVERY = r"每满|每滿|(?i:\bevery\b|\beach\b)"
_FROM = (
    rf"[满滿]\s*{_N}\s*(?:元|块|立|减|打|享|[,，])",
    rf"(?i:\b(?:over|above|spend|from)\b[^\d%]{{0,12}}){_N}",
    rf"(?i:\bevery\b|\beach\b)[^\d%]{{0,12}}{_N}",
)
_OFF = (
    rf"减\s*{_N}",
    rf"(?i:\bsave\b)[^\d%]{{0,4}}{_N}",
    rf"{_N}\s*(?i:[a-z€£$¥]{{0,3}}\s*off\b)",
)
_PIECES = r"\d\s*件|[买送]|(?i:\bfree\b|\bbuy\b)"
"""What is counted in pieces: the contract has no word for it."""


@dataclass(frozen=True)
class Problem:
    """Rows whose value does not fit.

    Parameters
    ----------
    bad : ibis BooleanValue
        Which rows they are.
    example : ibis Value
        What to show of one of them.
    sentence : callable
        ``(rows, example) -> str``; with ``beside``, ``(rows, rows beside them) -> str``.
    beside : ibis BooleanValue, optional
        Rows without which the others are none: a column that is written in two ways.
    """

    bad: Any
    example: Any
    sentence: Callable[[int, Any], str]
    beside: Any = None


def to_id(where: str, value: Any, how: Value) -> tuple[Any, list[Problem]]:
    """Return a column of ids: text or whole numbers, as they are.

    Parameters
    ----------
    where : str
        ``table.column``, for errors.
    value : ibis Value
        As it lies in the source.
    how : Value
        What ``shop.toml`` says of it.

    Returns
    -------
    column : ibis Value
    problems : list of Problem

    Raises
    ------
    DataError
        If ids are of a type that loses digits.
    """
    made, problems = _as_id(where, value, how)
    if how.digits:
        text = made.cast("string").strip()
        short = text.re_search(r"^\d+$") & (text.length() < how.digits)
        made = short.ifelse(text.lpad(how.digits, "0"), text)
    return made, problems


def _as_id(where: str, value: Any, how: Value) -> tuple[Any, list[Problem]]:
    kind = value.type()
    whole = "{ column = …, whole = true } in shop.toml if they are whole numbers"
    if kind.is_floating() or kind.is_decimal():
        if how.whole:
            problem = Problem(
                value.notnull() & ((value != value.floor()) | (value.abs() >= 2**53)),
                value.cast("string"),
                lambda n, example: f"{where} has {n:,} ids that are not whole, such as {example}",
            )
            return value.cast("int64"), [problem]
        raise DataError(
            f"{where} holds {kind} numbers; an id is text or a whole number (floats lose digits): "
            f"write the column as text or as integers, or say {whole}"
        )
    if kind.is_string():
        if how.whole:
            plain = value.strip()
            problem = Problem(
                plain.re_search(r"^[+-]?\d*\.\d*[1-9]\d*$|^[+-]?\d+(\.\d*)?[eE][+-]?\d+$"),
                value,
                lambda n, example: (
                    f"{where} has {n:,} ids that are not whole, such as {example!r}; whole = true "
                    "is for ids such as 12345.0: see which column it is, or take whole = true out"
                ),
            )
            return plain.re_replace(r"\.0*$", ""), [problem]
        problem = Problem(
            # Of most ids that alone tells, and costs less.
            value.contains(".0").ifelse(value.re_search(r"^\d+\.0+$"), False),
            value,
            lambda n, example: (
                f"{where} looks like ids read as floats (such as {example!r}); export the column "
                f"as text or as integers, or say {whole}"
            ),
        )
        return value, [problem]
    if not kind.is_integer():
        raise DataError(f"{where} is of type {kind}; an id is text or a whole number")
    return value, []


def to_number(where: str, value: Any, how: Value, engine: str) -> tuple[Any, list[Problem]]:
    """Return a column of numbers; text is read as ``shop.toml`` says it is written.

    Parameters
    ----------
    where : str
        ``table.column``, for errors.
    value : ibis Value
        Numbers, or text.
    how : Value
        Decimal and thousands separators and currency sign.
    engine : str
        Name of the Ibis backend.

    Returns
    -------
    column : ibis Value
    problems : list of Problem

    Raises
    ------
    DataError
        If it is neither numbers nor text.
    """
    kind = value.type()
    if not kind.is_string():
        if not kind.is_numeric() or kind.is_boolean():
            raise DataError(f"{where} is of type {kind}; expected a number")
        return value, []
    text = value.strip()
    for space in _SPACES:
        text = text.replace(space, " ")
    if how.symbol:
        text = text.replace(how.symbol, "").strip()
    text = text.lower()
    # Accountants write an amount below zero as (1,037.50).
    text = text.re_replace(r"^\(\s*([^()+-]*[^()\s+-])\s*\)$", r"-\1")
    fits = text.re_search(number_pattern(how.decimal, how.thousands))
    plain = text.replace(how.thousands, "") if how.thousands else text
    if how.decimal != ".":
        plain = plain.replace(how.decimal, ".")
    parsed = _cast(plain, fits, "float64", engine)
    bad = ~is_empty(value) & (~fits | parsed.isnull())

    def sentence(n: int, example: str) -> str:
        return f"{where} has {n:,} values that are no number, such as {example!r}" + _number_hint(
            example, how
        )

    return parsed, [Problem(bad, value, sentence)]


def number_pattern(decimal: str, thousands: str) -> str:
    """Return a regular expression for a number in lower case, without its currency."""
    decimal, thousands = re.escape(decimal), re.escape(thousands)
    grouped = rf"\d{{1,3}}({thousands}\d{{3}})+|" if thousands else ""
    body = rf"({grouped}\d+)({decimal}\d*)?|{decimal}\d+"
    return rf"^[+-]? ?(({body})(e[+-]?\d+)?|nan|inf|infinity)$"


def _number_hint(example: str, how: Value) -> str:
    sign = _currency_sign(example)
    if sign and not how.symbol:
        return f'; if {sign} is a currency sign, say symbol = "{sign}" in shop.toml'
    if not re.search(r"\d|^a value that", example):
        return '; words that mean nothing stand in the section of shop.toml: empty = ["N/A", "-"]'
    if "," in example and how.decimal == "." and not how.thousands:
        return (
            '; say what the comma means in shop.toml: decimal = "," (one and a half is 1,5) or '
            'thousands = "," (a thousand is 1,000)'
        )
    written = f"decimal = {how.decimal!r}" + (
        f", thousands = {how.thousands!r}" if how.thousands else ""
    )
    return f" (numbers are read with {written}; shop.toml can say otherwise)"


def _currency_sign(example: str) -> str | None:
    """Return what looks like a currency beside digits: a sign, or a code of three capitals."""
    if not re.search(r"\d", example):
        return None
    code = re.search(r"\b[A-Z]{3}\b|\bkr\b", example)
    sign = next((each for each in example if unicodedata.category(each) == "Sc"), None)
    return sign or (code.group() if code else None)


def to_flag(where: str, value: Any) -> tuple[Any, list[Problem]]:
    """Return a column of true or false, from words or numbers.

    Raises
    ------
    DataError
        If it is neither.
    """
    kind = value.type()
    if kind.is_boolean():
        return value, []
    if kind.is_integer():
        return value != 0, []
    if not kind.is_string():
        raise DataError(f"{where} is of type {kind}; expected true or false")
    import ibis

    word = value.strip().lower()
    parsed = ibis.cases(
        (word.isin(_TRUE), True), (word.isin(_FALSE), False), else_=ibis.null("boolean")
    )
    bad = value.notnull() & (word != "") & parsed.isnull()
    problem = Problem(
        bad,
        value,
        lambda n, example: (
            f"{where} has {n:,} values that are no true or false, such as {example!r}"
        ),
    )
    return parsed, [problem]


def to_time(
    where: str, value: Any, how: Value, settings: Settings, engine: str
) -> tuple[Any, list[Problem]]:
    """Return a column of times, UTC without a zone.

    Parameters
    ----------
    where : str
        ``table.column``, for errors.
    value : ibis Value
        Times, days, text, or numbers with a format.
    how : Value
        Format and zone.
    settings : Settings
        What a time without a zone means.
    engine : str
        Name of the Ibis backend.

    Returns
    -------
    column : ibis Value
    problems : list of Problem

    Raises
    ------
    DataError
        If it is neither times nor text and no format says what the numbers mean.
    """
    import ibis

    kind = value.type()
    if kind.is_timestamp() or kind.is_date():
        if kind.is_timestamp() and kind.timezone is not None:
            # An instant; the engine's zone is UTC, so dropping the zone keeps it.
            return value.cast("timestamp('UTC')").cast("timestamp"), []
        return _to_utc(value.cast("timestamp"), how, settings), []
    if how.format in ("excel", "epoch_s", "epoch_ms"):
        return _from_number(where, value, how, settings, engine)
    if not kind.is_string():
        raise DataError(
            f"{where} is of type {kind}; expected a time such as 2017-10-29T17:02:11Z{_time_hint()}"
        )
    text = value.strip()
    given = ~is_empty(value)
    if how.format is not None:
        written = ibis.ifelse(given, text, ibis.null("string"))
        parsed = time_or_null(written, how.format, engine)
        zoned = "%z" in how.format
        made = parsed if zoned else _to_utc(parsed, how, settings)
        return made, [
            Problem(
                given & parsed.isnull(),
                value,
                lambda n, example: (
                    f"{where} has {n:,} values that are no time written as {how.format!r}, such as "
                    f"{example!r}; all values of a column are written alike"
                ),
            )
        ]
    return _from_iso(where, value, text, given, how, settings, engine)


def _from_iso(
    where: str, value: Any, text: Any, given: Any, how: Value, settings: Settings, engine: str
) -> tuple[Any, list[Problem]]:
    import ibis

    fits = text.re_search(_ISO)
    zoned = text.re_search(_ZONE) & text.contains(":")
    instant = _cast(text, fits & zoned, "timestamp('UTC')", engine).cast("timestamp")
    local = _cast(text, fits & ~zoned, "timestamp", engine)
    parsed = ibis.ifelse(zoned, instant, _to_utc(local, how, settings))
    return parsed, [
        Problem(
            given & parsed.isnull(),
            value,
            lambda n, example: (
                f"{where} has {n:,} values that are no time, such as {example!r}"
                f"{_time_hint(example)}"
            ),
        ),
        Problem(
            given & zoned,
            value,
            lambda n, others: (
                f"{where} mixes {n:,} times with a zone and {others:,} without one; "
                "write them all alike"
            ),
            beside=given & ~zoned,
        ),
    ]


def _time_hint(example: str = "1") -> str:
    if re.fullmatch(r"\d{5}(\.\d+)?", example):
        return '; days since 1899-12-30, as Excel counts them, need format = "excel" in shop.toml'
    if re.fullmatch(r"\d+(\.0*)?", example):
        return (
            '; numbers need a format in shop.toml: format = "epoch_s" (or "epoch_ms", "excel"), '
            'or such as "%Y%m%d"'
        )
    if re.match(r"\d{1,2}[/.-]\d{1,2}[/.-]\d{2,4}", example):
        return (
            "; whether day or month comes first is not guessed: say it in shop.toml, such as "
            'format = "%d/%m/%Y %H:%M"'
        )
    return ""


def _from_number(
    where: str, value: Any, how: Value, settings: Settings, engine: str
) -> tuple[Any, list[Problem]]:
    import ibis

    number, problems = to_number(where, value, Value(), engine)
    if how.format == "excel":
        seconds = (number.cast("float64") * 86_400).round().cast("int64")
        start = ibis.literal(_EXCEL_DAY_0).cast("timestamp")
        return _to_utc(start + seconds.as_interval("s"), how, settings), problems
    scale = 1_000 if how.format == "epoch_s" else 1
    milliseconds = (number.cast("float64") * scale).round().cast("int64")
    start = ibis.literal(datetime(1970, 1, 1)).cast("timestamp")
    return start + milliseconds.as_interval("ms"), problems


def _cast(text: Any, fits: Any, kind: str, engine: str) -> Any:
    """Return text as another type, null where it does not fit."""
    import ibis

    # What fits the pattern may be no value after all, such as the 30th of February.
    return cast_or_null(ibis.ifelse(fits, text, ibis.null("string")), kind, engine)


def _to_utc(value: Any, how: Value, settings: Settings) -> Any:
    import ibis

    if how.last_day:
        value = value + ibis.interval(days=1)
    zone = how.zone or (settings.zone if settings.naive_times == "local" else None)
    return to_utc(value, zone or "UTC")


def term_in_words(text: Any, column: str) -> Any:
    """Return what a rule in words, such as ``满199减25``, says of one of `TERMS`, else null.

    Parameters
    ----------
    text : ibis StringColumn
        The rules.
    column : str
        The contract's column.

    Examples
    --------
    >>> import ibis
    >>> rules = ibis.memtable({"rule": ["每满100减10", "85折", "10 % off over 50"]})
    >>> from promolab.sources.mapping import TERMS
    >>> found = rules.select(**{name: term_in_words(rules.rule, name) for name in TERMS})
    >>> found.execute().to_numpy(dtype=object, na_value=None).tolist()[0]
    [None, 100.0, 10.0, 0.0]
    >>> found.discount_rate.execute().round(2).tolist()[1:]
    [0.15, 0.1]
    """
    import ibis

    text = ibis.ifelse(text.re_search(_PIECES), ibis.null("string"), text)
    rate = ibis.coalesce(_rate_of_fold(_first(text, _FOLD)), _first(text, _PERCENT) / 100)
    reduction = ibis.ifelse(rate.isnull(), _first(text, *_OFF), ibis.null("float64"))
    if column == "discount_rate":
        return rate
    if column == "reduction":
        return reduction
    threshold = _first(text, *_FROM)
    if column == "threshold":
        return ibis.ifelse(ibis.coalesce(rate, reduction).isnull(), None, threshold)
    repeats = ibis.ifelse(text.re_search(_EVERY), 0.0, 1.0)
    return ibis.ifelse(threshold.isnull() | reduction.isnull(), None, repeats)


def says_terms(text: str) -> bool:
    """Tell whether a text says what a promotion takes off.

    Examples
    --------
    >>> [says_terms(t) for t in ("满199减25", "立减20", "save 5 over 50", "Spring 2024")]
    [True, True, True, False]
    """
    said = any(re.search(pattern, text) for pattern in (_PERCENT, _FOLD, *_OFF))
    return said and not re.search(_PIECES, text)


def _rate_of_fold(fold: Any) -> Any:
    """Return the share taken off: ``8折`` and ``80折`` leave eight tenths."""
    import ibis

    left = ibis.ifelse(fold < 10, fold / 10, fold / 100)
    return ibis.ifelse((left > 0) & (left < 1), (1 - left).round(4), ibis.null("float64"))


def _first(text: Any, *patterns: str) -> Any:
    import ibis

    found = [text.re_extract(p, 1).nullif("").replace(",", ".") for p in patterns]
    return ibis.coalesce(*(each.try_cast("float64") for each in found))
