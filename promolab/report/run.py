"""Make one week's report: check the call, run the notebooks, draw the pages, publish the folder."""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from promolab.errors import DataError, InputError, PromolabError
from promolab.report import publish
from promolab.report.artifacts import (
    METRICS_LOCK,
    STEPS_FOLDER,
    ensure_key,
    read_json,
    write_json,
)
from promolab.report.execute import Kernels, execute, kernels
from promolab.report.failures import (
    UNCHANGED,
    full_disk_said,
    lost_connection_error,
    says_lost,
)
from promolab.report.inputs import InputFiles
from promolab.report.manifest import manifest_of
from promolab.report.parameters import Step, check_parameters, find_notebooks, read_steps
from promolab.report.progress import Progress
from promolab.report.schedule_steps import run_steps, usual_workers
from promolab.report.shown import hidden_errors, hidden_in, shown_source, telling
from promolab.weeks import Week

if TYPE_CHECKING:
    from promolab.contract import Shop

__all__ = ["run_report"]

CELL_TIMEOUT = 1800  # seconds; a cell that takes longer hangs


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
    files: InputFiles
    timeout: int

    @property
    def written_source(self) -> str:
        """The source as the manifest names it: of a warehouse, not who logs in to it."""
        from promolab.sources.warehouse import is_url, shown

        return shown(self.source) if is_url(self.source) else self.source

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
        """Return this machine's paths, and secrets, and what pages show in their place."""
        settings = shown_source(self.shop_file) if self.shop_file else {}
        return {**settings, **shown_source(self.source), **telling(self.hidden, self.source)}

    @property
    def hidden(self) -> dict[str, str]:
        """Return the values of the environment that the source names, and what stands for them."""
        return hidden_in(self.source)


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
    workers: int | None = None,
    wait: float = publish.WAIT,
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
    workers : int, optional
        How many notebooks run at once, of those that do not wait for each other; by default two
        where there are two cores. A second one starts only if there is memory for it. The report
        is the same to the byte.
    wait : float
        Seconds to wait for another run that writes into the reports folder; 0 does not wait.

    Returns
    -------
    Path
        The report, ``<out>/<week>/index.html``.

    Raises
    ------
    InputError
        If the call or the data cannot be used; nothing was written.
    StepError
        If a notebook failed (the message names the file with its traceback), the disk is full, or
        another run holds the reports folder all the while.

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
    if workers is not None and (isinstance(workers, bool) or workers < 1):
        raise InputError(f"workers = {workers!r}, must be a whole number from 1 on")
    steps = read_steps(Path(notebooks) if notebooks else find_notebooks())
    checked = check_parameters(steps, parameters or {})
    source, settings_file = _located(source, shop_file)
    with (
        hidden_errors(hidden_in(source)),
        full_disk_said(publish.prepare(out, asked), UNCHANGED),
        Progress(len(steps), progress) as shown,
    ):
        shown.begin("Reading the shop")
        call = _checked_call(source, settings_file, asked, seed, checked, steps, timeout)
        shown.end("Reading the shop", steps=0)
        folder = publish.prepare(out, call.week)
        with publish.locked(folder, call.week, wait=wait, say=shown.say):
            publish.tidy(folder)
            if call.files.changed():  # while another run was waited for
                call = _checked_call(source, settings_file, asked, seed, checked, steps, timeout)
            ensure_key(folder, call.fingerprints)
            _make(call, folder, shown, workers or usual_workers())
    return folder / str(call.week) / "index.html"


def _checked_call(
    source: str,
    shop_file: str | None,
    asked: Week | None,
    seed: int,
    parameters: Mapping[str, Any],
    steps: Sequence[Step],
    timeout: int,
) -> _Call:
    """Look at the shop; its tables do not outlive this, so that the kernels have the memory."""
    before = InputFiles.under(source)
    try:
        shop = _usable_shop(source, shop_file, parameters.get("threads"))
        files = before.only(shop.files)
        week, fingerprints = _week_inside(shop, asked), dict(shop.fingerprints)
    except Exception as error:
        before.check()  # and if one changed, this is why
        if not isinstance(error, PromolabError) and says_lost(str(error)):
            raise lost_connection_error(str(error)) from error
        raise
    files.check()
    return _Call(
        source=source,
        shop_file=shop_file,
        week=week,
        seed=seed,
        parameters=parameters,
        steps=steps,
        shop=shop.settings.name,
        fingerprints=fingerprints,
        files=files,
        timeout=timeout,
    )


