"""One document: the style, the script, the policy and the list of contents that all pages share."""

from __future__ import annotations

import base64
import hashlib
import itertools
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unicodedata import east_asian_width

from promolab.language import ENGLISH, _, speaking

if TYPE_CHECKING:
    import jinja2

TEMPLATES = Path(__file__).parents[1] / "templates"
SCREEN = 900  # pixels: a screen of 1280 × 900
WORTH_A_LIST = 3 * SCREEN
"""A page that is longer has a list of its contents."""

_CONTENTS = "<!-- contents -->"
_ALLOWS = "<!-- what the data allow -->"
_HEADING = re.compile(
    r"<h2(?P<h2>[^>]*)>(?P<title>.*?)</h2>"
    r'|<details class="more"(?P<fold>[^>]*)><summary>(?P<folded>.*?)</summary>',
    re.DOTALL,
)
_PICTURE = re.compile(r'\bsrc="data:image/png;base64,([\w+/]{32})')
# A figure and the table that follows it, in one output of a cell or in two.
_PAIR = re.compile(
    r'(<img [^>]*>)\s*(?:</div>\s*<div class="output">)?\s*'
    r'(<div [^>]*class="scroll"(?:(?!<img|</section>).)*?</table>\s*</div>'
    r'(?:<p class="more">.*?</p>)?)',
    re.DOTALL,
)
# About how tall what a page is made of stands at a width of 1280 pixels.
_TALL = {"<header": 350, "<tr": 50, "<p": 60, "<li": 30, "<h2": 120, "<h3": 60, "<img": 40}
_CODE = re.compile(r'<details class="code">.*?</details>', re.DOTALL)
_FOLDED = re.compile(r"<details.*?</details>", re.DOTALL)
_DENSE = 0.55  # of the first page, which is set smaller
_LONG, _LONGEST = 34, 60  # letters of an entry of the contents


@dataclass(frozen=True)
class Look:
    """What the template of all pages needs beside what a page says.

    Parameters
    ----------
    css, script : str
        The style, and the only script that a page runs.
    lang : str
        The language of the page, as HTML names it.
    words : mapping of str to str
        What the script writes, by name.
    """

    css: str
    script: str
    lang: str = "en"
    words: Mapping[str, str] = field(
        default_factory=lambda: {
            "filter": _("Filter the rows"),
            "shown": _("{} of {} rows"),
            "sort": _("sort by {}"),
        }
    )
    contents: str = _CONTENTS
    allows: str = _ALLOWS

    @property
    def policy(self) -> str:
        """What a page may do: nothing but show itself, and run the one script."""
        digest = hashlib.sha256(self.script.encode("utf-8")).digest()
        return (
            "default-src 'none'; img-src data:; style-src 'unsafe-inline'; "
            f"script-src 'sha256-{base64.b64encode(digest).decode('ascii')}'; "
            "base-uri 'none'; form-action 'none'"
        )


@cache
def look(lang: str = "en") -> Look:
    """Return what all pages share.

    Parameters
    ----------
    lang : str
        The language of the page, as HTML names it.

    Examples
    --------
    >>> "script-src 'sha256-" in look().policy
    True
    """
    css, script = (
        (TEMPLATES / name).read_text(encoding="utf-8").strip() for name in ("page.css", "page.js")
    )
    return Look(css, script, lang)


def template(name: str) -> jinja2.Template:
    """Return a template of a page that is no notebook; it escapes what it is given.

    Parameters
    ----------
    name : str
        Of a file in the folder of the templates.
    """
    import jinja2

    environment = jinja2.Environment(
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        loader=jinja2.FileSystemLoader(TEMPLATES),
    )
    return environment.get_template(name)


