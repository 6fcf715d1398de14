"""Make one week's report: check the call, run the notebooks, draw the pages, publish the folder."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from promolab.checks import whole_number
from promolab.compare import check_methods
from promolab.engines import scratch
from promolab.errors import InputError, PromolabError, StepError
from promolab.folder import (
    WAIT,
    ReportsFolder,
    RunFolder,
    ensure_key,
    note_drawn,
    weeks_to_draw,
    write_json,
)
from promolab.language import ENGLISH, check_language
from promolab.loop import (
    checked_ledger,
    keep_ledger,
    plan_record,
    released_plans,
    run_key,
    told_path,
)
from promolab.report.running.execute import CELL_TIMEOUT, execute
from promolab.report.running.kernel_pool import Kernels, kernels
from promolab.report.running.page import allowing
from promolab.report.running.progress import Progress, notify, say
from promolab.report.running.redaction import UNCHANGED, full_disk_said, hidden_errors
from promolab.report.running.refresh import PAGES
from promolab.report.running.run_start import Call, Request, checked_call, located
from promolab.report.running.steps import (
    Step,
    check_parameters,
    check_plan_parameters,
    check_uplift_parameters,
    find_notebooks,
    read_steps,
    run_steps,
    usual_workers,
)
from promolab.weeks import Week


@dataclass(frozen=True)
class Options:
    """How weeks are made, which changes nothing in them: as for `run_report`."""

    progress: bool | None = None
    workers: int | None = None
    wait: float = WAIT
    strict: bool = False
    ledger: str | Path | None = None


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
    ledger: str | Path | None = None,
    lang: str = ENGLISH,
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
        inside the data, or on the day after them.
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
    ledger : str or Path, optional
        The DuckDB file that remembers what each week decided and said, and what happened then; by
        default ``<out>/ledger.duckdb``. It is looked at before anything is made, and written when
        the report stands.
    lang : {"en", "zh"}
        Language of all pages, of ``summary.md``, ``one_page.png`` and of the headline numbers;
        tables and ``metrics.json`` are English in any case.

    Returns
    -------
    Path
        The report, ``<out>/<week>/index.html``; that of a released week as it was released.

    Raises
    ------
    InputError
        If the call or the data cannot be used, the reports folder or the ledger belongs to another
        shop, the ledger is damaged or newer, or the week was released with other parameters;
        nothing was written.
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
    parameters = {**(parameters or {}), **({} if lang == ENGLISH else {"lang": lang})}
    request = request_of(source, week, seed, parameters, shop_file, notebooks, timeout)
    options = Options(progress, workers, wait, strict, ledger)
    made = make_week(request, out, options, tell=True)
    draw_again(ReportsFolder(made.page.parents[1]), request, options, say)
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
    check_language(str(checked.get("lang", ENGLISH)))
    check_plan_parameters(checked)
    check_uplift_parameters(checked)
    check_methods(checked)
    where, settings = located(source, shop_file)
    return Request(where, settings, asked, seed, checked, steps, timeout)


def make_week(
    request: Request,
    out: str | Path,
    options: Options,
    *,
    tell: bool = False,
    earlier: Call | None = None,
) -> Made:
    """Make a week's report, or leave a released one as it is.

    Parameters
    ----------
    request : Request
        By `request_of`.
    out : str or Path
        The reports folder.
    options : Options
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
    wait, ledger = options.wait, options.ledger
    if options.workers is not None:
        whole_number("workers", options.workers, 1)
    with (
        hidden_errors(request.hidden),
        full_disk_said(ReportsFolder.prepared(out, request.week).path, UNCHANGED),
        Progress(len(request.steps), options.progress) as shown,
        kernels(request.steps) as kernel,  # warms up while the shop is read
    ):
        shown.begin("Reading the shop")
        reports = ReportsFolder.prepared(out)
        reports.sweep()
        scratch()  # clears the temporary folders of killed runs, whatever becomes of this one
        call = checked_call(request, present(), earlier)
        shown.end("Reading the shop", steps=0)
        ReportsFolder.prepared(out, call.week)
        begun = False
        try:
            with reports.locked(call.week, wait=wait, say=shown.say):
                reports.tidy()
                if call.files.changed():  # while another run was waited for
                    call = checked_call(request, present())
                reports.check_owner(request.written_source, call.shop)
                released_plans(reports)  # refuses one that was changed, before anything is run
                kept = checked_ledger(reports, ledger, call.shop, call.week)
                keep_ledger(reports, kept, PAGES.rows, shown.say)  # what a killed run left out
                if earlier is None and call.boxes:
                    shown.say(call.boxes)
                for sentence in ensure_key(reports):
                    shown.say(sentence)
                made = _kept(call, reports, shown)
                begun = made is None
                if made is None:
                    made = _made(call, reports, shown, kernel, options, kept.path)
                keep_ledger(reports, kept, PAGES.rows, shown.say)
        except Exception:
            if tell and begun:
                page = reports.path / "index.html"
                _tell(call.notify.on_failure, call, "failed", page, shown)
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


