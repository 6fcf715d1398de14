"""What shops call their tables, columns and kinds, in English, German, French, Spanish and Chinese.

``synonyms.csv`` holds the words as `key` writes them: lower case, without accents, spaces and
signs. The earlier of two words that both occur is the better one.
"""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path

from promolab.wording import word_lists

_LISTS = word_lists(Path(__file__).with_suffix(".csv"))


def _ranked(what: str) -> dict[tuple[str, str], dict[str, int]]:
    """Return the words of a kind of row by the contract's table and name, each with its rank."""
    found: dict[tuple[str, str], list[str]] = {}
    for (kind, tables, name), words in _LISTS.items():
        for table in tables.split() if kind == what else ():
            own = [name.replace("_", "")] if name else []
            found[table, name] = found.get((table, name), own) + words
    return {of: {word: n for n, word in enumerate(words, 1)} for of, words in found.items()}


def _set(what: str, name: str, tables: str = "") -> frozenset[str]:
    return frozenset(_LISTS[what, tables, name])


_BY_COLUMN, _BY_TABLE, _BY_KIND = _ranked("column"), _ranked("table"), _ranked("kind")
_NAME_PARTS = {name: _set("part", name) for kind, _, name in _LISTS if kind == "part"}
CURRENCIES = _set("currency", "code")
"""Codes that are looked for in names of columns."""
_OF_ONE = [pair.partition("=") for pair in _LISTS.pop(("sign", "", "of one"))]
SIGNS: dict[str, tuple[str, ...]] = {sign: (code,) for sign, _, code in _OF_ONE}
SIGNS |= {sign: tuple(codes) for (kind, _, sign), codes in _LISTS.items() if kind == "sign"}
"""The currencies that a sign may stand for, the likeliest first."""
_SPOKEN = {code: _set("currency", code) for code in ("USD", "EUR")}
STATUS_DONE = _set("state", "paid", "events")
"""States of an order that was paid or sent."""
STATUS_OPEN = _set("state", "unpaid", "events")
"""States of an order that is not, or not yet, a purchase."""


def _words(name: str) -> list[str]:
    """Return the words of a name, as `key` writes them; what stands in brackets is left out."""
    plain = re.sub(r"[(（\[].*?[)）\]]", " ", name) or name
    plain = plain.replace("%", " percent ")
    plain = unicodedata.normalize("NFKD", plain)
    plain = "".join(c for c in plain if not unicodedata.combining(c))
    plain = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", plain)
    plain = re.sub(r"(?<=[A-Z])(?=[A-Z][a-z])", " ", plain)
    return [word for word in re.split(r"[\W_]+", plain.casefold()) if word]


def key(name: str) -> str:
    """Return a name in lower case, without accents, signs and what stands in brackets.

    Examples
    --------
    >>> key("Customer ID"), key("Stückpreis (EUR)"), key("客户编号")
    ('customerid', 'stuckpreis', '客户编号')
    """
    return "".join(_words(name))


def column_rank(table: str, column: str, name: str) -> int | None:
    """Return how well a name of theirs fits a column of the contract: lower is better.

    Parameters
    ----------
    table, column : str
        The contract's; ``events`` also has ``price``, ``status``, ``time_of_day`` and ``currency``.
    name : str
        Theirs.

    Returns
    -------
    int or None
        0 where they call it alike, below 1,000 for a known name, above for the end of a longer one.

    Examples
    --------
    >>> column_rank("events", "customer_id", "CUSTOMER_ID"), column_rank("events", "ts", "colour")
    (0, None)
    >>> column_rank("events", "ts", "birth_date") is None
    True
    """
    if name.lower() == column:
        return 0
    words = _words(name)
    known = _BY_COLUMN.get((table, column), {column.replace("_", ""): 1})
    if column == "ts" and _NAME_PARTS["other_time"] & set(words):
        return None
    if "".join(words) in known:
        return known["".join(words)]
    while len(words) > 1 and words[-1] in _NAME_PARTS["trailing"]:
        words = words[:-1]
        if "".join(words) in known:
            return 500 + known["".join(words)]
    for start in range(1, len(words)):
        ending = "".join(words[start:])
        if ending in known and ending not in _NAME_PARTS["only_alone"]:
            return 1_000 * start + known[ending]
    return None


def table_rank(table: str, name: str) -> int | None:
    """Return how well a name of theirs fits a table of the contract: lower is better.

    Examples
    --------
    >>> table_rank("events", "sales_2011-01") is None, table_rank("customers", "sales") is None
    (False, True)
    """
    if name.lower() == table:
        return 0
    known = _BY_TABLE.get((table, ""), {})
    words = [re.sub(r"\d+", "", word) for word in _words(name)]
    words = [word for word in words if word and word not in _NAME_PARTS["about_table"]]
    # "order_items" are order lines, "customers_orders" are orders: the end of a name counts first.
    for start in range(len(words)):
        if "".join(words[start:]) in known:
            return 100 * start + known["".join(words[start:])]
    for end in range(len(words) - 1, 0, -1):
        if "".join(words[:end]) in known:
            return 1_000 + known["".join(words[:end])]
    # "Newsletterversand" is a Versand: German writes its words together.
    ends = [known[word] for word in known if len(word) > 5 and "".join(words).endswith(word)]
    return 2_000 + min(ends) if ends else None


def currency_in(name: str) -> str | None:
    """Return the currency that the name of a column says.

    Examples
    --------
    >>> currency_in("Betrag (EUR)"), currency_in("dollars"), currency_in("Amount")
    ('EUR', 'USD', None)
    """
    words = set(re.split(r"[\W\d_]+", name.lower()))
    found = {code for code in CURRENCIES if code.lower() in words}
    found |= {code for code, spoken in _SPOKEN.items() if spoken & words}
    if not found and re.search(r"[(（]元[)）]", name):
        return "CNY"
    return found.pop() if len(found) == 1 else None


def kind_of_word(table: str, word: str) -> str | None:
    """Return the contract's kind that a word of theirs stands for, if it is known.

    Examples
    --------
    >>> kind_of_word("events", "Add-to-Cart"), kind_of_word("events", "下单")
    ('cart', 'purchase')
    """
    word = key(word)
    return next((k for (t, k), words in _BY_KIND.items() if t == table and word in words), None)
