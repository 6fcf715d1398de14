"""Words of the glossary, explained where they stand: their meaning shows on hover and on focus."""

from __future__ import annotations

import re
from collections.abc import Iterable
from html import escape

from promolab.display.page import Html
from promolab.glossary import GLOSSARY

__all__ = ["explained"]

_TAGS = re.compile(r"(<[^>]*>)")
_LEFT_ALONE = ("a", "abbr", "h1", "h2", "h3", "h4", "summary", "svg")


def explained(html: Html, words: Iterable[str]) -> Html:
    """Return a piece of a page in which each word is explained where it first stands.

    Parameters
    ----------
    html : Html
        The piece.
    words : iterable of str
        Names of `promolab.glossary.GLOSSARY`.

    Examples
    --------
    >>> found = explained(Html("<p>held out, a holdout of 9</p>"), ["holdout"]).text
    >>> found.startswith('<p>held out, a <abbr tabindex="0" title="Customers left out on purpose')
    True
    >>> found.endswith(">holdout</abbr> of 9</p>")
    True
    """
    left = {name.lower(): GLOSSARY[name].meaning for name in words}
    if not left:
        return html
    longest = sorted(left, key=len, reverse=True)
    pattern = re.compile(rf"\b({'|'.join(map(re.escape, longest))})\b", re.IGNORECASE)

    def marked(match: re.Match[str]) -> str:
        meaning = left.pop(match[0].lower(), None)
        if meaning is None:
            return match[0]
        return f'<abbr tabindex="0" title="{escape(meaning)}">{match[0]}</abbr>'

    pieces, inside = [], 0
    for piece in _TAGS.split(html.text):
        name = re.match(r"</?(\w+)", piece)
        if name and name[1] in _LEFT_ALONE:
            inside += -1 if piece.startswith("</") else 1
        pieces.append(piece if name or inside else pattern.sub(marked, piece))
    return Html("".join(pieces))