def _located(source: str | Path, shop_file: str | Path | None) -> tuple[str, str | None]:
    """Return source and settings file as the notebooks need them, which run in another folder."""
    if shop_file is not None and not Path(shop_file).expanduser().is_file():
        raise InputError(f"--shop {shop_file}: there is no such file")
    settings = None if shop_file is None else str(Path(shop_file).expanduser().absolute())
    from promolab.sources import BUILT_IN
    from promolab.sources.warehouse import is_url

    if is_url(str(source)):
        scheme, _, rest = str(source).partition("://")
        is_file = scheme.lower() == "duckdb" and not rest.startswith(("/", "~", "$"))
        return (f"{scheme}://{Path(rest).absolute()}" if is_file else str(source)), settings
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


def _make(call: _Call, out: Path, progress: Progress, workers: int) -> None:
    """Run all steps in a staging folder and publish it."""
    started = datetime.now(UTC)
    # While the staging folder stands, so that it is seen which disk is full.
    with publish.staging(out, call.week) as staged, full_disk_said(out, UNCHANGED):
        asked = {"source": call.written_source, "week": str(call.week), "seed": call.seed}
        asked |= {"shop_file": call.shop_file, **call.parameters}
        manifest = manifest_of(asked, call.shop, call.fingerprints, started)
        write_json(staged / "manifest.json", manifest | {"status": "draft"})
        failed = out / ".failed" / str(call.week)
        manifest["steps"] = _run_steps(call, staged, failed, progress, workers)
        write_json(staged / "manifest.json", manifest | {"status": "good"})
        publish.publish(staged, out / str(call.week))
    shutil.rmtree(out / ".failed" / str(call.week), ignore_errors=True)
    with suppress(OSError):  # another week's lies there
        (out / ".failed").rmdir()
    with full_disk_said(out, f"the report of {call.week} is there, but the list of weeks is not"):
        write_json(out / "source.json", {"source": call.written_source, "name": call.shop})
        publish.point_latest(out)
        from promolab.report.index import write_index

        write_index(out)


def _run_steps(
    call: _Call, staged: Path, failed: Path, progress: Progress, workers: int
) -> dict[str, dict[str, Any]]:
    """Run the notebooks; a page is drawn while others run."""
    seconds: dict[str, float] = {}
    pages: list[Future[None]] = []
    (staged / "notebooks").mkdir()
    with kernels() as kernel, ThreadPoolExecutor(1) as drawing:

        def work(step: Step) -> None:
            begun = time.monotonic()
            notebook = _run_step(call, step, staged, failed, kernel, progress)
            seconds[step.stem] = round(time.monotonic() - begun, 3)
            pages.append(drawing.submit(_write_page, call, step, notebook, staged))

        run_steps(call.steps, work, workers=workers, stop=kernel.stop)
        for page in pages:
            page.result()
    notes: dict[str, dict[str, Any]] = {}
    for step in call.steps:
        noted = read_json(staged / STEPS_FOLDER / f"{step.stem}.json") or {}
        notes[step.stem] = {"seconds": seconds[step.stem], **noted}
    shutil.rmtree(staged / STEPS_FOLDER, ignore_errors=True)
    (staged / METRICS_LOCK).unlink(missing_ok=True)
    return notes


def _run_step(
    call: _Call, step: Step, staged: Path, failed: Path, kernel: Kernels, progress: Progress
) -> Any:
    progress.begin(step.title)
    try:
        return execute(
            step,
            call.parameters_of(step),
            kernel=kernel,
            folder=staged,
            failed=failed / f"{step.stem}.ipynb",
            timeout=call.timeout,
            shown=call.shown_paths(),
            hidden=call.hidden,
            on_cell=lambda cell, of: progress.begin(step.title, f"cell {cell} of {of}"),
        )
    finally:
        if "source" in step.parameters and not kernel.stopped:
            call.files.check()  # and if it failed, this is why
        progress.end(step.title)


def _write_page(call: _Call, step: Step, notebook: Any, staged: Path) -> None:
    import nbformat

    from promolab.report.render import render_page

    nbformat.write(notebook, staged / "notebooks" / f"{step.stem}.ipynb")
    page = render_page(notebook, step, call.steps, week=call.week, shop=call.shop)
    (staged / step.page).write_text(page, encoding="utf-8")
