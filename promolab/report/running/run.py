"""Make one week's report: check the call, run the notebooks, draw the pages, publish the folder."""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from promolab.checks import whole_number
from promolab.compare import check_methods
from promolab.engines import scratch
from promolab.errors import InputError, StepError
from promolab.folder import (
    FAILED,
    METRICS_LOCK,
    STEPS_FOLDER,
    WAIT,
    check_owner,
    closed_weeks,
    forget_failure,
    good_weeks,
    locked,
    manifest_of,
    note_failure,
    point_latest,
    prepare,
    publish,
    read_json,
    staging,
    sweep,
    tidy,
    write_json,
)
from promolab.loop import plan_record, released_plans, state_of
from promolab.report.running.call import Call, Request, checked_call, located
from promolab.report.running.execute import Kernels, execute, kernels
from promolab.report.running.failures import UNCHANGED, full_disk_said
from promolab.report.running.notify import notify
from promolab.report.running.parameters import (
    Step,
    check_parameters,
    check_plan_parameters,
    check_uplift_parameters,
    find_notebooks,
    read_steps,
    run_steps,
    usual_workers,
)
from promolab.report.running.progress import Progress, say
from promolab.report.running.redraw import draw_again, drawn, renew_key
from promolab.report.running.shown import hidden_errors
from promolab.weeks import Week

__all__ = ["CELL_TIMEOUT", "Made", "make_week", "present", "request_of", "run_report"]

CELL_TIMEOUT = 1800  # seconds; a cell that takes longer hangs


@dataclass(frozen=True)
class Made:
    """A week that stands.

    Parameters
    ----------
    call : Call
        What it was asked for.
    page : Path
        The report.
    kept : str, optional
        The state of its plan, where that is why nothing was made: the week was released.
    """

    call: Call
    page: Path
    kept: str | None = None


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
    wait: float = WAIT,
    strict: bool = False,
) -> Path:
    """Render the campaign report of one week.

    The week appears in the reports folder whole or not at all: a run that fails or is killed leaves
    what was there.

    Parameters
    ----------
    source : str or Path
        A built-in source's name, or the path of a shop's tables.
    week : str, optional
        ISO week such as ``2017-W44``; by default the current one of a live source (its data reach
        into the last 14 days), else the one in the shop's settings, else the last week that begins
        inside the data.
    out : str or Path
        The reports folder; the week gets a folder of its own in it.
    seed : int
        Seed of everything random.
    parameters : mapping of str to object, optional
        Further parameters of the notebooks, by name.
    progress : bool, optional
        A progress bar on stderr; by default only where that is a terminal, elsewhere a line a step.
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
    strict : bool
        Make nothing, and fail, where the data are stale.

    Returns
    -------
    Path
        The report, ``<out>/<week>/index.html``; that of a released week as it was released.

    Raises
    ------
    InputError
        If the call or the data cannot be used, the reports folder belongs to another shop, or the
        week was released with other parameters; nothing was written.
    StepError
        If a notebook failed (the message names the file with its traceback), the disk is full,
        another run holds the reports folder all the while, or ``strict`` and the data are stale.

    Examples
    --------
    >>> run_report(week="2017-W99")
    Traceback (most recent call last):
    ...
    promolab.errors.InputError: there is no week 2017-W99; the year 2017 has the weeks 01 to 52
    """
    request = request_of(source, week, seed, parameters, shop_file, notebooks, timeout)
    options: dict[str, Any] = {
        "progress": progress,
        "workers": workers,
        "wait": wait,
        "strict": strict,
    }
    made = make_week(request, out, tell=True, **options)
    draw_again(made.page.parents[1], request, lambda draft: make_week(draft, out, **options), say)
    return made.page


