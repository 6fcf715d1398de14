"""The site: `make docs` writes it into build/docs, from these pages and from docstrings alone.

Nothing is fetched, neither while it is built nor while it is read: no references into other
projects' sites, and formulas are drawn by matplotlib.
"""

from __future__ import annotations

import io
import os
import re
import textwrap
from collections.abc import Iterator
from contextlib import redirect_stdout, suppress
from pathlib import Path
from typing import Any

from matplotlib.sphinxext.mathmpl import math_role

import promolab
from promolab.cli import main

HERE = Path(__file__).parent

project = "promolab"
author = "the promolab developers"
version = release = promolab.__version__
extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "numpydoc",
    "matplotlib.sphinxext.mathmpl",  # formulas as pictures; MathJax comes from the network
]
exclude_patterns = ["_templates"]
templates_path = ["_templates"]
myst_enable_extensions = ["attrs_inline"]
myst_heading_anchors = 4
autosummary_generate = True
autodoc_typehints = "none"  # numpydoc says them in words
numpydoc_show_class_members = False  # the template lists them
html_theme = "pydata_sphinx_theme"
html_title = "promolab"
html_show_sourcelink = False
html_copy_source = False
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_context = {"default_mode": "auto"}
html_sidebars = {"**": ["contents"]}  # all pages: the theme's own lists those of one section
html_theme_options = {
    "navbar_center": [],
    "navbar_align": "left",
    "collapse_navigation": True,  # every page would carry the tree of all the others
    "navigation_depth": 2,
    "show_prev_next": True,
    "footer_start": ["copyright"],
    "footer_end": [],
}
copyright = "the promolab developers, BSD-3-Clause"

COMMANDS = ["report", "release", "reconcile", "close", "backfill", "data", "init", "score"]
COMMANDS += ["serve", "loop", "demo", "lab"]
_ROW = re.compile(r"^\| `(promolab[\w.]+)` \| (.+) \|$")


def sections() -> dict[str, dict[str, str]]:
    """Return each question of the map, and what it says of the public names that answer it."""
    found: dict[str, dict[str, str]] = {}
    for line in (HERE / "map.md").read_text(encoding="utf-8").splitlines():
        if line.startswith("## "):
            names = found.setdefault(line.removeprefix("## "), {})
        elif row := _ROW.match(line):
            names[row[1]] = row[2]
    return found


def write_reference(folder: Path) -> None:
    """Write a page for each question, and one for the command; autosummary writes the names'.

    Pages of what an earlier version had are taken away: they would name what is not there.
    """
    folder.mkdir(exist_ok=True)
    pages: dict[str, str] = {}
    known = {name for names in sections().values() for name in names}
    for number, (question, names) in enumerate(sections().items(), start=1):
        rows = "\n".join(f"   {name}" for name in names)
        table = f".. autosummary::\n   :toctree: names\n\n{rows}\n"
        pages[f"{number:02}"] = f"{question}\n{'=' * len(question)}\n\n{table}"
    pages["commands"] = "\n".join(commands())
    listed = "\n".join(f"   {page}" for page in pages if page != "commands")
    pages["index"] = f"Reference\n=========\n\n.. toctree::\n   :maxdepth: 1\n\n{listed}\n"
    for old in folder.rglob("*.rst"):
        if old.stem not in known | pages.keys():
            old.unlink()
    for page, text in pages.items():
        (folder / f"{page}.rst").write_text(text, encoding="utf-8")


def commands() -> Iterator[str]:
    """Yield the page of the command, in the words of its own ``--help``."""
    os.environ["COLUMNS"] = "96"
    yield "The command\n===========\n"
    for name in COMMANDS:
        said = io.StringIO()
        with redirect_stdout(said), suppress(SystemExit):
            main([name, "--help"])
        yield f"promolab {name}\n{'-' * 20}\n\n.. code-block:: text\n"
        yield textwrap.indent(said.getvalue(), "   ")


def link_names(app: Any, page: str, source: list[str]) -> None:
    """Let each name in the map lead to its page."""
    if page == "map":
        source[0] = re.sub(
            r"^\| `(promolab[\w.]+)`", r"| {py:obj}`\1`", source[0], flags=re.MULTILINE
        )


def words_of_constants(
    app: Any, what: str, name: str, obj: Any, options: Any, lines: list[str]
) -> None:
    """Say of a constant what the map says, and what it holds: it has no docstring of its own."""
    if what == "data":
        meanings = {name: meaning for rows in sections().values() for name, meaning in rows.items()}
        held = [f"* ``{getattr(entry, 'name', entry)}``" for entry in obj]
        lines[:] = [f"{meanings[name].capitalize()}.", "", *held, ""]


def setup(app: Any) -> None:
    """Write the reference's pages before Sphinx looks for them."""
    write_reference(HERE / "reference")
    app.add_role("math", math_role, override=True)
    app.connect("source-read", link_names)
    app.connect("autodoc-process-docstring", words_of_constants)
