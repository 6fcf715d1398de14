"""How words write a fact: the formats of ``words.toml``, on top of `promolab.wording`."""

from __future__ import annotations

import math
from datetime import date
from typing import Any

from promolab.language import day_words, month_words
from promolab.results.estimate import Estimate
from promolab.wording import (
    amount,
    count,
    decimals_for,
    expected,
    figure,
    money,
    number,
    p_value,
    percent,
    plural,
    signed,
)

OF_LISTS = ("and", "or", "list", "each", "word", "label", "more", "few")
FORMATS = (
    *("count", "one", "number", "alone", "figure", "percent", "points", "money", "signed"),
    *("p", "day", "month", "text", "amount", "expected"),
)
"""``{fact:FORMAT.DECIMALS REST}``."""


def write(value: Any, spec: str, currency: str = "") -> str:
    """Return a fact in a format.

    Parameters
    ----------
    value : object
        An `Estimate` is written with its interval.
    spec : str
        ``count NOUN/NOUNS`` (of a list: its length), ``one is/are`` (the word alone), ``number.N
        UNIT`` (``.N+``: so many decimals, more where the interval asks for them), ``alone`` (as
        number, the interval left out), ``figure`` (two digits at least), ``percent.N``,
        ``points.N``, ``money.N``, ``amount`` (of
        money; a small one with the decimals that it needs), ``expected`` (a number; a whole one
        without its interval), ``signed.N``, ``p``, ``day``, ``day year``, ``month``; by default
        what suits the value.
    currency : str
        Of money.

    Examples
    --------
    >>> write(1, "count delivery/deliveries"), write(3, "one is/are"), write(0.5, "percent.0")
    ('1 delivery', 'are', '50 %')
    >>> write(Estimate(0.512, 0.4, 0.6), "number.2+"), write(Estimate(0.512, 0.4, 0.6), "alone")
    ('0.51 [0.40, 0.60]', '0.51')
    """
    kind, _, rest = (spec or _usual(value)).partition(" ")
    kind, _, digits = kind.partition(".")
    if kind in ("count", "one") and hasattr(value, "__len__"):
        value = len(value)
    ends = value.ends if isinstance(value, Estimate) else (value,)
    decimals = int(digits.rstrip("+")) if digits else None
    if decimals is not None and digits.endswith("+") and len(ends) == 3:
        decimals = max(decimals, decimals_for(ends[1], ends[2]))
    if kind == "count":
        return plural(ends[0], *rest.split("/")) if rest else count(ends[0])
    if kind == "one":
        single, many = rest.split("/")
        return single if count(ends[0]) == "1" else many
    if kind == "figure":
        return figure(*ends)
    if kind == "percent":
        return percent(*ends, decimals=decimals)
    if kind == "money":
        return money(*ends, currency=rest or currency, decimals=decimals)
    if kind == "amount":
        return amount(*_three(ends), currency=rest or currency)
    if kind == "expected":
        return expected(*_three(ends))
    if kind == "signed":
        return signed(ends[0], 2 if decimals is None else decimals)
    if kind == "p":
        return p_value(ends[0])
    if kind == "day":
        return day_words(value, year=rest == "year")
    if kind == "month":
        return month_words(value)
    if kind == "text":
        return str(value)
    scale = 100 if kind == "points" else 1
    return number(
        *(scale * end for end in ends), decimals=decimals, unit=rest, bare=kind == "alone"
    )


def _three(ends: tuple[float, ...]) -> tuple[float, ...]:
    return ends if len(ends) == 3 else (*ends, math.nan, math.nan)


def _usual(value: Any) -> str:
    if isinstance(value, date):
        return "day year"
    if isinstance(value, (str, bool)) or value is None:
        return "text"
    kind = getattr(getattr(value, "dtype", None), "kind", "i" if isinstance(value, int) else "f")
    return "count" if kind in "iu" else "number"
