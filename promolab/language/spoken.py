"""The language that a report speaks: messages and names, figures and dates in its habit.

English is what the code says. Its Chinese stands beside this module, a line each: of messages in
``messages.txt``, of names and remarks that tables hold in ``names.txt``.
"""

from __future__ import annotations

import functools
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

from promolab.errors import InputError

ENGLISH = "en"
LANGUAGES = {ENGLISH: "en", "zh": "zh_Hans_CN"}
"""Languages of a report, and Babel's locale of each."""

_BEHIND = re.compile("(?<=[，。；：！？、）]) +")

# Of the thread, not of a context: a notebook's cells run in contexts of their own. Pages of other
# steps are drawn meanwhile, in another thread and language.
_here = threading.local()


def language() -> str:
    """Return the language that is spoken now."""
    return getattr(_here, "spoken", ENGLISH)


def page_language() -> str:
    """Return the language that is spoken as HTML names it.

    Examples
    --------
    >>> with speaking("zh"):
    ...     page_language()
    'zh-Hans-CN'
    """
    return LANGUAGES[language()].replace("_", "-")


def check_language(name: str) -> None:
    """Refuse a language that no report speaks.

    Raises
    ------
    InputError
        If it is none of `LANGUAGES`.
    """
    if name not in LANGUAGES:
        raise InputError(f"lang = {name!r}: no report speaks it; give {' or '.join(LANGUAGES)}")


def speak(name: str) -> None:
    """Speak a language from now on, as a notebook does whose page is in it.

    Parameters
    ----------
    name : {"en", "zh"}

    Raises
    ------
    InputError
        If it is none of `LANGUAGES`.
    """
    check_language(name)
    _here.spoken = name


def show_in(name: str) -> None:
    """Let what a notebook shows be in a language from now on; what it computes stays English.

    Sentences of what was computed before, of another week perhaps, are remembered no longer.

    Parameters
    ----------
    name : {"en", "zh"}
    """
    check_language(name)
    _here.shown, _here.sentences = name, {}


def shown_language() -> str:
    """Return the language that a notebook shows its results in: the one spoken, or `show_in`'s."""
    spoken = language()
    return spoken if spoken != ENGLISH else getattr(_here, "shown", ENGLISH)


@contextmanager
def speaking(name: str) -> Iterator[None]:
    """Speak a language inside a block.

    Examples
    --------
    >>> with speaking("zh"):
    ...     _("Coupons")
    '优惠券'
    """
    before = language()
    speak(name)
    try:
        yield
    finally:
        speak(before)


@contextmanager
def recording(name: str) -> Iterator[None]:
    """Speak a language inside a block, and let results put down their sentences in it, too.

    What a result puts down (`promolab.results.Result.to_dict`) is else English, whatever its page
    speaks.
    """
    before = recorded()
    _here.recorded = name
    try:
        with speaking(name):
            yield
    finally:
        _here.recorded = before


def recorded() -> str:
    """Return the language in which results put down what they say."""
    return getattr(_here, "recorded", ENGLISH)


def _(message: str, /, **values: Any) -> str:
    """Return a message in the language that is spoken, its named places filled in.

    A message that neither `messages` nor the names hold stays English; a test fails for it.

    Examples
    --------
    >>> _("{name}: nobody is to be contacted.", name="Coupons 18")
    'Coupons 18: nobody is to be contacted.'
    """
    known = message
    if language() != ENGLISH:
        known = messages().get(message) or _names()[0].get(message, message)
    told = {name: own_name(one) if isinstance(one, str) else one for name, one in values.items()}
    return remembered(known.format(**told) if told else known, lambda: _(message, **values))


def remembered(text: str, again: Callable[[], str]) -> str:
    """Return a sentence; where a page is not English, keep how to say it again when it is shown.

    What a step computes is English, whatever its page speaks (`show_in`).
    """
    if language() == ENGLISH != shown_language() and len(text) > SHORT:
        _sentences().setdefault(text, again)
    return text


SHORT = 20  # letters: what is shorter could stand in another sentence by chance


def _sentences() -> dict[str, Callable[[], str]]:
    if not hasattr(_here, "sentences"):
        _here.sentences = {}
    found: dict[str, Callable[[], str]] = _here.sentences
    return found


def own_name(text: str) -> str:
    """Return a name or remark that promolab wrote by itself in the language that is spoken.

    Segments, kinds and promotions without a title have such names, tables hold such remarks; what a
    shop calls its own stays.

    Examples
    --------
    >>> with speaking("zh"):
    ...     own_name("Lapsed bargain hunters"), own_name("Coupons W12"), own_name("milk")
    ('久未到店的折扣客户', '优惠券 W12', 'milk')
    """
    if language() == ENGLISH or not text:
        return text
    for sentence in sorted(filter(text.__contains__, _sentences()), key=len, reverse=True):
        again = _sentences().pop(sentence)  # what it is made of may say the same
        text = text.replace(sentence, again())
        _sentences()[sentence] = again
    plain, bracket, copy = text.partition(" (")
    whole, parts = _names()
    known = whole.get(plain) or whole.get(plain[:1].swapcase() + plain[1:])
    if known:
        return f"{known}{bracket}{copy}"
    for pattern, said in parts:
        if match := pattern.fullmatch(text):
            inner = match.groups()
            names = [own_name(name) for name in inner]
            if "…" not in said or names[-1] != inner[-1] or _ID.fullmatch(inner[-1]):
                first, *others = re.split("[…#*]", said)
                return first + "".join(map("".join, zip(names, others, strict=True)))
    return text


