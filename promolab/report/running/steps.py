"""The steps of a report: its notebooks, what they can be told, and which of them wait for others.

Papermill injects a parameter that no notebook knows with no more than a warning; here the call is
refused, and the nearest name given.
"""

from __future__ import annotations

import ast
import logging
import os
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any

from promolab.errors import InputError

if TYPE_CHECKING:
    from nbformat import NotebookNode


_GRAMMAR = "rfc3987_syntax"


def load_nbformat() -> Any:
    """Import ``nbformat``.

    JupyterLab brings a check of international addresses, of which the library that nbformat
    validates notebooks with builds a whole grammar when it is imported. No notebook asks for it.

    Examples
    --------
    >>> load_nbformat().current_nbformat
    4
    """
    lacking = _GRAMMAR not in sys.modules
    if lacking:
        sys.modules[_GRAMMAR] = None  # type: ignore[assignment]  # an import of it fails at once
    try:
        import nbformat
    finally:
        if lacking:
            del sys.modules[_GRAMMAR]
    return nbformat


_HEAD = re.compile(r"^\|\s*reads\s*\|\s*writes\s*\|\s*$", re.MULTILINE)
_SECTION = re.compile(r"`([^`]+)` in `metrics\.json`")
_NAME = re.compile(r"`([^`]+)`")


@dataclass(frozen=True)
class Needs:
    """The files of the run folder that a notebook reads and writes.

    Parameters
    ----------
    reads, writes : tuple of str
        Paths inside the run folder, ``*`` for any; ``metrics.json/data`` is a section of that file.
    """

    reads: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()

    def must_follow(self, earlier: Needs) -> bool:
        """Tell whether a notebook with these needs has to wait for an earlier one's end."""
        return (
            _meet(self.reads, earlier.writes)
            or _meet(self.writes, earlier.reads)
            or _meet(self.writes, earlier.writes)
        )


EVERYTHING = Needs(("*",), ("*",))
"""Of a notebook without a table: it waits for all before it, and all after it wait for it."""


def read_needs(notebook: NotebookNode) -> Needs:
    """Read a notebook's table.

    Parameters
    ----------
    notebook : NotebookNode
        The notebook.

    Returns
    -------
    Needs
        `EVERYTHING` where there is no table.
    """
    for cell in notebook.cells:
        head = _HEAD.search(cell.source) if cell.cell_type == "markdown" else None
        if head:
            rows = [line.split("|") for line in cell.source[head.end() :].split("\n")[2:]]
            rows = [row for row in rows if len(row) == 4]
            if rows:
                reads = ", ".join(row[1] for row in rows)
                return Needs(_files(reads), _files(", ".join(row[2] for row in rows)))
    return EVERYTHING


def waits_for(steps: Sequence[Step]) -> dict[str, frozenset[str]]:
    """Return, for each step, the earlier ones that must be done before it starts.

    Parameters
    ----------
    steps : sequence of Step
        In their order.

    Returns
    -------
    dict of str to frozenset of str
        Stems by stem.
    """
    return {
        step.stem: frozenset(
            earlier.stem for earlier in steps[:number] if step.needs.must_follow(earlier.needs)
        )
        for number, step in enumerate(steps)
    }


def _files(text: str) -> tuple[str, ...]:
    sections = [f"metrics.json/{name}" for name in _SECTION.findall(text)]
    names = _NAME.findall(_SECTION.sub("", text))
    return tuple(
        "metrics.json/*" if name == "metrics.json" else name for name in (*names, *sections)
    )


def _meet(some: Sequence[str], others: Sequence[str]) -> bool:
    return any(fnmatchcase(a, b) or fnmatchcase(b, a) for a in some for b in others)


START = "00_start.ipynb"
"""The notebook that `promolab lab` opens: it lists the others and is no step of the report."""
_KERNELSPEC = {"name": "python3", "display_name": "Python 3", "language": "python"}
_WORDS = {"true": True, "false": False, "none": None, "null": None}


@dataclass(frozen=True)
class Step:
    """One notebook of the report.

    Parameters
    ----------
    stem : str
        The notebook's name without ``.ipynb``, such as ``03_segments``.
    title : str
        Its first heading, without the number.
    notebook : NotebookNode
        The notebook, as it lies in the folder.
    parameters : mapping of str to object
        Default of each parameter it declares, in order.
    page : str
        Name of the HTML page made of it.
    needs : Needs
        What it reads and writes in the run folder.
    """

    stem: str
    title: str
    notebook: NotebookNode
    parameters: Mapping[str, Any]
    page: str
    needs: Needs = EVERYTHING

    @property
    def is_report(self) -> bool:
        """Whether its page is the one that the week opens with."""
        return self.page == "index.html"


