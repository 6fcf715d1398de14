"""What stands behind a key of ``shop.toml``: its type, its words, and what cannot be meant."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from promolab.errors import InputError

__all__ = [
    "HOW_WRITTEN",
    "check_format",
    "check_meanings",
    "check_zone",
    "constant_of",
    "count_of",
    "flag_of",
    "marks_of",
    "number_of",
    "text_of",
    "texts_of",
    "word_of",
    "words_of",
]

HOW_WRITTEN = ("decimal", "thousands", "symbol")
"""The keys that say how numbers are written."""

_COUNTED = ("excel", "epoch_s", "epoch_ms")
_CODE = re.compile(r"%(-?[dmyHIMSj]|[aAbBfGhnpTuUVwWYzZ%])")
_OTHER_MARK = {".": ",", ",": "."}
_CLOSE = 0.75
"""How alike a word must be to one of the contract to be taken for a slip of the pen."""


def text_of(section: Mapping[str, Any], key: str, where: str) -> str | None:
    """Return a text, None if the key is not there."""
    said = section.get(key)
    if said is None or (isinstance(said, str) and (said or key in HOW_WRITTEN)):
        return said
    raise InputError(f"{where} {key} = {said!r}, must be text")


def texts_of(section: Mapping[str, Any], key: str, where: str) -> tuple[str, ...] | None:
    """Return one text or several as a tuple, None if the key is not there."""
    said = section.get(key)
    if said is None:
        return None
    given = [said] if isinstance(said, str) else said
    if not isinstance(given, list) or not all(isinstance(each, str) for each in given):
        raise InputError(f"{where} {key} = {said!r}, must be text or a list of texts")
    return tuple(given)


def flag_of(section: Mapping[str, Any], key: str, where: str) -> bool:
    """Return true or false; false if the key is not there."""
    said = section.get(key, False)
    if not isinstance(said, bool):
        raise InputError(f"{where} {key} = {said!r}, must be true or false")
    return said


def count_of(section: Mapping[str, Any], key: str, where: str) -> int:
    """Return a whole number of 0 or more; 0 if the key is not there."""
    said = section.get(key, 0)
    if isinstance(said, bool) or not isinstance(said, int) or said < 0:
        raise InputError(f"{where} {key} = {said!r}, must be a whole number, 0 or more")
    return said


def number_of(section: Mapping[str, Any], key: str, where: str) -> float | None:
    """Return a number other than 0, None if the key is not there."""
    said = section.get(key)
    if said is None:
        return None
    if isinstance(said, bool) or not isinstance(said, (int, float)) or not said:
        raise InputError(f"{where} {key} = {said!r}, must be a number other than 0")
    return float(said)


def word_of(section: Mapping[str, Any], key: str, where: str) -> str | None:
    """Return a word of the contract, None if the key is not there."""
    said = section.get(key)
    return None if said is None else _as_word(said, f"{where} {key}")


def constant_of(section: Mapping[str, Any], where: str, *, number: bool) -> Any:
    """Return the one value of all rows, None if there is none; a number where it must be one."""
    said = section.get("value")
    wrong = isinstance(said, bool) or not isinstance(said, (int, float)) if number else _nests(said)
    if said is not None and wrong:
        raise InputError(
            f"{where} value = {said!r}, must be {'a number' if number else 'one text or number'}"
        )
    return said


def words_of(section: Mapping[str, Any], key: str, where: str) -> Mapping[str, str]:
    """Return what their words mean."""
    said = section.get(key, {})
    if not isinstance(said, Mapping):
        raise InputError(f'{where} {key} = {said!r}, must be such as {{ C = "return" }}')
    return {theirs: _as_word(ours, f"{where} {key} {theirs}") for theirs, ours in said.items()}


def _nests(said: Any) -> bool:
    return isinstance(said, (list, Mapping))


def _as_word(said: Any, where: str) -> str:
    if _nests(said):
        raise InputError(f"{where} = {said!r}, must be one text")
    return str(said).lower() if isinstance(said, bool) else str(said)


def marks_of(
    said: Mapping[str, Any], where: str, default: tuple[str, str, str] = (".", "", "")
) -> tuple[str, str, str]:
    """Return the decimal mark, the mark between thousands and the currency sign of numbers.

    Where one of the two marks is said and the other one would be the same, the other is its
    counterpart: ``thousands = "."`` alone leaves the comma for the decimals.

    Parameters
    ----------
    said : mapping
        A section, or what is said of one column.
    where : str
        For errors.
    default : tuple of str
        What holds where nothing is said.

    Raises
    ------
    InputError
        If both marks are stated and are the same.

    Examples
    --------
    >>> marks_of({"thousands": "."}, "shop.toml [events]")
    (',', '.', '')
    """
    given = [text_of(said, key, where) for key in HOW_WRITTEN]
    said_or_not = zip(given, default, strict=True)
    decimal, thousands, symbol = (d if g is None else g for g, d in said_or_not)
    decimal = decimal or "."
    if decimal == thousands:
        if given[0] and given[1]:
            raise InputError(
                f"{where} decimal and thousands are both {decimal!r}, so nobody knows what 1"
                f'{decimal}234 is; write such as decimal = ",", thousands = "."'
            )
        if given[1]:
            decimal = _OTHER_MARK.get(thousands, ".")
        else:
            thousands = _OTHER_MARK.get(decimal, "")
    return decimal, thousands, symbol


def check_format(form: str, where: str) -> None:
    """Refuse a format of times with a code that is none, or without any.

    Raises
    ------
    InputError
        If it is no format.
    """
    if form in _COUNTED:
        return
    left = _CODE.sub("", form)
    if "%" not in left and left != form:
        return
    wrong = re.search(r"%.?", left)
    what = f"has an unknown code {wrong.group()!r}" if wrong else "holds no code"
    raise InputError(
        f"{where} format = {form!r} {what}; write such as "
        '"%d/%m/%Y %H:%M" (also %y %b %S %f %I %p %z), or "excel", "epoch_s", "epoch_ms"'
    )


def check_meanings(said: Any, known: Sequence[str], where: str) -> None:
    """Refuse a word that is meant to be one of the contract's and is misspelt.

    Other words than the contract's are allowed: such rows are quarantined and counted.

    Parameters
    ----------
    said : object
        What ``shop.toml`` says of the column.
    known : sequence of str
        The contract's words; none where the column may hold any.
    where : str
        For errors.

    Raises
    ------
    InputError
        If a word is all but one of the known ones.

    Examples
    --------
    >>> check_meanings({"values": {"adj": "adjustment"}}, ["purchase"], "kind")
    """
    if not isinstance(said, Mapping) or not known:
        return
    for key in ("values", "starts_with", "negative", "otherwise", "value"):
        given = said.get(key)
        for word in given.values() if isinstance(given, Mapping) else [given]:
            if not isinstance(word, str) or word in known:
                continue
            close = difflib.get_close_matches(word.strip().lower(), known, n=1, cutoff=_CLOSE)
            if close:
                raise InputError(
                    f"{where} {key} has {word!r}; did you mean {close[0]!r}? "
                    f"(known: {', '.join(known)})"
                )


def check_zone(zone: str, where: str) -> None:
    """Refuse what is no time zone.

    Raises
    ------
    InputError
        If it is none.
    """
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise InputError(
            f'{where} zone = {zone!r} is no time zone; write an IANA name such as "Europe/London"'
        ) from error
