"""One page: an executed notebook becomes a document that stands alone; and the list of all weeks.

Style, script, policy and list of contents are shared by all pages; nothing is loaded.
"""

from __future__ import annotations

import base64
import copy
import hashlib
import itertools
import math
import re
import tomllib
from collections.abc import Mapping, Sequence
from functools import cache
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from promolab.display import NOTEBOOK_STYLE, Html, explained
from promolab.folder import ReportsFolder, RunFolder, write_whole
from promolab.language import ENGLISH, _, close_up, language, own_name, page_language, speaking
from promolab.report.running.steps import Step
from promolab.results import Facts, words_of
from promolab.weeks import Week
from promolab.wording import percent

if TYPE_CHECKING:
    from nbformat import NotebookNode

TEMPLATES = Path(__file__).parents[1] / "templates"
WORTH_A_LIST = 4
"""Headings from which on a page has a list of its contents."""

_CONTENTS = "<!-- contents -->"
_HEADING = re.compile(
    r"<h2(?P<h2>[^>]*)>(?P<title>.*?)</h2>"
    r'|<details class="more"(?P<fold>[^>]*)><summary>(?P<folded>.*?)</summary>',
    re.DOTALL,
)
# A figure and the table that follows it, in one output, in two, or in those of two cells.
_PAIR = re.compile(
    r"(<img [^>]*>)\s*"
    r'(?:</div>\s*(?:</section>\s*<section class="cell">\s*)?<div class="output">)?\s*'
    r'(<div [^>]*class="scroll"(?:(?!<img|</section>).)*?</table>\s*</div>'
    r'(?:<p class="more">.*?</p>)?)',
    re.DOTALL,
)
_LONGEST = 60  # letters of an entry of the contents


@cache
def look(lang: str = "en") -> dict[str, Any]:
    """Return what the template of all pages needs beside what a page says, by name.

    Parameters
    ----------
    lang : str
        The language of the page, as HTML names it.

    Returns
    -------
    dict of str to object
        ``policy`` is what a page may do: nothing but show itself, and run the one ``script``, whose
        ``words`` are those that it writes.

    Examples
    --------
    >>> "script-src 'sha256-" in look()["policy"]
    True
    """
    css, script = (
        (TEMPLATES / name).read_text(encoding="utf-8").strip() for name in ("page.css", "page.js")
    )
    digest = base64.b64encode(hashlib.sha256(script.encode("utf-8")).digest()).decode("ascii")
    policy = (
        "default-src 'none'; img-src data:; style-src 'unsafe-inline'; "
        f"script-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    )
    words = {
        "filter": _("Filter the rows"),
        "shown": _("{shown} of {n} rows", shown="{}", n="{}"),
        "sort": _("sort by {}"),
    }
    shared = {"css": css, "script": script, "policy": policy, "contents": _CONTENTS}
    return {"lang": lang, "words": words, **shared}


def finished(page: str) -> str:
    """Return a page with each picture beside the table that follows it.

    Where it has many headings, it has a list of its contents.

    Parameters
    ----------
    page : str
        What a template made.

    Examples
    --------
    >>> finished("<!-- contents --><main><h2>Who</h2><p>all</main>")
    '<main><h2 id="who">Who</h2><p>all</main>'
    """
    before, begin, rest = page.partition("<main>")
    body, end, after = rest.rpartition("</main>")
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
    listed = _listed(entries) if len(entries) >= WORTH_A_LIST else ""
    return f"{before.replace(_CONTENTS, listed)}{begin}{body}{end}{after}"


def _listed(entries: list[tuple[str, str]]) -> str:
    lines = "".join(
        f'<li><a href="#{escape(name)}">{escape(_short(title))}</a></li>' for name, title in entries
    )
    return f'<nav class="contents" aria-label="{escape(_("On this page"))}"><ul>{lines}</ul></nav>'


def _short(title: str) -> str:
    """Return what a heading is about: what comes before its finding."""
    about = re.split(r"[:：]", title)[0]
    return about if len(about) <= _LONGEST else about[: _LONGEST - 1].rstrip() + "…"


def _plain(html: str) -> str:
    from html import unescape

    text = re.sub(r'<a class="anchor-link".*?</a>|<[^>]*>', "", html, flags=re.DOTALL)
    return " ".join(unescape(text).split())


def _name(title: str, taken: set[str]) -> str:
    own = re.sub(r"\W+", "-", _short(title).lower()).strip("-") or "part"
    names = itertools.chain([own], (f"{own}-{n}" for n in itertools.count(2)))
    return next(name for name in names if name not in taken)


_REASON = re.compile(r'<p class="absent">(.*?)</p>', re.DOTALL)
_ABSENT = re.compile(r'(?:\s*<p class="absent">(?:(?!</p>).)*</p>\s*)+', re.DOTALL)
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
        "title": f"{notebook.metadata.get('title') or _title(step)} · {shop} · {week}",
        "say": _,
        "shop": shop,
        "week": str(week),
        "dates": week.label(),
        "stem": step.stem,
        "is_report": step.is_report,
        "links": _links(step, steps),
        "tabs_of": _("Pages of this week"),
        "show_code": _words(names="", n=0).say("show_code"),
        "kinds": _SHOWN,
        "notebook_style": NOTEBOOK_STYLE,
    }
    exporter.environment.globals |= {"page": page, "look": look(page_language())}
    arranged = _arranged(_translated(notebook))
    code = (cell.source for cell in arranged.cells if cell.cell_type == "code")
    page["codes"] = [source for source in code if source.strip()]
    made = str(exporter.from_notebook_node(arranged)[0])
    if step.is_report:
        above, heading, below = made.partition("<h2")
        body, end, script = below.rpartition("</main>")
        made = above + explained(Html(heading + body), _EXPLAINED).text + end + script
    return finished(close_up(made))