def find_notebooks() -> Path:
    """Return the folder with the report's notebooks: the checkout's, or the ones in the package.

    Returns
    -------
    Path

    Raises
    ------
    InputError
        If the installation has none.
    """
    package = Path(__file__).resolve().parents[2]
    for folder in (package / "notebooks", package.parent / "notebooks"):
        if any(folder.glob("[0-9][0-9]_*.ipynb")):
            return folder
    raise InputError(
        "this installation has no notebooks; install promolab again, or run it in a checkout"
    )


def read_steps(folder: Path) -> list[Step]:
    """Read the numbered notebooks of a folder, in the order of their names, without `START`.

    Parameters
    ----------
    folder : Path
        Holds ``01_….ipynb`` and so on; the last one is the report that people open.

    Returns
    -------
    list of Step

    Raises
    ------
    InputError
        If there are none.
    """
    nbformat = load_nbformat()
    import papermill

    logging.getLogger("papermill").setLevel(logging.ERROR)
    paths = [path for path in sorted(folder.glob("[0-9][0-9]_*.ipynb")) if path.name != START]
    if not paths:
        raise InputError(f"{folder} holds no notebook named like 01_data.ipynb")
    steps = []
    for path in paths:
        notebook = nbformat.read(path, as_version=4)
        notebook.metadata.setdefault("kernelspec", dict(_KERNELSPEC))
        # Given a path, papermill would expand braces in it.
        declared = papermill.inspect_notebook(notebook)
        page = "index.html" if path == paths[-1] else f"{path.stem}.html"
        defaults = {k: literal(p["default"], p["default"]) for k, p in declared.items()}
        title, needs = _title(notebook, path.stem), read_needs(notebook)
        steps.append(Step(path.stem, title, notebook, defaults, page, needs))
    return steps


def literal(text: str, otherwise: Any) -> Any:
    """Return what a parameter's text means, read as a literal of Python; else what is given."""
    word = text.strip().lower()
    if word in _WORDS:
        return _WORDS[word]
    try:
        return ast.literal_eval(text.strip())
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return otherwise


def _title(notebook: NotebookNode, stem: str) -> str:
    for cell in notebook.cells:
        for line in str(cell.source).splitlines() if cell.cell_type == "markdown" else ():
            if line.startswith("# "):
                number, dot, words = line[2:].partition("·")
                return (words if dot and number.strip().isdigit() else line[2:]).strip()
    return stem.partition("_")[2].replace("_", " ").capitalize()


ROOM = 4.5 * 2**30  # bytes: 1.5 that a step may take, 3 for the one that runs and all else
MEMORY_PER_BYTE = 50  # of a large shop's files: what two steps may take (the largest took 17 to 20)


def usual_workers() -> int:
    """Return how many steps run at once where nothing else is said: two, on one core one."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return min(2, cores or 1)


def has_room(shop: Path) -> bool:
    """Tell whether there is memory for a second step beside the one that runs.

    Parameters
    ----------
    shop : Path
        The week's folder of cleaned tables.
    """
    import psutil

    size = sum(file.stat().st_size for file in shop.glob("*.parquet"))
    return float(psutil.virtual_memory().available) >= ROOM + MEMORY_PER_BYTE * size


def run_steps(
    steps: Sequence[Step],
    work: Callable[[Step], None],
    *,
    workers: int,
    stop: Callable[[], None],
    room: Callable[[], bool],
) -> None:
    """Run steps, each as soon as those that it waits for are done.

    Parameters
    ----------
    steps : sequence of Step
        In their order: what can start at the same time starts in this order.
    work : callable
        Runs one step, on a thread of its own.
    workers : int
        How many may run at once.
    stop : callable
        Makes the steps that run end soon; called when one failed or the run was interrupted.
    room : callable
        Whether there is memory for one more beside one that runs.

    Raises
    ------
    BaseException
        What the first step that failed raised. What had not begun by then never begins.
    """
    needs = waits_for(steps)
    left, done = list(steps), set[str]()
    running: dict[Future[None], Step] = {}
    with ThreadPoolExecutor(workers, thread_name_prefix="step") as pool:
        try:
            while left or running:
                for step in [step for step in left if needs[step.stem] <= done]:
                    if len(running) < workers and (not running or room()):
                        left.remove(step)
                        running[pool.submit(work, step)] = step
                over, _ = wait(running, return_when=FIRST_COMPLETED)
                for future in sorted(over, key=lambda f: steps.index(running[f])):
                    done.add(running.pop(future).stem)
                    future.result()
        except BaseException:
            stop()
            raise  # once the pool's threads have come to their end
