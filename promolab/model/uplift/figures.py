"""Effects in words: two digits at least, for an effect is often small beside its outcome."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from promolab.wording import decimals_for, number

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["figure", "lines", "p_words", "signed", "spoken"]


def figure(value: float, low: float | None = None, high: float | None = None) -> str:
    """Write an effect with its interval: what the interval allows, and two digits at least.

    Examples
    --------
    >>> figure(0.0454, 0.0392, 0.0517), figure(12.31, 9.2, 15.4), figure(0.0057)
    ('0.045 [0.039, 0.052]', '12 [9, 15]', '0.0057')
    """
    if not math.isfinite(value):
        return number(value)
    two = 1 - math.floor(math.log10(abs(value))) if value else 0
    decimals = max(two, 0)
    if low is not None and high is not None and math.isfinite(high - low):
        allowed = decimals_for(low, high)
        decimals = max(allowed, min(two, allowed + 1))
    return number(value, low, high, decimals=decimals)


def p_words(value: float) -> str:
    """Write a p value.

    Examples
    --------
    >>> p_words(0.2345), p_words(0.004), p_words(1e-9)
    ('p = 0.23', 'p = 0.004', 'p < 0.001')
    """
    if not math.isfinite(value):
        return "p unknown"
    if value < 0.001:
        return "p < 0.001"
    return f"p = {value:.2f}" if value >= 0.01 else f"p = {value:.3f}"


def signed(value: float, decimals: int = 2) -> str:
    """Write a difference with its sign.

    Examples
    --------
    >>> signed(0.123), signed(-0.1234, 3)
    ('+0.12', '−0.123')
    """
    return f"{value:+.{decimals}f}".replace("-", "−")


def spoken(name: object) -> str:
    """Write the name of an arm or a column as one says it.

    Examples
    --------
    >>> spoken("limited_time_discount")
    'limited time discount'
    """
    return str(name).replace("_", " ")


def lines(table: pd.DataFrame) -> Iterator[Any]:
    """Yield the rows of a small table, their columns as attributes.

    Examples
    --------
    >>> import pandas as pd
    >>> [row.arm for row in lines(pd.DataFrame({"arm": ["mail", "coupon"]}))]
    ['mail', 'coupon']
    """
    yield from table.itertuples()
