"""What a promotion takes off, read from its rule in words: ``满199减25``, ``10 % off over 50``."""

from __future__ import annotations

import re
from typing import Any

_N = r"(\d+(?:[.,]\d+)?)"
_PERCENT, _FOLD = rf"{_N}\s*[%％]", rf"{_N}\s*折"
_EVERY = r"每满|每滿|(?i:\bevery\b|\beach\b)"
_FROM = (
    rf"[满滿]\s*{_N}\s*(?:元|块|立|减|打|享|[,，])",
    rf"(?i:\b(?:over|above|spend|from)\b[^\d%]{{0,12}}){_N}",
    rf"(?i:\bevery\b|\beach\b)[^\d%]{{0,12}}{_N}",
)
_OFF = (
    rf"减\s*{_N}",
    rf"(?i:\bsave\b)[^\d%]{{0,4}}{_N}",
    rf"{_N}\s*(?i:[a-z€£$¥]{{0,3}}\s*off\b)",
)
_PIECES = (
    r"\d\s*件|[买送]|(?i:\bfree\b|\bbuy\b)"
    """What is counted in pieces: the contract has no word for it."""
)
TERMS = ("discount_rate", "threshold", "reduction", "steps")
"""Columns of the promotions that a rule in words may fill."""


def term_in_words(text: Any, column: str) -> Any:
    """Return what a rule says of one of `TERMS`, null where it says nothing.

    Parameters
    ----------
    text : ibis StringColumn
        The rules.
    column : str
        The contract's column.

    Examples
    --------
    >>> import ibis
    >>> rules = ibis.memtable({"rule": ["每满100减10", "85折", "10 % off over 50"]})
    >>> found = rules.select(**{name: term_in_words(rules.rule, name) for name in TERMS})
    >>> found.execute().to_numpy(dtype=object, na_value=None).tolist()[0]
    [None, 100.0, 10.0, 0.0]
    >>> found.discount_rate.execute().round(2).tolist()[1:]
    [0.15, 0.1]
    """
    import ibis

    text = ibis.ifelse(text.re_search(_PIECES), ibis.null("string"), text)
    rate = ibis.coalesce(_rate_of_fold(_first(text, _FOLD)), _first(text, _PERCENT) / 100)
    reduction = ibis.ifelse(rate.isnull(), _first(text, *_OFF), ibis.null("float64"))
    if column == "discount_rate":
        return rate
    if column == "reduction":
        return reduction
    threshold = _first(text, *_FROM)
    if column == "threshold":
        return ibis.ifelse(ibis.coalesce(rate, reduction).isnull(), None, threshold)
    repeats = ibis.ifelse(text.re_search(_EVERY), 0.0, 1.0)
    return ibis.ifelse(threshold.isnull() | reduction.isnull(), None, repeats)


def says_terms(text: str) -> bool:
    """Tell whether a text says what a promotion takes off.

    Examples
    --------
    >>> [says_terms(t) for t in ("满199减25", "立减20", "save 5 over 50", "Spring 2024")]
    [True, True, True, False]
    """
    said = any(re.search(pattern, text) for pattern in (_PERCENT, _FOLD, *_OFF))
    return said and not re.search(_PIECES, text)


def _rate_of_fold(fold: Any) -> Any:
    """Return the share taken off: ``8折`` and ``80折`` leave eight tenths."""
    import ibis

    left = ibis.ifelse(fold < 10, fold / 10, fold / 100)
    return ibis.ifelse((left > 0) & (left < 1), (1 - left).round(4), ibis.null("float64"))


def _first(text: Any, *patterns: str) -> Any:
    import ibis

    found = [text.re_extract(p, 1).nullif("").replace(",", ".") for p in patterns]
    return ibis.coalesce(*(each.try_cast("float64") for each in found))