def _words(**given: Any) -> Facts:
    return words_of(__name__, "pages", **given)


@cache
def chinese_cells() -> dict[str, str]:
    """Return the Chinese of text cells by cell, and of headings that several have by their text."""
    text = Path(__file__).with_name("notebooks_zh.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


def _translated(notebook: NotebookNode) -> NotebookNode:
    """Return a notebook whose text cells are in the language that is spoken."""
    if language() == ENGLISH:
        return notebook
    spoken, known = copy.deepcopy(notebook), chinese_cells()
    for cell in spoken.cells:
        if cell.cell_type == "markdown":
            heading = known.get(cell.source, cell.source)
            cell["source"] = known.get(str(cell.get("id")), heading)
    return spoken


def _title(step: Step) -> str:
    """Return a step's title, which is that of its first cell, in the language that is spoken."""
    known = {} if language() == ENGLISH else chinese_cells()
    told = (known[cell.id] for cell in step.notebook.cells if cell.get("id") in known)
    title, *_rest = next(told, step.title).splitlines()
    return title.lstrip("# ").split(" · ")[-1]


def _links(step: Step, steps: Sequence[Step]) -> list[dict[str, Any]]:
    ordered = sorted(steps, key=lambda s: (not s.is_report, s.stem))
    named = [(_("Report") if s.is_report else _title(s), s.page, s is step) for s in ordered]
    every = [*named, (_("All weeks"), "../index.html", False)]
    return [dict(zip(("text", "href", "here"), link, strict=True)) for link in every]


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


def _reads(told: str) -> str:
    rows = [line.split("|") for line in told.split("\n")[2:] if line.count("|") == 3]
    names = ", ".join(own_name(part) for row in rows for part in row[1].strip().split(", "))
    return _words(names=names).say("made_from") if rows else told


def _tags(cell: Any) -> list[str]:
    return list(cell.metadata.get("tags", []))


def _is_heading(cell: Any) -> bool:
    return bool(cell.cell_type == "markdown" and cell.source.startswith("## "))


_MOST_LABELS = 6  # and week and status: eight columns


def write_index(reports: ReportsFolder) -> Path:
    """Write ``index.html`` of the reports folder from each week's ``metrics.json``.

    A week whose last run failed is in it, with the reason. It speaks the language of the newest
    week that is good.

    Parameters
    ----------
    reports : ReportsFolder
        The reports folder.

    Returns
    -------
    Path
        The page.
    """
    good = reports.weeks()
    with speaking(reports.run(max(good)).language if good else ENGLISH):
        write_whole(reports.path / "index.html", finished(_list_page(reports, good)) + "\n")
    return reports.path / "index.html"


def _list_page(reports: ReportsFolder, good: Sequence[Week]) -> str:
    failed = reports.failures()
    weeks = sorted({*good, *failed}, reverse=True)
    figures = {week: headlines(reports.run(week)) for week in weeks}
    labels = list(dict.fromkeys(label for week in weeks for label in figures[week]))
    labels = labels[:_MOST_LABELS]
    titles = {n: t["label"] for week in reversed(weeks) for n, t in figures[week].items()}
    rows = [
        {
            "week": str(week),
            "dates": week.label(),
            "good": week in good,
            "status": status_of(reports.run(week)) if week in good else _("failed"),
            "reason": _reason(failed.get(week), good=week in good),
            "cells": [
                _cell(figures[week].get(label), figures.get(week.previous(), {}).get(label))
                for label in labels
            ],
        }
        for week in weeks
    ]
    shop = reports.shop or next((str(record.get("shop", "")) for record in failed.values()), "")
    import jinja2

    loader = jinja2.FileSystemLoader(TEMPLATES)
    pages = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, loader=loader)
    heads = [titles[label] for label in labels]
    told = {"rows": rows, "labels": heads, "shop": shop, "say": _, "look": look(page_language())}
    return pages.get_template("weeks.html.j2").render(told)