_ID = re.compile(r"\S*\d\S*")
_PLACES = {"…": "(.+)", r"\#": r"(\S*\d\S*)", r"\*": "(.+)"}


@functools.cache
def _names() -> tuple[dict[str, str], list[tuple[re.Pattern[str], str]]]:
    """Return names, and patterns of what has places, each with its Chinese."""
    pairs = _in_chinese("names.txt")
    whole = {english: said for english, said in pairs.items() if not re.search("[…#*]", english)}
    parts = []
    for english, said in pairs.items():
        if english not in whole:
            made = re.escape(english)
            for place, pattern in _PLACES.items():
                made = made.replace(place, pattern)
            parts.append((re.compile(made), said))
    return whole, parts


def close_up(text: str) -> str:
    """Take out the blanks behind full-width marks: they bring their own, unlike English ones.

    Examples
    --------
    >>> with speaking("zh"):
    ...     close_up("没有活动结束。 本周有 2 个活动（见下） 开始。")
    '没有活动结束。本周有 2 个活动（见下）开始。'
    """
    return text if language() == ENGLISH else _BEHIND.sub("", text)


def decimal(value: float, decimals: int) -> str:
    """Write the size of a number with thousands separators and so many decimals, without sign.

    Examples
    --------
    >>> decimal(-1234.56, 1)
    '1,234.6'
    """
    return f"{abs(round(value, decimals)):,.{max(decimals, 0)}f}"


def currency_sign(code: str) -> str:
    """Return what stands before an amount; empty where the code stands behind it, as in English.

    Examples
    --------
    >>> with speaking("zh"):
    ...     currency_sign("CNY")
    '¥'
    """
    if language() == ENGLISH or not code:
        return ""
    from babel.numbers import get_currency_symbol

    return str(get_currency_symbol(code, locale=LANGUAGES[language()]))


def percent_sign() -> str:
    """Return what stands behind a figure in percent."""
    if language() == ENGLISH:
        return " %"
    from babel import Locale

    pattern = Locale.parse(LANGUAGES[language()]).percent_formats[None]
    return str(pattern.suffix[0])


def day_words(day: date, *, year: bool = False) -> str:
    """Write a day, with its year or without.

    Examples
    --------
    >>> day_words(date(2024, 12, 16)), day_words(date(2024, 12, 16), year=True)
    ('16 Dec', '16 Dec 2024')
    >>> with speaking("zh"):
    ...     day_words(date(2024, 12, 16)), day_words(date(2024, 12, 16), year=True)
    ('12月16日', '2024年12月16日')
    """
    if language() == ENGLISH:
        return f"{day:%d %b %Y}" if year else f"{day:%d %b}"
    from babel.dates import format_skeleton

    skeleton = "yMMMd" if year else "MMMd"
    return str(format_skeleton(skeleton, day, locale=LANGUAGES[language()]))


def month_words(day: date, *, short: bool = False) -> str:
    """Write a month with its year.

    Examples
    --------
    >>> month_words(date(2024, 12, 16)), month_words(date(2024, 12, 16), short=True)
    ('December 2024', 'Dec 2024')
    """
    if language() == ENGLISH:
        return f"{day:%b %Y}" if short else f"{day:%B %Y}"
    from babel.dates import format_skeleton

    return str(format_skeleton("yMMM", day, locale=LANGUAGES[language()]))


def axis_dates() -> tuple[list[str] | None, list[str] | None, list[str] | None]:
    """Return how an axis writes years, months, days, hours, minutes and seconds, for Matplotlib.

    Each, the first of each, and what all have in common, as `ConciseDateFormatter` takes them; None
    for its own, which are English.
    """
    if language() == ENGLISH:
        return None, None, None
    each = ["%Y年", "%-m月", "%-d日", "%H:%M", "%H:%M", "%S"]
    first = ["", "%Y年", "%-m月", "%-m月%-d日", "%H:%M", "%H:%M"]
    return each, first, ["", "%Y年", "%Y年%-m月", "%Y年%-m月%-d日", "%Y年%-m月%-d日", "%H:%M"]


@functools.cache
def messages() -> dict[str, str]:
    """Return the Chinese of each message by its English."""
    return _in_chinese("messages.txt")


def _in_chinese(file: str) -> dict[str, str]:
    """Read the Chinese of what a file holds, by its English."""
    lines = Path(__file__).with_name(file).read_text(encoding="utf-8").splitlines()
    pairs = (line.split(" | ", 1) for line in lines if not line.startswith("//"))
    return dict(pairs)
