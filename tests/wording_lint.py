"""What no sentence may say, whatever the figures: kinds of nonsense, found in text."""

import html
import re
from collections.abc import Iterable
from pathlib import Path

_NOT_PLURAL = (
    "adds always as costs does falls gives goes has holds is its knows makes means minus misses "
    "needs picks plus rises says stands takes tells this was"
)
_VERBS = "|".join(_NOT_PLURAL.split())
_KIND_OF = "(?:active|different|earlier|new|other|past) "
_BEFORE = r"(?<![\w.,:−–%/-])"  # a number that stands by itself

KINDS = {
    "one of many": (
        rf"{_BEFORE}1 (?!(?:{_VERBS})\b)(?:{_KIND_OF})?[a-z]{{2,}}(?<!s)s\b(?= |[.,;:)]|$)"
    ),
    "one are": rf"{_BEFORE}1(?: \([^)]*\))? (?:were|are|have|come)\b",
    "none of one": rf"{_BEFORE}0 (?:customer|row|promotion|contact|decision|week|day|event)\b",
    "nothing of nothing": rf"{_BEFORE}0 of 0\b",
    "not a number": r"\b(?:nan|NaN|inf|NaT|<NA>)\b|∞",
    "a name of Python": (
        r"\bNone\b(?! (?:of|was|were|is|are|can|came|has|had|answers?|stands?|to)\b)"
        r"|\bTrue\b(?! types)|(?<![Aa]rm )\bFalse\b|dtype|object at 0x|\{'|(?<!=)\['"
    ),
    "minus zero": r"−0(?:\.0+)?(?![\d.,])|-0(?:\.0+)?(?![\d.,\w-])(?<=[ (\[]-0)",
    "no width": r"\[(−?[\d.,]*\d), \1\]",
    "unrounded": r"(?<![\w.])(?:[1-9]\d*\.\d{5,}|0\.\d{7,})|\d\.?\d*e[+-]\d+\b",
    "less than minus": r"−[\d.,]+ %? ?(?:less|more|fewer|better|worse|higher|lower)\b",
    "a word twice": r"\b([A-Za-z]{2,}) \1\b",
    "punctuation": r"(?<!\.)\.\.(?!\.)| ,| \.(?=\s|$)|\(\)|\[\]|;;|,,|[:,;]\.|\.;|\( | \)",
    "no first word": r"^[,;:.)]",
}


def nonsense(text: str) -> list[str]:
    """Return what is wrong with a text, a line at a time: the kind, the words and the line.

    Examples
    --------
    >>> nonsense("1 customers bought −0 %.")[0]
    'one of many: "1 customers" in: 1 customers bought −0 %.'
    >>> nonsense("1 customer bought 3 % [1, 5] more; 1 of them twice, 11 customers not.")
    []
    """
    found = []
    for line in text.splitlines():
        for kind, pattern in KINDS.items():
            match = re.search(pattern, line.strip())
            if match:
                found.append(f'{kind}: "{match[0]}" in: {line.strip()[:240]}')
    return found


def visible(page: str) -> str:
    """Return a page's text without code, a line per cell, paragraph and heading; figures' words in.

    Examples
    --------
    >>> visible("<p>a <b>b</b></p><style>x</style><td>c</td><img alt='d'>").split("\\n")[:3]
    ['a b', 'c', 'd']
    """
    page = re.sub(r"(?s)<(style|script|title)\b.*?</\1>", "", page)
    page = re.sub(r'(?s)<details class="code".*?</details>|<a class="anchor-link".*?</a>', "", page)
    page = re.sub(r"(?s)<code>.*?</code>", "code", page)
    page = re.sub(r"""<img[^>]*?alt=(["'])(.*?)\1[^>]*>""", r"\2\n", page)
    page = re.sub(r"</(?:p|td|th|li|h\d|div|caption|tr|summary)>|<br>", "\n", page)
    return html.unescape(re.sub(r"<[^>]+>", "", page))


def nonsense_of(page: Path) -> list[str]:
    """Return what is wrong with a page."""
    return nonsense(visible(page.read_text(encoding="utf-8")))


_FILE = r"\S+\.(?:csv|ipynb|json|toml|html|parquet|safetensors)\b(?:: \w+)?"
_CODE = r"\bcode\b|\b[a-z]+(?:_[a-z0-9]+)+\b|C-[A-Z0-9]{10}|\b[0-9a-f]{12}\b|-p \w+=\S+|\[[\w.]+\]"
_METHODS = (
    "AUC NDCG ROC RFM k-means DBSCAN HDBSCAN Qini AUTOC Holm BH logistic eps ln popularity"
    " frequency tifu content ease als fm hybrid DR-learner inside Hubert Arabie Benjamini"
    " Hochberg Meinshausen Bühlmann TensorBoard"
)
_CURRENCIES = r"\b(?:CNY|USD|EUR)\b"
_SAID_AS_IT_IS = (
    rf"promolab|Notebook|US\$|\bW\d\d\b|{_FILE}|\bp [<=]|{_CODE}|{_CURRENCIES}"
    rf"|“\w+”|(?<![A-Za-z])(?:{'|'.join(_METHODS.split())})(?![A-Za-z])"
)


def english_left(text: str, names: Iterable[str] = ()) -> list[str]:
    """Return the lines of a Chinese text with English words in them, names and code aside.

    Examples
    --------
    >>> english_left("Corner shop：2017-W44 周\\n触达 3 位客户 of 9", ["Corner shop"])
    ['触达 3 位客户 of 9']
    """
    longest = sorted(filter(None, names), key=len, reverse=True)
    known = "|".join([*map(re.escape, longest), _SAID_AS_IT_IS])
    return [
        line.strip()
        for line in text.splitlines()
        if re.search(r"[A-Za-z]{2,}", re.sub(known, " ", line))
    ]


def read(page: str) -> str:
    """Return all that a page says: what is seen, and what is read out or shown on hover."""
    told = re.findall(r'\s(?:title|aria-label|alt|data-\w+)="([^"]*)"', page)
    return "\n".join([visible(page), *map(html.unescape, told)])
