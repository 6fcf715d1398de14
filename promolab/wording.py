"""Figures in words: rounded to what their interval allows, with unit and thousands separators."""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from promolab.language import _, currency_sign, decimal, percent_sign


@dataclass(frozen=True)
class Answer:
    """What customers do about a promotion, in words.

    Parameters
    ----------
    verb, past, done : str
        What a customer does, did, and what then was done to the promotion: redeem, redeemed,
        redeemed.
    noun, who : str
        What that is called, and who did it: redemption, redeemer.
    """

    verb: str
    past: str
    done: str
    noun: str
    who: str


def _redeem() -> Answer:
    return Answer(_("redeem"), _("redeemed"), _("redeemed"), _("redemption"), _("redeemer"))


def _respond() -> Answer:
    return Answer(_("respond"), _("responded"), _("responded to"), _("response"), _("responder"))


def _buy() -> Answer:
    return Answer(_("buy"), _("bought"), _("bought from"), _("purchase"), _("buyer"))


def answer_to(kinds: str | Iterable[str]) -> Answer:
    """Return the words for what customers do about promotions of these kinds.

    Parameters
    ----------
    kinds : str or iterable of str
        Kinds of the contract. Coupons are redeemed, from a recommendation customers buy; all else,
        and a mixture, is responded to.

    Examples
    --------
    >>> answer_to("coupon").past, answer_to("recommendation").past, answer_to("full_reduction").past
    ('redeemed', 'bought', 'responded')
    >>> answer_to(["coupon", "full_reduction"]).noun, answer_to([]).noun
    ('response', 'redemption')
    """
    every = {kinds} if isinstance(kinds, str) else set(kinds)
    return (
        _redeem() if every <= {"coupon"} else _buy() if every == {"recommendation"} else _respond()
    )


COARSE = 3
"""Steps of the last digit that an interval must span at least."""


def decimals_for(low: float, high: float) -> int:
    """Return how many decimals an interval allows; negative numbers round to tens, hundreds, ….

    Examples
    --------
    >>> decimals_for(18.2, 24.1), decimals_for(0.83, 0.89), decimals_for(11_000, 13_800)
    (0, 2, -2)
    >>> decimals_for(1.02, 2.11)
    1
    """
    width = abs(high - low)
    if not _apart(low, high):
        return 2
    decimals = max(-9, min(6, math.ceil(-math.log10(width))))
    # Above 100 one digit more: "190 [100, 370]", for "200 [100, 400]" says less than is known; and
    # where the interval is hardly wider than the last digit: "1.4 [1.0, 2.1]", not "1 [1, 2]".
    coarse = decimals < 0 or width * 10.0**decimals < COARSE
    return decimals + 1 if coarse else decimals


def _apart(low: float, high: float) -> bool:
    """Tell whether an interval is wider than what rounding in computation makes of a point."""
    width = abs(high - low)
    return math.isfinite(width) and width > max(1e-6, 1e-6 * max(abs(low), abs(high)))


def _round(value: float, decimals: int) -> str:
    if not math.isfinite(value):
        return "–" if math.isnan(value) else ("∞" if value > 0 else "−∞")
    rounded = round(value, decimals)
    text = decimal(rounded, decimals)
    return f"−{text}" if rounded < 0 else text


def number(
    value: float,
    low: float | None = None,
    high: float | None = None,
    *,
    decimals: int | None = None,
    unit: str = "",
    before: str = "",
    bare: bool = False,
) -> str:
    """Write a figure, with its interval where there is one that is wider than nothing.

    Parameters
    ----------
    value, low, high : float
        The figure and the ends of its interval; an end that is missing or nan is left out.
    decimals : int, optional
        Decimals to show, more where the interval would shrink to a point; by default what the
        interval allows, else two significant digits.
    unit, before : str
        Text behind the figure (after a space) and before it; of a unit in the plural, such as
        points, one is in the singular.
    bare : bool
        Whether the interval stands elsewhere, and only rounds the figure here as it does there.

    Examples
    --------
    >>> number(0.8612, 0.8312, 0.8901)
    '0.86 [0.83, 0.89]'
    >>> number(12_345, 11_000, 13_800, before="$")
    '$12,300 [11,000, 13,800]'
    >>> number(1634.8, 1210, 2080, bare=True)
    '1,630'
    >>> number(1234.5678, decimals=0), number(104.4, 104.4, 104.4)
    ('1,235', '104')
    >>> number(1.2, -11, 7, unit="points"), number(20.334, 20.334, 20.334 + 1e-9)
    ('1 point [−11, 7]', '20.3')
    >>> number(float("nan"), unit="%")
    '–'
    """
    if math.isnan(value):
        return "–"
    ends = None
    if low is not None and high is not None and _apart(low, high):
        ends = low, high
        allowed = decimals_for(low, high)
        if decimals is None or _round(low, decimals) == _round(high, decimals):
            decimals = allowed
    if decimals is None:
        decimals = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2
    figure = _round(value, decimals)
    unit = unit.removesuffix("s") if figure.lstrip("−") == "1" else unit
    sign = "−" if before and figure.startswith("−") else ""
    text = sign + before + figure.removeprefix(sign) + _behind(unit)
    if ends is not None and not bare:
        text += f" [{_round(ends[0], decimals)}, {_round(ends[1], decimals)}]"
    return text


