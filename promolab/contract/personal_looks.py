"""What personal data look like: how values are written, and what hides them."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path

from promolab.wording import word_lists

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
        if _passed([bool(form.fullmatch(v)) and check(v) for v in plain]) >= SHARE:
            return True
    if _passed([bool(_SSN.fullmatch(value)) for value in values]) >= SHARE:
        return True
    return len(plain) >= LEAST and any(
        _passed([bool(form.fullmatch(v)) and check(v) for v in plain]) >= SHARE
        for form, check in _BY_CHECK
    )


def _passed(passed: Sequence[bool]) -> float:
    return sum(passed) / len(passed)


def _weighted(digits: str, weights: Sequence[int]) -> int:
    return sum((10 if d == "X" else int(d)) * w for d, w in zip(digits, weights, strict=False))


def _weighs(weights: Sequence[int], modulus: int, rest: int = 0) -> Callable[[str], bool]:
    """Return the check that weighted digits, the last one among them, leave a rest."""
    return lambda value: _weighted(value, weights) % modulus == rest


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


def _luhn(value: str) -> bool:
    doubled = [int(d) * (2 if i % 2 == 0 else 1) for i, d in enumerate(value[-10:])]
    return sum(d - 9 if d > 9 else d for d in doubled) % 10 == 0


_CHINESE = _weighs([2**i % 11 for i in range(17, -1, -1)], 11, 1)  # ISO 7064, modulus 11-2
_POLISH = _weighs((1, 3, 7, 9, 1, 3, 7, 9, 1, 3, 1), 10)
_DUTCH = _weighs((9, 8, 7, 6, 5, 4, 3, 2, -1), 11)
_Check = tuple[re.Pattern[str], Callable[[str], bool]]
_SSN = re.compile(r"(?!000|666|9\d\d)\d{3}-(?!00)\d{2}-(?!0000)\d{4}")
# What 0 or A, 1 or B, … count at an odd place of an Italian number.
_ODD = [ord(letter) - 65 for letter in "BAFHJNPRTVCESULDGIMOQKWZYX"]
_MONTH, _MONTHS_DAY = r"(0[1-9]|1[0-2])", r"(0[1-9]|[12]\d|3[01])"
_BY_FORM: tuple[_Check, ...] = (
    (re.compile(r"[A-Z]{6}\d{2}[A-EHLMPR-T]\d{2}[A-Z]\d{3}[A-Z]"), _italian),
    (re.compile(r"(\d{8}|[XYZ]\d{7})[A-Z]"), _spanish),
    (re.compile(r"(?!BG|GB|KN|NK|NT|TN|ZZ)[A-CEGHJ-PR-TW-Z]{2}\d{6}[A-D]"), bool),  # British
    (re.compile(r"[A-Z]{3}[ABCFGHJLPT][A-Z]\d{4}[A-Z]"), bool),  # Indian
    (
        re.compile(r"[A-Z]{4}\d{2}" + _MONTH + _MONTHS_DAY + r"[HMX][A-Z]{5}[A-Z\d]\d"),
        bool,
    ),  # Mexican
    (re.compile(_MONTHS_DAY + _MONTH + r"\d{2}[-+A-FU-Y]?\d{3}[\dA-Y]"), _finnish),
    (re.compile(r"\d{6}(18|19|20)\d{2}" + _MONTH + _MONTHS_DAY + r"\d{3}[\dX]"), _CHINESE),
    (re.compile(r"[12]\d{2}" + _MONTH + r"(\d{2}|2[AB])\d{8}"), _french),
)
_BY_CHECK: tuple[_Check, ...] = (
    (re.compile(r"[1-9]\d{10}"), _german),
    (re.compile(r"\d{11}"), _brazilian),
    (re.compile(r"\d{2}([02468][1-9]|[13579][0-2])" + _MONTHS_DAY + r"\d{5}"), _POLISH),
    (re.compile(r"\d{9}"), _DUTCH),
    (re.compile(r"(\d{2})?\d{2}" + _MONTH + _MONTHS_DAY + r"\d{4}"), _luhn),  # Swedish
)


_FILE = Path(__file__).with_suffix(".csv")
EMAILS = "e-mail addresses"
PHONES = "phone numbers"
NAMES = "names of people"
ADDRESSES = "addresses"
BIRTHS = "birth dates"
IDENTITY = "identity, tax or bank numbers"

_WORDS = {what: frozenset(words) for (what,), words in word_lists(_FILE).items()}
_BY_WORD = {
    word: what
    for what in (EMAILS, PHONES, NAMES, ADDRESSES, IDENTITY)
    for word in sorted(_WORDS[what])
}


def by_name(column: str) -> str | None:
    """Return what a column's name says it holds, if that is personal.

    Parameters
    ----------
    column : str
        The column's name.

    Examples
    --------
    >>> by_name("Customer_First_Name"), by_name("store_name")
    ('names of people', None)
    """
    words = words_of(column)
    if _WORDS[BIRTHS] & {*words, "".join(words)} and not _WORDS["of many"] & set(words):
        return BIRTHS
    if not words or _WORDS["about"] & set(words):
        return None
    while len(words) > 1 and words[0] in _WORDS["owner"]:
        words = words[1:]
    joined = "".join(words)
    if joined in _BY_WORD:
        return _BY_WORD[joined]
    for word in words:  # "email_2", "telefon_privat"; a bare "name" may be a product's
        if _BY_WORD.get(word) in (EMAILS, PHONES):
            return _BY_WORD[word]
    return None


def is_special(column: str) -> bool:
    """Tell whether a column's name says that it holds a special category of personal data.

    References
    ----------
    Regulation (EU) 2016/679, articles 9 and 10: religion, origin, health, sexual life, politics …

    Examples
    --------
    >>> is_special("customerReligion"), is_special("健康状况"), is_special("party_size")
    (True, True, False)
    """
    words = words_of(column)
    return bool(_WORDS["special"] & {*words, "".join(words)}) and not {"size", "store"} & set(words)


def words_of(column: str) -> list[str]:
    """Return the words of a column's name.

    Examples
    --------
    >>> words_of("CustomerCard_No2")
    ['customer', 'card', 'no']
    """
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", column).lower()
    return [word for word in re.split(r"[\W\d_]+", spaced) if word]


def is_barcode(column: str) -> bool:
    """Tell whether a column's name says that its long numbers are those of goods.

    Examples
    --------
    >>> is_barcode("EAN_code"), is_barcode("ref")
    (True, False)
    """
    return bool(_WORDS["barcode"] & set(re.split(r"[\W\d_]+", column.lower())))


def is_owner(column: str) -> bool:
    """Tell whether a column is called after whoever buys, such as ``user``.

    Examples
    --------
    >>> is_owner("User"), is_owner("user_group")
    (True, False)
    """
    return column.strip().lower() in _WORDS["person"]


def is_numbered(column: str) -> bool:
    """Tell whether a column's name says that it numbers something.

    Examples
    --------
    >>> is_numbered("card_no"), is_numbered("points")
    (True, False)
    """
    return bool(_WORDS["numbered"] & set(words_of(column)))


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
        return NAMES
    return None


def personal_values(column: str, values: Sequence[str], *, is_text: bool) -> str | None:
    """Return what a column beside a customer's id holds, by its name and some of its values.

    Parameters
    ----------
    column : str
        Its name.
    values : sequence of str
        Different values of it.
    is_text : bool
        Whether they are texts: numbers and days are birth dates, phones or ids of state at most.

    Examples
    --------
    >>> personal_values("mail", ["a@b.org"], is_text=True)
    'e-mail addresses'
    """
    found = by_value(values, by_name(column) or "", is_id=False)
    return found if is_text or found in (BIRTHS, IDENTITY, PHONES) else None


def looks_personal(value: str) -> str | None:
    """Return what one value looks like, if that is personal.

    Examples
    --------
    >>> looks_personal("write to ana@example.org"), looks_personal("1,037.50")
    ('an e-mail address', None)
    """
    text = value.strip()
    if _EMAIL.search(text):
        return LOOKED_LIKE[0]
    return LOOKED_LIKE[1] if _is_phone(text) or _WRITTEN_TOGETHER.fullmatch(text) else None


def shown_value(value: str) -> str:
    """Return a value as an error may quote it: masked if it looks personal, 60 characters at most.

    Examples
    --------
    >>> shown_value("view"), shown_value("+49 171 1234567")
    ('view', 'a value that looks like a phone number')
    """
    what = looks_personal(value)
    text = value if what is None else f"a value that looks like {what}"
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def _is_full_name(value: str) -> bool:
    words = value.split()
    return len(words) in (2, 3) and all(
        word.istitle() and word.strip(".").replace("-", "").replace("'", "").isalpha()
        for word in words
    )
