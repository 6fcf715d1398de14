"""National numbers of persons, tax ids among them: told by how they are written and by their check.

Numbers of letters and digits are told by their form, numbers of digits alone by their check digits
as well; so one value of the former is enough, and of the latter several.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

__all__ = ["is_national_id"]

LEAST = 5
"""Fewer different values than this prove nothing where one in ten passes a check by chance."""
SHARE = 0.9
"""Share of the values that must pass."""


def is_national_id(values: Sequence[str]) -> bool:
    """Tell whether values are national numbers of persons.

    Known are those of Brazil, China, Finland, France, Germany, India, Italy, Mexico, the
    Netherlands, Poland, Spain, Sweden, the United Kingdom and the United States.

    Parameters
    ----------
    values : sequence of str
        Different values of a column.

    References
    ----------
    ISO 7064 (Germany, China); Agenzia delle Entrate, DM 23/12/1976 (Italy); Orden INT/2058/2008
    (Spain); INSEE, NIR (France); Receita Federal, CPF (Brazil); Skatteverket, SKV 704 (Sweden).

    Examples
    --------
    >>> is_national_id(["RSSMRA85T10A562S"]), is_national_id(["078-05-1120"])
    (True, True)
    >>> is_national_id(["86095742719"]), is_national_id(["ORDER-85T10A562S"])
    (False, False)
    """
    if not values:
        return False
    plain = [re.sub(r"[ ./-]", "", value).upper() for value in values]
    for form, check in _BY_FORM:
        if _share([bool(form.fullmatch(v)) and check(v) for v in plain]) >= SHARE:
            return True
    if _share([bool(_SSN.fullmatch(value)) for value in values]) >= SHARE:
        return True
    return len(plain) >= LEAST and any(
        _share([bool(form.fullmatch(v)) and check(v) for v in plain]) >= SHARE
        for form, check in _BY_CHECK
    )


def _share(passed: Sequence[bool]) -> float:
    return sum(passed) / len(passed)


def _weighted(digits: str, weights: Sequence[int]) -> int:
    return sum(int(d) * w for d, w in zip(digits, weights, strict=False))


def _always(value: str) -> bool:
    return True


def _italian(value: str) -> bool:
    total = sum(
        _ODD[int(c) if c.isdigit() else ord(c) - 65]
        if i % 2 == 0
        else (int(c) if c.isdigit() else ord(c) - 65)
        for i, c in enumerate(value[:15])
    )
    return chr(65 + total % 26) == value[15]


def _spanish(value: str) -> bool:
    number = value[:-1].translate(str.maketrans("XYZ", "012"))
    return "TRWAGMYFPDXBNJZSQVHLCKE"[int(number) % 23] == value[-1]


def _finnish(value: str) -> bool:
    digits = "".join(c for c in value[:-1] if c.isdigit())
    return "0123456789ABCDEFHJKLMNPRSTUVWXY"[int(digits) % 31] == value[-1]


def _chinese(value: str) -> bool:
    weights = [2**i % 11 for i in range(17, 0, -1)]
    return "10X98765432"[_weighted(value, weights) % 11] == value[-1]


def _german(value: str) -> bool:
    product = 10
    for digit in value[:-1]:
        total = (int(digit) + product) % 10 or 10
        product = 2 * total % 11
    return (11 - product) % 10 == int(value[-1])


def _french(value: str) -> bool:
    number = value[:13].replace("2A", "19").replace("2B", "18")
    return number.isdigit() and 97 - int(number) % 97 == int(value[13:])


def _brazilian(value: str) -> bool:
    if len(set(value)) == 1:
        return False
    first = _weighted(value, range(10, 1, -1)) * 10 % 11 % 10
    second = _weighted(value, range(11, 1, -1)) * 10 % 11 % 10
    return value[-2:] == f"{first}{second}"


def _polish(value: str) -> bool:
    return (10 - _weighted(value, (1, 3, 7, 9, 1, 3, 7, 9, 1, 3)) % 10) % 10 == int(value[-1])


def _dutch(value: str) -> bool:
    return _weighted(value, (9, 8, 7, 6, 5, 4, 3, 2, -1)) % 11 == 0


def _luhn(value: str) -> bool:
    doubled = [int(d) * (2 if i % 2 == 0 else 1) for i, d in enumerate(value[-10:])]
    return sum(d - 9 if d > 9 else d for d in doubled) % 10 == 0


_Check = tuple[re.Pattern[str], Callable[[str], bool]]
_SSN = re.compile(r"(?!000|666|9\d\d)\d{3}-(?!00)\d{2}-(?!0000)\d{4}")
# What 0 or A, 1 or B, … count at an odd place of an Italian number.
_ODD = (
    1,
    0,
    5,
    7,
    9,
    13,
    15,
    17,
    19,
    21,
    2,
    4,
    18,
    20,
    11,
    3,
    6,
    8,
    12,
    14,
    16,
    10,
    22,
    25,
    24,
    23,
)
_MONTH, _DAY = r"(0[1-9]|1[0-2])", r"(0[1-9]|[12]\d|3[01])"
_BY_FORM: tuple[_Check, ...] = (
    (re.compile(r"[A-Z]{6}\d{2}[A-EHLMPR-T]\d{2}[A-Z]\d{3}[A-Z]"), _italian),
    (re.compile(r"(\d{8}|[XYZ]\d{7})[A-Z]"), _spanish),
    (re.compile(r"(?!BG|GB|KN|NK|NT|TN|ZZ)[A-CEGHJ-PR-TW-Z]{2}\d{6}[A-D]"), _always),  # British
    (re.compile(r"[A-Z]{3}[ABCFGHJLPT][A-Z]\d{4}[A-Z]"), _always),  # Indian
    (re.compile(r"[A-Z]{4}\d{2}" + _MONTH + _DAY + r"[HMX][A-Z]{5}[A-Z\d]\d"), _always),  # Mexican
    (re.compile(_DAY + _MONTH + r"\d{2}[-+A-FU-Y]?\d{3}[\dA-Y]"), _finnish),
    (re.compile(r"\d{6}(18|19|20)\d{2}" + _MONTH + _DAY + r"\d{3}[\dX]"), _chinese),
    (re.compile(r"[12]\d{2}" + _MONTH + r"(\d{2}|2[AB])\d{8}"), _french),
)
_BY_CHECK: tuple[_Check, ...] = (
    (re.compile(r"[1-9]\d{10}"), _german),
    (re.compile(r"\d{11}"), _brazilian),
    (re.compile(r"\d{2}([02468][1-9]|[13579][0-2])" + _DAY + r"\d{5}"), _polish),
    (re.compile(r"\d{9}"), _dutch),
    (re.compile(r"(\d{2})?\d{2}" + _MONTH + _DAY + r"\d{4}"), _luhn),  # Swedish
)