def headlines(run: RunFolder) -> dict[str, Mapping[str, Any]]:
    """Return the tiles of a week's first page by what they are called in English."""
    metrics = run.metrics
    tiles = metrics.get("headlines") if isinstance(metrics, dict) else None
    if not isinstance(tiles, list):
        return {}
    shown = run.spoken["headlines"] if run.language == language() else tiles
    pairs = zip(tiles, shown, strict=False)
    return {str(t["label"]): said for t, said in pairs if isinstance(t, dict) and "label" in t}


def status_of(run: RunFolder) -> str:
    """Return the state of a week's plan, and whether its data were stale."""
    manifest = run.manifest
    fresh = manifest.get("freshness")
    stale = isinstance(fresh, dict) and fresh.get("stale") is True
    state = _words().word(manifest.get("state", "draft"))
    return f"{state} · {_('stale data')}" if stale else state


def _reason(failure: Mapping[str, Any] | None, *, good: bool) -> str:
    if failure is None:
        return ""
    reason = str(failure.get("reason", "")) or _("reason unknown")
    return _("the last run failed: {reason}", reason=reason) if good else reason


def _cell(tile: Mapping[str, Any] | None, before: Mapping[str, Any] | None) -> dict[str, str]:
    """Return what a tile says, how it changed against the week before, and in which direction."""
    text = "–" if tile is None else str(tile.get("text", ""))
    same = {"text": text, "change": "", "direction": "same"}
    if tile is None or before is None or before.get("of", "") != tile.get("of", ""):
        return same
    now, then = _number(tile.get("value")), _number(before.get("value"))
    share = (now - then) / abs(then) if then else math.nan
    if math.isnan(share):
        return same
    if abs(share) < 0.005:
        return same | {"change": _("unchanged")}
    sign = "+" if share > 0 else ""
    change = sign + percent(share, decimals=0)
    return {"text": text, "change": change, "direction": "up" if share > 0 else "down"}


def _number(value: Any) -> float:
    """Return a figure of a tile; nan where it is none."""
    known = isinstance(value, (int, float)) and not isinstance(value, bool)
    return float(value) if known and math.isfinite(value) else math.nan