def _behind(unit: str) -> str:
    if unit == "%":
        return percent_sign()
    return f" {unit}" if unit else ""


def percent(
    value: float,
    low: float | None = None,
    high: float | None = None,
    *,
    decimals: int | None = None,
) -> str:
    """Write a share (0–1) in percent: whole percents at the coarsest, however wide the interval.

    Examples
    --------
    >>> percent(0.212, 0.18, 0.243)
    '21 % [18, 24]'
    >>> percent(0.5, 0.44, 0.56)
    '50 % [44, 56]'
    """
    scale = [None if x is None else 100 * x for x in (low, high)]
    known = low is not None and high is not None and _apart(low, high)
    if value == 0 and not known:
        return number(0.0, decimals=decimals or 0, unit="%")
    if decimals is None and known and low is not None and high is not None:
        decimals = max(0, decimals_for(100 * low, 100 * high))
    return number(100 * value, *scale, decimals=decimals, unit="%")


def money(
    value: float,
    low: float | None = None,
    high: float | None = None,
    *,
    currency: str = "USD",
    decimals: int | None = None,
    bare: bool = False,
) -> str:
    """Write an amount of money, the currency's code behind it; ``bare`` as of `number`.

    Examples
    --------
    >>> money(12_345, 11_000, 13_800, currency="EUR")
    '12,300 EUR [11,000, 13,800]'
    >>> money(3.5)
    '3.50 USD'
    """
    sign = currency_sign(currency)
    unit = "" if sign else currency
    return number(value, low, high, decimals=decimals, before=sign, unit=unit, bare=bare)


def amount(value: float, low: float, high: float, *, currency: str = "USD") -> str:
    """Write an amount of money with its interval; a small one with the decimals that it needs.

    Examples
    --------
    >>> amount(2.193, 0.822, 5.849), amount(507.1, 190.1, 1352.7, currency="EUR")
    ('2.2 USD [0.8, 5.8]', '500 EUR [200, 1,400]')
    """
    decimals = None
    if math.isfinite(high - low) and 0 < abs(value) < 10:
        decimals = max(decimals_for(low, high), 2 if abs(value) < 1 else 1)
    return money(value, low, high, currency=currency, decimals=decimals)


def expected(value: float, low: float, high: float) -> str:
    """Write an expected number with its interval; without one as a whole number.

    Examples
    --------
    >>> expected(183.2, 81.4, 441.9), expected(54.9, math.nan, math.nan)
    ('180 [80, 440]', '55')
    """
    return number(value, low, high, decimals=None if math.isfinite(low) else 0)


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


def p_value(value: float) -> str:
    """Write a p value.

    Examples
    --------
    >>> p_value(0.2345), p_value(0.004), p_value(1e-9), p_value(math.nan)
    ('p = 0.23', 'p = 0.004', 'p < 0.001', 'p = –')
    """
    if value < 0.001:
        return "p < 0.001"
    return f"p = {_round(value, 3 if value < 0.01 else 2)}"


def signed(value: float, decimals: int = 2) -> str:
    """Write a difference with its sign.

    Examples
    --------
    >>> signed(0.123), signed(-0.1234, 3), signed(0.0001)
    ('+0.12', '−0.123', '0.00')
    """
    text = _round(value, decimals)
    return f"+{text}" if round(value, decimals) > 0 else text


def in_currency(code: str) -> str:
    """Return how a heading or an axis says in what its amounts are: as sentences write them.

    Examples
    --------
    >>> in_currency("CNY")
    'CNY'
    """
    return currency_sign(code) or code