def finished(page: str) -> str:
    """Return a page with the height of its pictures, each beside the table that follows it.

    Where it is long, it has a list of its contents.

    Parameters
    ----------
    page : str
        What a template made.

    Examples
    --------
    >>> finished("<!-- contents --><main><h2>Who</h2><p>all</main>")
    '<main><h2 id="who">Who</h2><p>all</main>'
    """
    heights: list[float] = []

    def sized(match: re.Match[str]) -> str:
        # Drawn with 144 dots an inch, of which a page has 96.
        heights.append(tall := _height(match[1]) * 2 // 3)
        return f'height="{tall}" {match[0]}'

    before, begin, rest = page.partition("<main>")
    body, end, after = rest.rpartition("</main>")
    body = _PICTURE.sub(sized, body)
    body = _PAIR.sub(r'<div class="pair"><div>\1</div><div>\2</div></div>', body)
    entries: list[tuple[str, str]] = []

    def named(match: re.Match[str]) -> str:
        kind = "fold" if match["h2"] is None else "h2"
        title = _plain(match["folded"] if kind == "fold" else match["title"])
        found = re.search(r'id="([^"]*)"', match[kind])
        name = found[1] if found else _name(title, {name for name, _ in entries})
        entries.append((name, title))
        if found:
            return match[0]
        opening = match[0].index(">")
        return f'{match[0][:opening]} id="{name}"{match[0][opening:]}'

    body = _HEADING.sub(named, body)
    text = before + _FOLDED.sub("", _CODE.sub("", body))
    tall = sum(heights) + sum(text.count(tag) * high for tag, high in _TALL.items())
    if 'class="report"' in before:
        tall *= _DENSE
    listed = _listed(entries) if tall > WORTH_A_LIST and len(entries) > 2 else ""
    return f"{before.replace(_CONTENTS, listed)}{begin}{body}{end}{after}"


def allowing(page: str, metrics: Mapping[str, Any]) -> str:
    """Return a page that says at its head what the week's data allow.

    Parameters
    ----------
    page : str
        By `finished`; it may have been made before that was known.
    metrics : mapping of str to object
        The week's figures.

    Examples
    --------
    >>> found = allowing("<!-- what the data allow -->", {"uplift": {"allows": ""}})
    >>> found.startswith(" · effects <abbr"), found.endswith(">not identified</abbr>")
    (True, True)
    """
    named = re.search(r'<html lang="(\w+)', page)
    with speaking(named[1] if named else ENGLISH):
        return page.replace(_ALLOWS, _allowed(metrics), 1)


def _allowed(metrics: Mapping[str, Any]) -> str:
    from promolab.display import Html, explained

    uplift = metrics.get("uplift") or {}
    if not uplift:
        return ""
    # A comparison of those contacted once is no effect of what starts: past decisions tell that.
    found = str(uplift.get("identification") or "") if uplift.get("allows") else ""
    word = found or "not identified"
    said = explained(Html(escape(_("effects {standing}", standing=_(word)))), [word]).text
    tested = (metrics.get("response") or {}).get("auc")
    if not tested:
        return f" · {said}"
    return f" · {escape(_('response tested out of time'))} · {said}"


def _listed(entries: list[tuple[str, str]]) -> str:
    lines = "".join(
        f'<li><a href="#{escape(name)}">{escape(_short(title))}</a></li>' for name, title in entries
    )
    return f'<nav class="contents" aria-label="{escape(_("On this page"))}"><ul>{lines}</ul></nav>'


def _short(title: str) -> str:
    """Return what a heading is about: what comes before its finding, where that stands apart."""
    wide = len(title) + sum(east_asian_width(letter) in "WF" for letter in title)
    about = re.split(r":|：", title)[0] if wide > _LONG else title
    return about if len(about) <= _LONGEST else about[: _LONGEST - 1].rstrip() + "…"


def _plain(html: str) -> str:
    from html import unescape

    text = re.sub(r'<a class="anchor-link".*?</a>|<[^>]*>', "", html, flags=re.DOTALL)
    return " ".join(unescape(text).split())


def _name(title: str, taken: set[str]) -> str:
    own = re.sub(r"\W+", "-", _short(title).lower()).strip("-") or "part"
    names = itertools.chain([own], (f"{own}-{n}" for n in itertools.count(2)))
    return next(name for name in names if name not in taken)


def _height(encoded: str) -> int:
    """Return how tall a PNG is, in dots, from the first bytes of it."""
    return int.from_bytes(base64.b64decode(encoded)[20:24], "big")
