"""An executed notebook becomes a page that stands alone: nothing is loaded."""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

from promolab.display import NOTEBOOK_STYLE
from promolab.language import ENGLISH, _, close_up, language, marked, page_language, speaking
from promolab.report.running.document import TEMPLATES, finished, look
from promolab.report.running.parameters import Step
from promolab.weeks import Week
from promolab.wording import plural

if TYPE_CHECKING:
    from nbformat import NotebookNode


_REASON = re.compile(r'<p class="absent">(.*?)</p>', re.DOTALL)
_ABSENT = re.compile(r'(?:\s*<p class="absent">(?:(?!</p>).)*</p>\s*)+', re.DOTALL)
_TABS = marked("Pages of this week")
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
        Language of the report and of the tabs; else the pages of steps are English.

    Returns
    -------
    str
        One HTML document, everything in it.
    """
    with speaking(lang):
        tabs = {"links": _links(step, steps), "tabs": page_language(), "tabs_of": _(_TABS)}
    with speaking(lang if step.is_report else ENGLISH):
        return _page(notebook, step, week, shop, tabs)


def _page(
    notebook: NotebookNode, step: Step, week: Week, shop: str, tabs: Mapping[str, Any]
) -> str:
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
        **tabs,
        "kinds": _SHOWN,
        "notebook_style": NOTEBOOK_STYLE,
    }
    exporter.environment.globals |= {"page": page, "look": look(page_language())}
    arranged = _titled(_joined(_arranged(notebook)))
    page["codes"] = [code for cell in arranged.cells for code in cell.metadata.get("codes", [])]
    made = exporter.from_notebook_node(arranged)[0]
    return finished(close_up(str(made)))


def _titled(notebook: NotebookNode) -> NotebookNode:
    """Say the page's title in the language that is spoken; `_arranged` has made the copy."""
    first = notebook.cells[0] if notebook.cells else None
    if language() != ENGLISH and first is not None and first.source.startswith("# "):
        first["source"] = f"# {_(first.source[2:].strip())}"
    return notebook


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
    told = f"Nothing to show for {plural(len(empty), 'section')}"
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
    texts = [str(output.get("data", {}).get("text/html", "")).strip() for output in outputs]
    if not texts or not all(_ABSENT.fullmatch(text) for text in texts):
        return ""
    return " ".join(dict.fromkeys(why for text in texts for why in _REASON.findall(text)))


def _is_end(cell: Any) -> bool:
    return "reads_writes" in _tags(cell) or cell.source.startswith("## Files written")


def _reads(table: str) -> str:
    rows = [line.split("|") for line in table.split("\n")[2:] if line.count("|") == 3]
    return f"Made from {', '.join(row[1].strip() for row in rows)}." if rows else table


def _tags(cell: Any) -> list[str]:
    return list(cell.metadata.get("tags", []))


def _is_heading(cell: Any) -> bool:
    return bool(cell.cell_type == "markdown" and cell.source.startswith("## "))