def count(value: float) -> str:
    """Write a whole number with thousands separators.

    Examples
    --------
    >>> count(1469307)
    '1,469,307'
    """
    return _round(float(value), 0)


def is_one(figure: str) -> bool:
    """Tell whether a figure in words, its interval aside, is one: its noun is in the singular.

    Examples
    --------
    >>> is_one("1 [0, 3]"), is_one("1.4 [1.0, 2.1]"), is_one("160 [80, 320]")
    (True, False, False)
    """
    return figure.partition(" ")[0] == "1"


def plural(n: float, one: str, many: str | None = None) -> str:
    """Write a number with the noun in the right form.

    Examples
    --------
    >>> plural(1, "promotion"), plural(3, "promotion"), plural(0, "delivery", "deliveries")
    ('1 promotion', '3 promotions', '0 deliveries')
    """
    text = count(n)
    return f"{text} {one if text == '1' else many or one + 's'}"


def arm_words(name: object) -> str:
    """Write what an arm is called as one says it: a number or a truth value is no name.

    Examples
    --------
    >>> arm_words("limited_time_discount"), arm_words(1), arm_words("0")
    ('limited time discount', 'arm 1', 'arm 0')
    """
    text = str(name).replace("_", " ")
    return f"arm {text}" if re.fullmatch(r"[-−]?[\d.]+|True|False", text) else text


def counted(template: str, n: float) -> str:
    """Write a sentence about so many rows or values, in the singular where it is one.

    Examples
    --------
    >>> counted("events has {n} rows that are equal", 1), counted("empty in {n} rows", 3)
    ('events has 1 row that is equal', 'empty in 3 rows')
    """
    text = template.replace("{n}", count(n))
    if count(n) != "1":
        return text
    text = re.sub(r"\b1 (row|value)s that are\b", r"1 \1 that is", text)
    return re.sub(r"\b1 (row|value)s\b", r"1 \1", text)


def part_of(part: float, whole: float) -> str:
    """Write how many of how many, such as answers of contacts.

    Examples
    --------
    >>> part_of(58, 1402), part_of(0, 0)
    ('58 of 1,402', 'nobody')
    """
    if not whole:
        return _("nobody")
    return _("{part} of {whole}", part=count(part), whole=count(whole))


def listed(names: Iterable[str]) -> str:
    """Write names one after the other.

    Examples
    --------
    >>> listed(["Coupons 18", "Discount 7"])
    'Coupons 18, Discount 7'
    """
    return _(", ").join(names)


def capital(text: str) -> str:
    """Return a text with its first letter large, the others as they are.

    Examples
    --------
    >>> capital("share of orders with a coupon, in USD")
    'Share of orders with a coupon, in USD'
    """
    return text[:1].upper() + text[1:]


def _names_of_kinds() -> dict[str, str]:
    return {
        "coupon": _("Coupons"),
        "recommendation": _("Recommendation"),
        "limited_time_discount": _("Discount"),
        "full_reduction": _("Spend-and-save"),
    }


def promotion_name(kind: str, promotion_id: Any, title: str = "") -> str:
    """Return what readers call a promotion: its title, else its kind in words, and its id.

    A shop knows its promotions' titles: `promolab.contract.Shop.promotion_name`.

    Examples
    --------
    >>> promotion_name("coupon", 13), promotion_name("full_reduction", "P7")
    ('Coupons 13', 'Spend-and-save P7')
    >>> promotion_name("recommendation", "W26-recommendation")
    'Recommendation W26'
    """
    if title:
        return title
    words = _names_of_kinds().get(str(kind), str(kind).replace("_", " ").capitalize())
    kind = re.escape(str(kind))
    text = re.sub(rf"^{kind}[-_ .:/]+|[-_ .:/]+{kind}$", "", str(promotion_id))
    return f"{words} {text}"


def word_lists(file: Path) -> dict[tuple[str, ...], list[str]]:
    """Return the lists of words in a csv file, by what its other columns say of them.

    Parameters
    ----------
    file : Path
        With a line of names; the last column holds words with spaces between them.
    """
    found: dict[tuple[str, ...], list[str]] = {}
    with file.open(encoding="utf-8", newline="") as lines:
        for *of, words in list(csv.reader(lines))[1:]:
            found.setdefault(tuple(of), []).extend(words.split())
    return found