def request_of(
    source: str | Path,
    week: str | None,
    seed: int,
    parameters: Mapping[str, Any] | None,
    shop_file: str | Path | None,
    notebooks: str | Path | None = None,
    timeout: int = CELL_TIMEOUT,
) -> Request:
    """Return what is asked for, checked as far as that needs no look at the shop.

    Raises
    ------
    InputError
        If it is wrong; the arguments are those of `run_report`.
    """
    asked = None if week is None else Week.parse(str(week))
    whole_number("seed", seed, 0, 2**32 - 1)
    steps = read_steps(Path(notebooks) if notebooks else find_notebooks())
    checked = check_parameters(steps, parameters or {})
    check_plan_parameters(checked)
    check_uplift_parameters(checked)
    check_methods(checked)
    where, settings = located(source, shop_file)
    return Request(where, settings, asked, seed, checked, steps, timeout)


def make_week(
    request: Request,
    out: str | Path,
    *,
    progress: bool | None = None,
    workers: int | None = None,
    wait: float = WAIT,
    strict: bool = False,
    tell: bool = False,
    earlier: Call | None = None,
) -> Made:
    """Make a week's report, or leave a released one as it is.

    Parameters
    ----------
    request : Request
        By `request_of`.
    out, progress, workers, wait, strict
        As for `run_report`.
    tell : bool
        Run the commands of ``[notify]``.
    earlier : Call, optional
        That of another week made just before.

    Returns
    -------
    Made

    Raises
    ------
    InputError, StepError
        As `run_report`.
    """
    if workers is not None:
        whole_number("workers", workers, 1)
    with (
        hidden_errors(request.hidden),
        full_disk_said(prepare(out, request.week), UNCHANGED),
        Progress(len(request.steps), progress) as shown,
        kernels(request.steps) as kernel,  # warms up while the shop is read
    ):
        shown.begin("Reading the shop")
        folder = prepare(out)
        sweep(folder)
        scratch()  # clears the temporary folders of killed runs, whatever becomes of this one
        closed = closed_weeks(folder)
        call = checked_call(request, present(), closed, earlier)
        shown.end("Reading the shop", steps=0)
        prepare(out, call.week)
        begun = False
        try:
            with locked(folder, call.week, wait=wait, say=shown.say):
                tidy(folder)
                if call.files.changed():  # while another run was waited for
                    call = checked_call(request, present(), closed)
                check_owner(folder, request.written_source, call.shop)
                released_plans(folder)  # refuses one that was changed, before anything is run
                for sentence in call.late if earlier is None else ():
                    shown.say(sentence)
                for sentence in renew_key(folder, call.fingerprints):
                    shown.say(sentence)
                made = _kept(call, folder, shown)
                begun = made is None
                if made is None:
                    made = _made(call, folder, shown, kernel, workers or usual_workers(), strict)
        except Exception:
            if tell and begun:
                _tell(call.notify.on_failure, call, "failed", folder / "index.html", shown)
            raise
        if tell and begun:
            status = "degraded" if call.freshness.stale else "good"
            _tell(call.notify.on_success, call, status, made.page, shown)
    return made


def present() -> datetime:
    """Return the present, UTC without a zone."""
    return datetime.now(UTC).replace(tzinfo=None)


def _tell(command: Any, call: Call, status: str, page: Path, shown: Progress) -> None:
    sentence = notify(command, str(call.week), status, page)
    if sentence is not None:
        shown.say(sentence)


def _kept(call: Call, out: Path, shown: Progress) -> Made | None:
    """Return a week whose plan was released, as it is; None where there is nothing to keep."""
    week = call.week
    if week not in good_weeks(out):
        return None
    manifest = read_json(out / str(week) / "manifest.json")
    state = state_of(manifest)
    if state == "draft":
        return None
    if not call.request.is_like(manifest, week):
        raise InputError(
            f"the plan of {week} is {state}, and was made from other parameters: it never changes."
            " Call it with the same ones, or give another --out"
        )
    shown.say(f"the plan of {week} is {state}: the report is as it was")
    return Made(call, out / str(week) / "index.html", state)