def _kept(call: Call, reports: ReportsFolder, shown: Progress) -> Made | None:
    """Return a week whose plan was released, as it is; None where there is nothing to keep."""
    week, state = call.week, reports.state(call.week)
    if state in (None, "draft"):
        return None
    run = reports.run(week)
    if not call.request.is_like(run.manifest, week):
        raise InputError(
            f"the plan of {week} is {state}, and was made from other parameters: it never changes."
            " Call it with the same ones, or give another --out"
        )
    shown.say(f"the plan of {week} is {state}: the report is as it was")
    return Made(call, run.path / "index.html", state)


def _made(
    call: Call,
    reports: ReportsFolder,
    shown: Progress,
    kernel: Kernels,
    options: Options,
    ledger: Path,
) -> Made:
    """Make the week; if it fails, the list of weeks says so."""
    from promolab.report.running.index import write_index

    out, week = reports.path, call.week
    if call.freshness.stale:
        shown.say(call.freshness.summary())
    try:
        if options.strict and call.freshness.stale:
            raise StepError(f"{call.freshness.summary()} --strict makes no report from them")
        _make(call, reports, shown, kernel, options.workers or usual_workers(), ledger)
    except Exception as error:
        # Where there is no report yet, wrong input leaves nothing behind that could be seen.
        seen = (out / "index.html").exists() or not isinstance(error, InputError)
        with suppress(OSError):
            reports.note_failure(week, call.shop, call.told(error, out), present())
            if seen:
                write_index(reports)
        raise
    reports.forget_failure(week)
    with full_disk_said(out, f"the report of {week} is there, but the list of weeks is not"):
        reports.note_owner(call.request.written_source, call.shop)
        note_drawn(reports, week)
        reports.point_latest()
        write_index(reports)
    return Made(call, out / str(week) / "index.html")


def _make(
    call: Call, reports: ReportsFolder, shown: Progress, kernel: Kernels, workers: int, ledger: Path
) -> None:
    """Run all steps in a staging folder and publish it."""
    inputs = {**call.fingerprints, **call.experiment}
    manifest = call.record.manifest(call.request.asked(call.week), call.shop, inputs)
    # While the staging folder stands, so that it is seen which disk is full.
    with reports.staging(call.week) as staged, full_disk_said(reports.path, UNCHANGED):
        run = RunFolder(staged, call.week)
        manifest |= {"freshness": call.freshness.to_dict()}
        manifest |= {"state": "draft", "ledger": told_path(ledger, reports.path)}
        write_json(staged / "manifest.json", manifest | {"status": "draft"})
        failed = reports.failed(call.week)
        manifest["steps"] = _run_steps(call, run, failed, shown, kernel, workers)
        manifest |= {"plan": plan_record(run), "run_key": run_key(run)}
        write_json(staged / "manifest.json", manifest | {"status": "good"})
        reports.publish(staged, call.week)


def _run_steps(
    call: Call, run: RunFolder, failed: Path, progress: Progress, kernel: Kernels, workers: int
) -> dict[str, dict[str, Any]]:
    """Run the notebooks; a page is drawn while others run."""
    staged = run.path
    seconds: dict[str, float] = {}
    pages: list[Future[tuple[Path, str]]] = []
    (staged / "notebooks").mkdir()
    with ThreadPoolExecutor(1) as drawing:

        def work(step: Step) -> None:
            begun = time.monotonic()
            notebook = _run_step(call, step, staged, failed, kernel, progress)
            seconds[step.stem] = round(time.monotonic() - begun, 3)
            pages.append(drawing.submit(_page, call, step, notebook, staged))

        run_steps(call.request.steps, work, workers=workers, stop=kernel.stop)
        for path, page in [drawn.result() for drawn in pages]:
            path.write_text(allowing(page, run.metrics), encoding="utf-8")
    noted = run.take_notes()
    return {
        step.stem: {"seconds": seconds[step.stem], **(noted.get(step.stem) or {})}
        for step in call.request.steps
    }


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


def _page(call: Call, step: Step, notebook: Any, staged: Path) -> tuple[Path, str]:
    """Keep a step's notebook, and return its page: its head waits for what later steps find."""
    import nbformat

    from promolab.report.running.page import render_page

    nbformat.write(notebook, staged / "notebooks" / f"{step.stem}.ipynb")
    page = render_page(
        notebook,
        step,
        call.request.steps,
        week=call.week,
        shop=call.shop,
        lang=call.request.language,
    )
    return staged / step.page, page


def draw_again(
    reports: ReportsFolder, request: Request, options: Options, say: Callable[[str], object]
) -> None:
    """Render the drafts whose codes are of an earlier key, each from its own parameters.

    Parameters
    ----------
    reports : ReportsFolder
        The reports folder.
    request : Request
        Another week's of the same source.
    options : Options
    say : callable
        Told which week is rendered, and why one could not be.
    """
    for week in weeks_to_draw(reports):
        if reports.state(week) != "draft":
            note_drawn(reports, week)
            continue
        say(f"rendering the draft of {week} again, with codes of the new key")
        told = reports.run(week).manifest["parameters"]
        own = ("source", "week", "seed", "shop_file")
        try:
            given = {name: value for name, value in told.items() if name not in own}
            again = replace(
                request,
                week=week,
                seed=int(told.get("seed", request.seed)),
                shop_file=told.get("shop_file"),
                parameters=check_parameters(request.steps, given),
            )
            make_week(again, reports.path, options)
        except PromolabError as error:
            say(
                f"the draft of {week} still shows codes of the earlier key: {error}; make it "
                f"again: promolab report --week {week}"
            )
