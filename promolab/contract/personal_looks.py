"""What personal data look like: how values are written, and what hides them."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from promolab.contract.national_ids import is_national_id
from promolab.contract.personal_names import (
    BIRTHS,
    EMAILS,
    IDENTITY,
    PHONES,
    by_name,
    is_numbered,
)

__all__ = [
    "ANY_EMAIL",
    "LOOKED_LIKE",
    "by_name",
    "by_number",
    "by_shape",
    "by_value",
    "is_one_of_each",
    "looks_personal",
    "masked",
    "shown_value",
]

ANY_EMAIL = r"[^@\s]@[^@\s]+[.][A-Za-z][A-Za-z]"
"""What an engine looks for in every value of a column."""
LOOKED_LIKE = ("an e-mail address", "a phone number")
FEWEST = 20
"""Of fewer different values it cannot be told that they are births, or one of each customer."""
_LONGEST = 60
_CODE = re.compile(r"(?=.*\d)[\w/#:-]{4,}")
_EMAIL = re.compile(r"[^@\s<>,;]+@[^@\s<>,;]+\.[^\W\d_]{2,}")
_INTERNATIONAL = re.compile(r"(\+[1-9]|00[1-9]\d{0,2}[ /-])[\d ()./-]{6,20}")
_NATIONAL = re.compile(
    r"\(0?\d{1,5}\)[ ./-]?\d[\d ./-]{4,14}"  # (030) 123 456, (555) 123-4567
    r"|0\d{1,5}[ /-][\d ./-]{4,14}"  # 030 123456, 0171/123456
    r"|[2-9]\d{2}[-. ]\d{3}[-. ]\d{4}"  # 555-123-4567
    r"|1[3-9]\d[ -]\d{4}[ -]\d{4}"  # 138 1234 5678
)
_WRITTEN_TOGETHER = re.compile(r"0[1-9]\d{8,13}|00[1-9]\d{9,12}|\+\d{10,15}")
_DATE = re.compile(r"\d{1,4}[-/. ]\d{1,2}[-/. ]\d{1,4}")
_DAY = re.compile(r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}([ T].*)?|(18|19|20)\d{2}[01]\d[0-3]\d")
_YEAR = re.compile(r"(?<!\d)(18|19|20)\d{2}(?!\d)|^(18|19|20)\d{2}(?=[01]\d[0-3]\d$)")


def by_value(values: Sequence[str], word: str, *, is_id: bool) -> str | None:
    """Return what a column holds by its values, or by its name where they do not speak against it.

    Parameters
    ----------
    values : sequence of str
        Different values of the column.
    word : str
        What its name says, empty where it says nothing.
    is_id : bool
        Whether it is an id of the contract: then only e-mail addresses and international phone
        numbers count, since an order may be called 555-123-4567.

    Examples
    --------
    >>> by_value(["ana@example.org"], "", is_id=True)
    'e-mail addresses'
    >>> by_value(["13812345678"], "", is_id=True) is None
    True
    """
    if is_id:
        looks = {
            EMAILS: _share(values, _EMAIL.fullmatch),
            PHONES: _share(values, lambda v: v[:1] == "+" and _is_phone(v)),
        }
    else:
        looks = {
            EMAILS: _share(values, _EMAIL.search),
            PHONES: _share(values, _is_phone),
        }
    for what, share in looks.items():
        if share >= 0.5:
            return what
    # "mobile" is a device as well as a number, "sin" no tax id without digits.
    if word in (PHONES, IDENTITY) and values and not _share(values, _has_digits):
        return None
    if word == BIRTHS and _share(values, _DAY.fullmatch) < 0.5:
        return None  # whether a birthday is known, or a greeting was sent
    return word or None


def by_number(values: Sequence[str], word: str, latest_year: Callable[[], int]) -> str | None:
    """Return what is told by numbers and dates: births, or national numbers of persons.

    Parameters
    ----------
    values : sequence of str
        Different values of a column beside a customer's id.
    word : str
        What its name says, empty where it says nothing.
    latest_year : callable
        Returns the year in which the data end.

    Notes
    -----
    Days are births where, of 20 different ones or more, 95 % lie ten years back at least, and the
    middle 90 % of their years span 15 years or more, not longer than 110 years ago: the young buy
    little, while days of joining reach to the present.

    Examples
    --------
    >>> by_number(["078-05-1120"], "", lambda: 2017)
    'identity, tax or bank numbers'
    >>> by_number([f"{year}-03-01" for year in range(1950, 1990)], "", lambda: 2017)
    'birth dates'
    >>> by_number([f"{year}-03-01" for year in range(1970, 2017)], "", lambda: 2017) is None
    True
    """
    if (word == IDENTITY and _share(values, _has_digits)) or is_national_id(values):
        return IDENTITY
    if _share(values, _DAY.fullmatch) < 0.9:
        return None
    if word == BIRTHS:
        return BIRTHS
    years = sorted(int(found[0]) for found in map(_YEAR.search, values) if found)
    if len(years) < FEWEST:
        return None
    first, last = years[len(years) // 20], years[-1 - len(years) // 20]
    if last - first < 15:
        return None
    now = latest_year()
    return BIRTHS if last <= now - 10 and first >= now - 110 else None


def is_one_of_each(values: Sequence[str], column: str) -> bool:
    """Tell whether values that no two customers share are ids, by how they are written.

    Parameters
    ----------
    values : sequence of str
        Different values, one for each customer.
    column : str
        The column's name.

    Notes
    -----
    Texts are ids where nine in ten are one word with a digit in it. Whole numbers are where they
    are called so, have eight digits or more, or leave out no number where chance would: ``n``
    numbers drawn from a span of ``s`` agree in ``n(n − 1)/2s`` pairs, and where 5 are expected none
    is seen in fewer than one in a hundred such columns.

    Examples
    --------
    >>> is_one_of_each([f"K-{i}" for i in range(100, 130)], "other")
    True
    >>> numbers = [str(i * i) for i in range(100, 130)]
    >>> is_one_of_each(numbers, "points"), is_one_of_each(numbers, "card_no")
    (False, True)
    """
    n = len(values)
    if n < FEWEST or _share(values, _DAY.fullmatch) > 0.1:
        return False
    if _share(values, str.isdecimal) >= 0.9:
        numbers = [int(value) for value in values if value.isdecimal()]
        expected = n * (n - 1) / 2 / (max(numbers) - min(numbers) + 1)
        return is_numbered(column) or min(numbers) >= 10**7 or expected >= 5
    return _share(values, _CODE.fullmatch) >= 0.9


def _share(values: Sequence[str], test: Callable[[str], object]) -> float:
    return sum(bool(test(value)) for value in values) / len(values) if values else 0.0


def _is_phone(value: str) -> bool:
    digits = sum(character.isdigit() for character in value)
    if not 7 <= digits <= 15 or _DATE.fullmatch(value):
        return False
    return bool(_INTERNATIONAL.fullmatch(value) or _NATIONAL.fullmatch(value))


def _has_digits(value: str) -> bool:
    return sum(character.isdigit() for character in value) >= 5


def by_shape(values: Sequence[str], *, people: bool) -> str | None:
    """Return what a text beside a customer's id holds by its shape: weaker signs than `by_value`'s.

    Parameters
    ----------
    values : sequence of str
        Different values of the column.
    people : bool
        Whether they may be names: nearly every customer, or every row, has one of its own.

    Examples
    --------
    >>> by_shape(["01701234567"], people=False), by_shape(["Anna Schmidt"], people=True)
    ('phone numbers', 'names of people')
    """
    if _share(values, _WRITTEN_TOGETHER.fullmatch) >= 0.5:
        return PHONES
    if people and _share(values, _is_full_name) >= 0.6:
        return "names of people"
    return None


def looks_personal(value: str, *, is_id: bool = False) -> str | None:
    """Return what one value looks like, if that is personal.

    Parameters
    ----------
    value : str
        The value.
    is_id : bool
        Whether it is an id: then only an e-mail address or a number behind a ``+`` counts.

    Examples
    --------
    >>> looks_personal("write to ana@example.org"), looks_personal("1,037.50")
    ('an e-mail address', None)
    """
    text = value.strip()
    if _EMAIL.search(text):
        return LOOKED_LIKE[0]
    if is_id and text[:1] != "+":
        return None
    return LOOKED_LIKE[1] if _is_phone(text) or _WRITTEN_TOGETHER.fullmatch(text) else None


def masked(value: str, *, is_id: bool = False) -> str:
    """Return a value as it may be printed: what looks personal is named, not told.

    Parameters
    ----------
    value : str
        The value.
    is_id : bool
        As for `looks_personal`.

    Examples
    --------
    >>> masked("view"), masked("ana@example.org")
    ('view', 'a value that looks like an e-mail address')
    """
    what = looks_personal(value, is_id=is_id)
    return value if what is None else f"a value that looks like {what}"


def shown_value(value: str) -> str:
    """Return a value as an error may quote it: masked if it looks personal, 60 characters at most.

    Examples
    --------
    >>> shown_value("+49 171 1234567")
    'a value that looks like a phone number'
    """
    text = masked(value)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def _is_full_name(value: str) -> bool:
    words = value.split()
    return len(words) in (2, 3) and all(
        word.istitle() and word.strip(".").replace("-", "").replace("'", "").isalpha()
        for word in words
    )