def _made(
    call: Call, out: Path, shown: Progress, kernel: Kernels, workers: int, strict: bool
) -> Made:
    """Make the week; if it fails, the list of weeks says so."""
    from promolab.report.running.index import write_index

    if call.freshness.stale:
        shown.say(call.freshness.summary())
    try:
        if strict and call.freshness.stale:
            raise StepError(f"{call.freshness.summary()} --strict makes no report from them")
        _make(call, out, shown, kernel, workers)
    except Exception as error:
        # Where there is no report yet, wrong input leaves nothing behind that could be seen.
        seen = (out / "index.html").exists() or not isinstance(error, InputError)
        with suppress(OSError):
            note_failure(out, call.week, call.shop, call.told(error, out), present())
            if seen:
                write_index(out)
        raise
    forget_failure(out, call.week)
    with full_disk_said(out, f"the report of {call.week} is there, but the list of weeks is not"):
        write_json(out / "source.json", {"source": call.request.written_source, "name": call.shop})
        drawn(out, call.week)
        point_latest(out)
        write_index(out)
    return Made(call, out / str(call.week) / "index.html")


def _make(call: Call, out: Path, progress: Progress, kernel: Kernels, workers: int) -> None:
    """Run all steps in a staging folder and publish it."""
    started = datetime.now(UTC)
    # While the staging folder stands, so that it is seen which disk is full.
    with staging(out, call.week) as staged, full_disk_said(out, UNCHANGED):
        asked = call.request.asked(call.week)
        inputs = {**call.fingerprints, **call.experiment}
        manifest = manifest_of(asked, call.shop, inputs, started)
        manifest |= {"freshness": call.freshness.to_dict(), "late_rows": list(call.late)}
        manifest |= call.record.to_manifest() | {"state": "draft"}
        write_json(staged / "manifest.json", manifest | {"status": "draft"})
        failed = out / FAILED / str(call.week)
        manifest["steps"] = _run_steps(call, staged, failed, progress, kernel, workers)
        manifest["plan"] = plan_record(staged, call.week, out)
        write_json(staged / "manifest.json", manifest | {"status": "good"})
        publish(staged, out / str(call.week))


def _run_steps(
    call: Call, staged: Path, failed: Path, progress: Progress, kernel: Kernels, workers: int
) -> dict[str, dict[str, Any]]:
    """Run the notebooks; a page is drawn while others run."""
    seconds: dict[str, float] = {}
    pages: list[Future[None]] = []
    (staged / "notebooks").mkdir()
    with ThreadPoolExecutor(1) as drawing:

        def work(step: Step) -> None:
            begun = time.monotonic()
            notebook = _run_step(call, step, staged, failed, kernel, progress)
            seconds[step.stem] = round(time.monotonic() - begun, 3)
            pages.append(drawing.submit(_write_page, call, step, notebook, staged))

        run_steps(call.request.steps, work, workers=workers, stop=kernel.stop)
        for page in pages:
            page.result()
    notes: dict[str, dict[str, Any]] = {}
    for step in call.request.steps:
        noted = read_json(staged / STEPS_FOLDER / f"{step.stem}.json") or {}
        notes[step.stem] = {"seconds": seconds[step.stem], **noted}
    shutil.rmtree(staged / STEPS_FOLDER, ignore_errors=True)
    (staged / METRICS_LOCK).unlink(missing_ok=True)
    return notes


def _run_step(
    call: Call, step: Step, staged: Path, failed: Path, kernel: Kernels, progress: Progress
) -> Any:
    progress.line(f"{step.stem}: {step.title}")
    progress.begin(step.title)
    try:
        return execute(
            step,
            call.parameters_of(step),
            kernel=kernel,
            folder=staged,
            failed=failed / f"{step.stem}.ipynb",
            timeout=call.request.timeout,
            shown=call.shown_paths(),
            hidden=call.request.hidden,
            on_cell=lambda cell, of: progress.begin(step.title, f"cell {cell} of {of}"),
        )
    finally:
        if {"source", "experiment"} & set(step.parameters) and not kernel.stopped:
            call.files.check()  # and if it failed, this is why
        progress.end(step.title)


def _write_page(call: Call, step: Step, notebook: Any, staged: Path) -> None:
    import nbformat

    from promolab.report.running.render import render_page

    nbformat.write(notebook, staged / "notebooks" / f"{step.stem}.ipynb")
    page = render_page(notebook, step, call.request.steps, week=call.week, shop=call.shop)
    (staged / step.page).write_text(page, encoding="utf-8")
