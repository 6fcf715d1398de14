"""One page: an executed notebook becomes a document that stands alone, and goes on paper.

Style, script, policy and list of contents are shared by all pages; nothing is loaded.
"""

from __future__ import annotations

import base64
import copy
import hashlib
import itertools
import os
import re
import shutil
import subprocess
import tempfile
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unicodedata import east_asian_width

from promolab.display import NOTEBOOK_STYLE, Html, explained
from promolab.errors import InputError, StepError
from promolab.glossary import label
from promolab.language import ENGLISH, _, close_up, language, marked, page_language, speaking
from promolab.report.running.steps import Step
from promolab.results import Facts, words_of
from promolab.weeks import Week

if TYPE_CHECKING:
    import jinja2
    from nbformat import NotebookNode

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
    uplift = metrics.get("uplift") or {}
    if not uplift:
        return ""
    # A comparison of those contacted once is no effect of what starts: past decisions tell that.
    found = str(uplift.get("identification") or "") if uplift.get("allows") else ""
    word = found or "not identified"
    said = explained(
        Html(
            escape(_("effects {standing}", standing=word if language() == ENGLISH else label(word)))
        ),
        [word],
    ).text
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


_REASON = re.compile(r'<p class="absent">(.*?)</p>', re.DOTALL)
_ABSENT = re.compile(r'(?:\s*<p class="absent">(?:(?!</p>).)*</p>\s*)+', re.DOTALL)
_TABS = marked("Pages of this week")
_EXPLAINED = (
    *("prediction interval", "break-even", "holdout", "over-represented", "expected to date"),
    *("inside its band", "adjusted", "not identified", "randomised", "provisional", "verdict"),
    *("extra net sales", "expected redemptions", "expected responses", "backtest"),
)
"""Words that the first page explains where each first stands, below its headline numbers."""
_APART = "apart"  # of no section: a fold ends before it
# Best first. Widgets and formulas need a script, and come with a plain form beside it.
_SHOWN = [
    "text/html",
    "text/markdown",
    "image/svg+xml",
    "image/png",
    "image/jpeg",
    "text/plain",
]


@dataclass(frozen=True)
class _Link:
    text: str
    href: str
    here: bool


def render_page(
    notebook: NotebookNode,
    step: Step,
    steps: Sequence[Step],
    *,
    week: Week,
    shop: str,
    lang: str = ENGLISH,
) -> str:
    """Return the page of a step as HTML, equal bytes for an equal notebook.

    Parameters
    ----------
    notebook : NotebookNode
        The executed notebook.
    step : Step
        The step that it is of.
    steps : sequence of Step
        All steps of the week, for the links between their pages.
    week : Week
        The week.
    shop : str
        What readers call the shop.
    lang : str
        Language of the page.

    Returns
    -------
    str
        One HTML document, everything in it.
    """
    with speaking(lang):
        return _page(notebook, step, steps, week, shop)


def _page(notebook: NotebookNode, step: Step, steps: Sequence[Step], week: Week, shop: str) -> str:
    from nbconvert.exporters import HTMLExporter

    exporter = HTMLExporter(
        extra_template_basedirs=[str(TEMPLATES)],
        extra_template_paths=[str(TEMPLATES)],
        template_name="promolab",
    )
    page = {
        "title": f"{notebook.metadata.get('title') or _(step.title)} · {shop} · {week}",
        "say": _,
        "shop": shop,
        "week": str(week),
        "dates": week.label(),
        "stem": step.stem,
        "is_report": step.is_report,
        "links": _links(step, steps),
        "tabs_of": _(_TABS),
        "show_code": _words(names="", n=0).say("show_code"),
        "kinds": _SHOWN,
        "notebook_style": NOTEBOOK_STYLE,
    }
    exporter.environment.globals |= {"page": page, "look": look(page_language())}
    arranged = _joined(_arranged(_translated(notebook, step.stem)))
    page["codes"] = [code for cell in arranged.cells for code in cell.metadata.get("codes", [])]
    made = str(exporter.from_notebook_node(arranged)[0])
    if step.is_report:
        above, heading, below = made.partition("<h2")
        body, end, script = below.rpartition("</main>")
        made = above + explained(Html(heading + body), _EXPLAINED).text + end + script
    return finished(close_up(made))


