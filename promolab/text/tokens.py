"""Texts made fit to be read and shown: what may name somebody masked, then words and signs."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable
from typing import Any

import pandas as pd

MASK = "***"
"""Stands where a text named somebody or something by number, address or link."""
SIGN = "\u3400-\u9fff\uf900-\ufaff\u3040-\u30ff\uac00-\ud7af"
"""Chinese, Japanese and Korean: each sign is a word."""
_TOKEN = re.compile(rf"[{SIGN}]|[^\W\d_{SIGN}]+(?:'[^\W\d_{SIGN}]+)?")
_MARKUP = re.compile(r"(?is)<(script|style)\b.*?</\1\s*>|<!--.*?-->|</?[a-z][^>]*>")
_HIDDEN = re.compile(
    r"(?i)\b(?:https?://|www\.)[\w./?=&%#:+~-]+"
    r"|[\w.+-]+@[\w-]+(?:\.[\w-]+)+"
    r"|(?:(?<![a-z])(?:wechat|weixin|wx|vx|qq)|微信号?|加v)\s*[:：=]?\s*[a-z][a-z\d_-]{5,}"
    r"|(?<!\w)@[\w.-]+"
    r"|[+(]?\d(?:[ ().-]{0,2}\d){4,}x?"
    r"|(?a:\b(?=(?:[\w-]*\d){3})(?=[\w-]*[a-z_])[\w-]+)"
)
_LONE = re.compile(r"(?ai)[a-z\d][\w-]*")
_NARROW = {wide: wide - 0xFEE0 for wide in range(0xFF01, 0xFF5F) if chr(wide - 0xFEE0).isalnum()}
_NARROW |= {ord("＠"): ord("@"), ord("．"): ord("."), ord("’"): ord("'")}


def masked(text: str, ids: frozenset[str] = frozenset()) -> str:
    """Return a text without markup, and with a mask for whatever may name somebody.

    Masked are e-mail addresses, links, handles, numbers of five digits or more (telephone,
    identity, order), codes of letters and three digits or more, and the ids that are given. Names
    of people are not known for what they are, and stay.

    Parameters
    ----------
    text : str
    ids : frozenset of str
        Ids of customers and orders, in small letters.

    Examples
    --------
    >>> masked("<b>Late!</b> Call 138-1234-5678 or a.b@shop.cn, order A10023, size 12")
    'Late! Call *** or ***, order ***, size 12'
    >>> masked("顾客88说很好，微信：xiaoming88，电话１３８１２３４５６７８", frozenset(["88"]))
    '顾客***说很好，***，电话***'
    """
    told = _HIDDEN.sub(MASK, _MARKUP.sub(" ", html.unescape(text.translate(_NARROW))))
    if ids:
        told = _LONE.sub(lambda one: MASK if one[0].lower() in ids else one[0], told)
    return " ".join(told.split())


def key_of(text: Any) -> str:
    """Return a text's words with blanks between them: equal keys are the same text.

    Each Chinese, Japanese or Korean sign is a word, and so is each Latin one; digits, marks,
    pictures and what `masked` hides are none.

    Examples
    --------
    >>> key_of("质量很好, didn't shrink! 😀 100%"), key_of("😀 5/5"), key_of(None)
    ("质 量 很 好 didn't shrink", '', '')
    """
    if not isinstance(text, str):
        return ""
    return " ".join(_TOKEN.findall(masked(text).lower()))


def keys_of(texts: Iterable[Any]) -> pd.Series:
    """Return the keys of many texts; each different text is read once."""
    codes, different = pd.factorize(pd.Series(texts, dtype=object))
    found = pd.Series([*map(key_of, different), ""], dtype=object)
    return found.iloc[codes].reset_index(drop=True)


def script_of(key: str) -> str:
    """Return how most words of a key are written: ``signs`` (as in Chinese) or ``letters``.

    Examples
    --------
    >>> script_of("质 量 很 好 ok"), script_of("très bien")
    ('signs', 'letters')
    """
    words = key.split()
    return "signs" if 2 * sum(map(_is_sign, words)) > len(words) else "letters"


def _is_sign(word: str) -> bool:
    return re.match(rf"[{SIGN}]", word) is not None
