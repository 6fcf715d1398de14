"""Measures in words, with the digits that models are compared by."""

from __future__ import annotations

from promolab.results import Estimate
from promolab.wording import decimals_for, number, percent

__all__ = ["OF_LOSSES", "against_base", "figure"]

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


def against_base(skill: Estimate) -> str:
    """Say how far a loss is below or above that of the base rate given to every row.

    Examples
    --------
    >>> against_base(Estimate(0.29, 0.21, 0.37, 90))
    '29 % [21, 37] less than the base rate given to every row'
    >>> against_base(Estimate(-1.59, -2.41, -0.81, 90))
    '159 % [81, 241] more than the base rate given to every row'
    >>> against_base(Estimate(0.02, -0.04, 0.08, 90))
    '2 % [−4, 8] less than the base rate given to every row, which is within noise'
    """
    less = skill.value >= 0
    ends = (skill.ci_low, skill.ci_high) if less else (-skill.ci_high, -skill.ci_low)
    words = f"{percent(abs(skill.value), *ends)} {'less' if less else 'more'} than the base rate"
    noise = ", which is within noise" if skill.ci_low <= 0 <= skill.ci_high else ""
    return f"{words} given to every row{noise}"
