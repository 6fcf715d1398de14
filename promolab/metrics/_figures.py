"""Measures in words, with the digits that models are compared by."""

from __future__ import annotations

from promolab.wording import decimals_for, number

__all__ = ["OF_LOSSES", "figure"]

OF_LOSSES = 3
"""Decimals of losses, and of differences, at least: models differ by thousandths."""


def figure(value: float, low: float, high: float, least: int = 2) -> str:
    """Write a measure with its interval, to so many decimals at least, however wide it is.

    Of a figure between 0 and 1 a wide interval would leave no digit at all: "AUC 1 [0, 1]".

    Examples
    --------
    >>> figure(0.6667, 0.0, 1.0), figure(0.71234, 0.71201, 0.71267)
    ('0.67 [0.00, 1.00]', '0.7123 [0.7120, 0.7127]')
    """
    return number(value, low, high, decimals=max(decimals_for(low, high), least))
