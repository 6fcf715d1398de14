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
from contextlib import suppress
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any

from promolab.checks import whole_number
from promolab.errors import InputError, nearest

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


# These have an argument of their own, so that a week or a source is never said twice.
_OWN_OPTION = {
    "source": "--source",
    "week": "--week",
    "seed": "--seed",
    "shop_file": "--shop",
    "folder": "--out",
}
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
        defaults = {k: _literal(p["default"], p["default"]) for k, p in declared.items()}
        title, needs = _title(notebook, path.stem), read_needs(notebook)
        steps.append(Step(path.stem, title, notebook, defaults, page, needs))
    return steps


def check_parameters(steps: Sequence[Step], given: Mapping[str, Any]) -> dict[str, Any]:
    """Check parameters against what the notebooks declare.

    Parameters
    ----------
    steps : sequence of Step
        The notebooks.
    given : mapping of str to object
        Values by name; a text is read as a Python literal where the default is not a text.

    Returns
    -------
    dict of str to object
        The values, in the types of the defaults; of the files ``experiment`` and ``constraints``
        the whole path.

    Raises
    ------
    InputError
        If no notebook knows a name (the nearest is given), or a value has another type than the
        default's.
    """
    known: dict[str, Any] = {}
    for step in steps:
        for name, default in step.parameters.items():
            known.setdefault(name, default)
    free = [name for name in known if name not in _OWN_OPTION]
    checked = {}
    for name, value in given.items():
        if name in _OWN_OPTION:
            raise InputError(f"{name} is not set with -p; use {_OWN_OPTION[name]}")
        if name not in known:
            raise InputError(f"no notebook has a parameter {name!r}; {nearest(name, free)}")
        checked[name] = _converted(name, value, known[name])
    return {name: _found(name, value) for name, value in checked.items()}


def check_plan_parameters(parameters: Mapping[str, Any]) -> None:
    """Refuse shares, sizes and a budget that no plan can have, before anything is run.

    Raises
    ------
    InputError
        If one is out of its range, or there is no such file of limits.
    """
    from promolab.campaign.plan import share_of
    from promolab.contract import budget_of

    for name, none_too in (("holdout", False), ("standing_holdout", True)):
        if name in parameters:
            share_of(name, parameters[name], none_too=none_too)
    for name in ("lead_days", "list_size"):
        if name in parameters:
            whole_number(name, parameters[name], 0)
    budget_of(parameters.get("budget"))
    limits = str(parameters.get("constraints") or "")
    if limits and not Path(limits).is_file():
        raise InputError(
            f"constraints = {limits!r}: there is no such file; give a csv file with the columns "
            "scope, unit, min, max"
        )


def check_uplift_parameters(parameters: Mapping[str, Any]) -> None:
    """Refuse what no effects can be learned with, before anything is run.

    Raises
    ------
    InputError
        If there is no such kind, learner or file, or columns are named without a file.
    """
    from promolab.sources import HILLSTROM

    if "horizon_days" in parameters:
        whole_number("horizon_days", parameters["horizon_days"], 0)
    if {"kind", "learner"} & set(parameters):
        from promolab.effects import UpliftModel

        UpliftModel(parameters.get("kind", "dr"), parameters.get("learner") or None)
    experiment = str(parameters.get("experiment") or "")
    if experiment not in ("", HILLSTROM) and not Path(experiment).is_file():
        raise InputError(
            f"experiment = {experiment!r}: there is no such file; give a csv, Excel or parquet "
            f"file of decisions, or {HILLSTROM}"
        )
    columns = ("arm", "outcomes", "customer", "propensity", "covariates")
    if not experiment and set(columns) & set(parameters):
        from promolab.campaign.readout import check_no_columns

        check_no_columns({name: str(parameters.get(name) or "") for name in columns})


def _found(name: str, value: Any) -> Any:
    """Return a file's whole path: notebooks run in a folder of their own."""
    if name not in ("experiment", "constraints") or not value:
        return value
    path = Path(value).expanduser()
    return str(path.absolute()) if path.is_file() else value


def _converted(name: str, value: Any, default: Any) -> Any:
    if isinstance(default, str):
        if isinstance(value, str):
            return value
    else:
        value = _literal(value, value) if isinstance(value, str) else value
        if default is None or type(value) is type(default):
            return value
        if isinstance(default, float) and type(value) is int:
            return float(value)
        if isinstance(default, (list, tuple)) and isinstance(value, (list, tuple)):
            return type(default)(value)
    raise InputError(
        f"parameter {name} = {value!r} is of type {type(value).__name__}, "
        f"must be of type {type(default).__name__} like its default {default!r}"
    )


def _literal(text: str, otherwise: Any) -> Any:
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
_CGROUP = Path("/sys/fs/cgroup")


def usual_workers() -> int:
    """Return how many steps run at once where nothing else is said: two, on one core one."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return min(2, cores or 1)


def has_room() -> bool:
    """Tell whether there is memory for a second step beside the one that runs."""
    return available_memory() >= ROOM


def available_memory() -> float:
    """Return how many bytes may still be taken without swapping.

    That is what the system says it has, or what the container has left of its limit, whichever is
    less.
    """
    import psutil

    return min(float(psutil.virtual_memory().available), _of_the_container(_CGROUP))


def _of_the_container(folder: Path) -> float:
    for limit, used, reclaimed in (
        ("memory.max", "memory.current", "inactive_file"),
        ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes", "total_inactive_file"),
    ):
        with suppress(OSError, ValueError):  # "max" is no number: there is no limit
            left = float((folder / limit).read_text()) - float((folder / used).read_text())
            lines = (folder / limit).with_name("memory.stat").read_text().splitlines()
            counts = dict(line.split(maxsplit=1) for line in lines)
            return left + float(counts.get(reclaimed, 0))
    return float("inf")


def run_steps(
    steps: Sequence[Step],
    work: Callable[[Step], None],
    *,
    workers: int,
    stop: Callable[[], None],
    room: Callable[[], bool] = has_room,
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
                for step in _ready(left, needs, done):
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


def _ready(left: Sequence[Step], needs: Mapping[str, frozenset[str]], done: set[str]) -> list[Step]:
    return [step for step in left if needs[step.stem] <= done]