def _words(**given: Any) -> Facts:
    return words_of(__name__, "pages", **given)


@cache
def _chinese_cells() -> dict[str, dict[str, str]]:
    text = Path(__file__).with_name("notebooks_zh.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


def _translated(notebook: NotebookNode, stem: str) -> NotebookNode:
    """Return a notebook whose text cells are in the language that is spoken."""
    known = {} if language() == ENGLISH else _chinese_cells().get(stem, {})
    if not known:
        return notebook
    spoken = copy.deepcopy(notebook)
    for cell in spoken.cells:
        if cell.cell_type == "markdown":
            cell["source"] = known.get(str(cell.get("id")), cell.source)
    return spoken


def _links(step: Step, steps: Sequence[Step]) -> list[_Link]:
    ordered = sorted(steps, key=lambda s: (not s.is_report, s.stem))
    links = [_Link(_("Report") if s.is_report else _(s.title), s.page, s is step) for s in ordered]
    return [*links, _Link(_("All weeks"), "../index.html", False)]


def _joined(notebook: NotebookNode) -> NotebookNode:
    """Join the code cells of a section; their code stands behind one click, at the page's end."""
    cells: list[Any] = []
    open_ = False  # whether the last cell may be joined to
    for cell in notebook.cells:
        if cell.cell_type != "code" or _APART in _tags(cell):
            cells.append(cell)
            open_ = False
            continue
        if not open_:
            cell.metadata["codes"] = []
            cells.append(cell)
        last = cells[-1]
        last.metadata["codes"] += [cell.source] if cell.source.strip() else []
        if last is not cell:
            last.outputs += cell.outputs
        open_ = not cell.metadata.get("fold_ends")
        last.metadata["fold_ends"] = not open_
    notebook["cells"] = cells
    return notebook


def _arranged(notebook: NotebookNode) -> NotebookNode:
    """Bring the answer to the top, what was read to the end, and fold what is tagged a detail.

    A notebook computes before it answers, and a page answers before it explains. Tags of cells say
    what is what: ``answer``, ``reads_writes``, and ``detail`` on the markdown cell that heads a
    section; a folded section ends where the next heading is. Of reads and writes the page says the
    reads: what was written is listed as it was found.
    """
    arranged = copy.copy(notebook)
    first, *rest = notebook.cells or [None]
    places = {"answer": 0, "reads_writes": 2}
    rest.sort(key=lambda cell: next((places[t] for t in _tags(cell) if t in places), 1))
    cells = [copy.deepcopy(cell) for cell in (first, *rest) if cell is not None]
    cells = _without_empty_sections(cells)
    for cell in cells:
        if "reads_writes" in _tags(cell):
            cell["source"] = _reads(cell["source"])
    inside = False
    for number, cell in enumerate(cells):
        if _is_heading(cell) or {"reads_writes", _APART} & set(_tags(cell)):
            if inside:
                cells[number - 1].metadata["fold_ends"] = True
            inside = "detail" in _tags(cell)
        if inside and _is_heading(cell):
            title, _, text = cell["source"].partition("\n")
            cell.metadata["fold"], cell["source"] = title.lstrip("# "), text.strip()
    if inside:
        cells[-1].metadata["fold_ends"] = True
    arranged["cells"] = cells
    return arranged


def _without_empty_sections(cells: list[Any]) -> list[Any]:
    """Make one line, which opens, of all sections that show nothing but why there is nothing."""
    from nbformat.v4 import new_code_cell, new_output

    sections: list[list[Any]] = [[]]
    for cell in cells:
        if _is_heading(cell) or "reads_writes" in _tags(cell):
            sections.append([])
        sections[-1].append(cell)
    empty = {number: why for number, part in enumerate(sections) if (why := _why_empty(part))}
    if not empty:
        return cells
    named = "".join(
        f"<p><b>{escape(sections[number][0].source.partition(chr(10))[0].lstrip('# '))}.</b> "
        f"{why}</p>"
        for number, why in empty.items()
    )
    told = _words(n=len(empty)).say("empty")
    line = f'<details class="more apart"><summary>{told}</summary>{named}</details>'
    shown = new_code_cell("", outputs=[new_output("display_data", data={"text/html": line})])
    shown.metadata["tags"] = [_APART]
    kept = [part for number, part in enumerate(sections) if number not in empty]
    ends = next((n for n, part in enumerate(kept) if n and _is_end(part[0])), len(kept))
    return [cell for part in [*kept[:ends], [shown], *kept[ends:]] for cell in part]


def _why_empty(section: list[Any]) -> str:
    """Return why a section holds nothing, as HTML; empty where it holds something."""
    if not section or not _is_heading(section[0]):
        return ""
    outputs = [
        output
        for cell in section
        if cell.cell_type == "code"
        for output in cell.outputs
        if not (output.output_type == "stream" and output.name == "stderr")
    ]
    found = (str(output.get("data", {}).get("text/html", "")) for output in outputs)
    texts = [text.replace(NOTEBOOK_STYLE, "").strip() for text in found]
    if not texts or not all(_ABSENT.fullmatch(text) for text in texts):
        return ""
    return " ".join(dict.fromkeys(why for text in texts for why in _REASON.findall(text)))


_FILES = ("## Files written", "## 写出的文件")


def _is_end(cell: Any) -> bool:
    return "reads_writes" in _tags(cell) or cell.source.startswith(_FILES)


def _reads(table: str) -> str:
    rows = [line.split("|") for line in table.split("\n")[2:] if line.count("|") == 3]
    names = ", ".join(row[1].strip() for row in rows)
    return _words(names=names).say("made_from") if rows else table


def _tags(cell: Any) -> list[str]:
    return list(cell.metadata.get("tags", []))


def _is_heading(cell: Any) -> bool:
    return bool(cell.cell_type == "markdown" and cell.source.startswith("## "))


BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
_SECONDS = 180  # of one page
# Nothing is looked up, nothing is fetched: a page stands alone, and so does who prints it.
_OPTIONS = (
    "--headless",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND",
    "--no-pdf-header-footer",
)


def find_browser() -> str:
    """Return the browser that prints.

    Raises
    ------
    InputError
        If none is on the PATH.
    """
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        raise InputError(
            f"--pdf needs a browser to print with, and none of {', '.join(BROWSERS)} is on the "
            "PATH; install one (on Debian: apt install chromium), or leave --pdf out and print "
            "the page from any browser"
        )
    return found


def print_pages(browser: str, week: Path, which: str = "first") -> list[Path]:
    """Print pages of a week to PDF files beside them.

    Parameters
    ----------
    browser : str
        By `find_browser`.
    week : Path
        The week's folder.
    which : str
        ``first`` for the report itself, ``all`` for the pages of its steps as well.

    Returns
    -------
    list of Path
        The files.

    Raises
    ------
    StepError
        If the browser does not print one.
    """
    steps = sorted(week.glob("[0-9]*.html")) if which == "all" else []
    return [_printed(browser, page) for page in (week / "index.html", *steps)]


def _printed(browser: str, page: Path) -> Path:
    file = page.with_suffix(".pdf")
    with tempfile.TemporaryDirectory(prefix="promolab-pdf-") as folder:
        made = Path(folder) / file.name
        line = [browser, *_OPTIONS, f"--user-data-dir={folder}/profile", f"--print-to-pdf={made}"]
        if hasattr(os, "geteuid") and os.geteuid() == 0:
            line.append("--no-sandbox")  # root has no other way
        try:
            done = subprocess.run(
                [*line, page.resolve().as_uri()], capture_output=True, text=True, timeout=_SECONDS
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise StepError(f"{browser} did not print {page}: {error}") from error
        if done.returncode or not made.exists():
            last = done.stderr.strip().rpartition("\n")[2]
            raise StepError(f"{browser} did not print {page}: {last or 'it says nothing'}")
        shutil.copyfile(made, file)
    return file
