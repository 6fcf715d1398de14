"""Make one week's report: check the call, run the notebooks, draw the pages, publish the folder."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from promolab.engines import scratch
from promolab.errors import InputError, StepError
from promolab.folder import WAIT, ReportsFolder, RunFolder, ensure_key, note_drawn, write_json
from promolab.language import ENGLISH
from promolab.loop import (
    Pages,
    WeekRows,
    checked_ledger,
    keep_ledger,
    plan_record,
    released_plans,
    run_key,
    told_path,
)
from promolab.loop.monitoring import models_of
from promolab.loop.promises import past_outcomes, run_forecast
from promolab.report.running.execute import CELL_TIMEOUT, Kernels, execute, kernels
from promolab.report.running.page import render_page, write_index
from promolab.report.running.redaction import UNCHANGED, full_disk_said, hidden_errors
from promolab.report.running.run_start import Call, Request, checked_call, request_of
from promolab.report.running.steps import (
    Step,
    has_room,
    load_nbformat,
    read_steps,
    run_steps,
    usual_workers,
)
from promolab.trust import write_cards


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
    request = request_of(
        source, week, seed, parameters, shop_file, notebooks, timeout,
        out=out, progress=progress, workers=workers, wait=wait, strict=strict, ledger=ledger,
    )  # fmt: skip
    call = make_week(request, tell=True)
    return ReportsFolder(out).path / str(call.week) / "index.html"


def make_week(request: Request, *, tell: bool = False, earlier: Call | None = None) -> Call:
    """Make a week's report, or leave a released one as it is.

    Parameters
    ----------
    request : Request
        By `request_of`.
    tell : bool
        Run the commands of ``[notify]``.
    earlier : Call, optional
        That of another week made just before.

    Returns
    -------
    Call

    Raises
    ------
    InputError, StepError
        As `run_report`.
    """
    reports = ReportsFolder.prepared(request.out, request.week)
    with (
        hidden_errors(request.hidden),
        full_disk_said(reports.path, UNCHANGED),
        closing(Progress(len(request.steps), request.progress)) as shown,
        kernels(request.steps) as kernel,  # warms up while the shop is read
    ):
        reports.sweep()
        scratch()  # clears the temporary folders of killed runs, whatever becomes of this one
        with shown.during("Reading the shop", steps=0):
            call = checked_call(request, present(), earlier)
        ReportsFolder.prepared(request.out, call.week)
        begun, page = False, reports.path / str(call.week) / "index.html"
        try:
            with reports.locked(call.week, wait=request.wait, say=say):
                reports.tidy()
                if call.files.changed():  # while another run was waited for
                    call = checked_call(request, present())
                reports.check_owner(request.written_source, call.shop)
                released_plans(reports)  # refuses one that was changed, before anything is run
                kept = checked_ledger(reports, request.ledger, call.shop, call.week)
                keep_ledger(reports, kept, PAGES.rows, say)  # what a killed run left out
                if earlier is None and call.boxes:
                    say(call.boxes)
                for sentence in ensure_key(reports):
                    say(sentence)
                begun = not _is_released(call, reports)
                if begun:
                    _make_or_note(call, reports, shown, kernel, kept.path)
                keep_ledger(reports, kept, PAGES.rows, say)
        except Exception:
            if tell and begun:
                notify(call.notify.on_failure, call.week, "failed", reports.path / "index.html")
            raise
        if tell and begun:
            status = "degraded" if call.freshness.stale else "good"
            notify(call.notify.on_success, call.week, status, page)
    return call


def present() -> datetime:
    """Return the present, UTC without a zone."""
    return datetime.now(UTC).replace(tzinfo=None)


def _is_released(call: Call, reports: ReportsFolder) -> bool:
    """Tell whether the week's plan was released: it is left as it is, asked for in the same way."""
    week, state = call.week, reports.state(call.week)
    if state in (None, "draft"):
        return False
    if not call.request.is_like(reports.run(week).manifest, week):
        raise InputError(
            f"the plan of {week} is {state}, and was made from other parameters: it never changes."
            " Call it with the same ones, or give another --out"
        )
    say(f"the plan of {week} is {state}: the report is as it was")
    return True


def _make_or_note(
    call: Call, reports: ReportsFolder, shown: Progress, kernel: Kernels, ledger: Path
) -> None:
    """Make the week; if it fails, the list of weeks says so."""
    out, week = reports.path, call.week
    if call.freshness.stale:
        say(call.freshness.summary())
    try:
        if call.request.strict and call.freshness.stale:
            raise StepError(f"{call.freshness.summary()} --strict makes no report from them")
        _make(call, reports, shown, kernel, ledger)
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


def _make(
    call: Call, reports: ReportsFolder, shown: Progress, kernel: Kernels, ledger: Path
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
        manifest["steps"] = _run_steps(call, run, reports.failed(call.week), shown, kernel)
        manifest |= {"plan": plan_record(run), "run_key": run_key(run)}
        write_json(staged / "manifest.json", manifest | {"status": "good"})
        write_cards(run)
        asked = staged / "assistant.json"
        if asked.exists() and (why := json.loads(asked.read_text(encoding="utf-8"))["reason"]):
            say(f"what the language model wrote was not used: {why}")
        reports.publish(staged, call.week)


def _run_steps(
    call: Call, run: RunFolder, failed: Path, shown: Progress, kernel: Kernels
) -> dict[str, dict[str, Any]]:
    """Run the notebooks; a page is drawn while others run."""
    steps, told = call.request.steps, {"shop": call.shop, "lang": call.request.language}
    seconds: dict[str, float] = {}
    pages: list[Future[None]] = []
    (run.path / "notebooks").mkdir()

    def work(step: Step) -> None:
        begun = time.monotonic()
        try:
            with shown.during(step.title, f"{step.stem}: {step.title}"):
                notebook = execute(
                    step,
                    call.parameters_of(step),
                    kernel=kernel,
                    folder=run.path,
                    failed=failed / f"{step.stem}.ipynb",
                    timeout=call.request.timeout,
                    shown=call.shown_paths(),
                    hidden=call.request.hidden,
                )
        finally:
            if {"source", "experiment"} & set(step.parameters) and not kernel.stopped:
                call.files.check()  # and if it failed, this is why
        seconds[step.stem] = round(time.monotonic() - begun, 3)
        pages.append(drawing.submit(_write_page, run, step, steps, notebook, **told))

    with ThreadPoolExecutor(1) as drawing:
        workers = call.request.workers or usual_workers()
        room = partial(has_room, run.path / "shop")
        run_steps(steps, work, workers=workers, stop=kernel.stop, room=room)
        for drawn in pages:
            drawn.result()
    noted = run.take_notes()
    return {
        step.stem: {"seconds": seconds[step.stem], **(noted.get(step.stem) or {})} for step in steps
    }


def _write_page(
    run: RunFolder, step: Step, steps: Sequence[Step], notebook: Any, *, shop: str, lang: str
) -> None:
    """Keep a step's notebook as it ran, and write its page."""
    import nbformat

    nbformat.write(notebook, run.path / "notebooks" / f"{step.stem}.ipynb")
    page = render_page(notebook, step, steps, week=run.week, shop=shop, lang=lang)
    (run.path / step.page).write_text(page, encoding="utf-8")


_PLAN = "tables/planned.parquet"


def _redraw(run: RunFolder, note: str) -> None:
    """Run the notebooks that read the plan again, and note on its own page what came after it."""
    nbformat = load_nbformat()
    folder, manifest, notebooks = run.path, run.manifest, run.path / "notebooks"
    if not any(notebooks.glob("[0-9][0-9]_*.ipynb")):
        return
    steps = read_steps(notebooks)
    own = [step for step in steps if _PLAN in step.needs.writes]
    told = {**manifest.get("parameters", {}), "week": str(run.week), "folder": "."}
    for step in steps[steps.index(own[0]) :] if own else ():
        if step in own:
            made = step.notebook
            cell = nbformat.v4.new_markdown_cell(f"**{note}** The counts below are the draft's.")
            cell["id"] = "released-without"
            made.cells.insert(1, cell)
        else:
            parameters = {n: told[n] for n in step.parameters if told.get(n) is not None}
            failed = run.reports.failed(run.week) / f"{step.stem}.ipynb"
            with kernels() as kernel:
                made = execute(
                    step, parameters, kernel=kernel, folder=folder, failed=failed,
                    timeout=CELL_TIMEOUT, shown={}, hidden={},
                )  # fmt: skip
        shop = str(manifest.get("shop", ""))
        _write_page(run, step, steps, made, shop=shop, lang=run.language)


PAGES = Pages(_redraw, write_index, WeekRows(run_forecast, models_of, past_outcomes), write_cards)
"""The pages of this room, for what releases, reads back and closes a week."""


# What a run tells: the terminal while it goes on, and a command of the shop's when it is over.

TIME_LIMIT = 60.0  # seconds that a command may take


def notify(command: Sequence[str], week: object, status: str, page: Path) -> None:
    """Run a command with the week, the status and the report's path behind its own arguments.

    No shell reads any of it. What it prints goes nowhere; it has nothing to read.

    Parameters
    ----------
    command : sequence of str
        Program and arguments; nothing is run if it is empty.
    week : Week or str
    status : str
        ``good``, ``degraded`` or ``failed``.
    page : Path
        The report; of a failed week the list of all weeks.
    """
    call = [*command, str(week), status, str(page)]
    nothing: Any = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.DEVNULL)
    try:
        code = subprocess.run(call, timeout=TIME_LIMIT, **nothing).returncode if command else 0
        why = f"it ended with {code}" if code else ""
    except subprocess.TimeoutExpired:
        why = f"it took more than {TIME_LIMIT:g} seconds"
    except (OSError, ValueError) as error:
        why = str(error)
    if why:
        say(f"the command {command[0]!r} of [notify] failed ({why}); nobody was told of {week}")


def say(sentence: str) -> None:
    """Write a sentence on stderr, above a progress bar where there is one."""
    from tqdm import tqdm

    tqdm.write(f"promolab: {sentence}", file=sys.stderr)


class Progress:
    """A progress bar over steps, two of which may run at once; a line a step where none is drawn.

    Parameters
    ----------
    total : int
        How many steps there are.
    show : bool, optional
        Whether to draw; by default only where stderr is a terminal. Lines are written where it is
        none, and nothing at all where this is False.
    """

    def __init__(self, total: int, show: bool | None = None) -> None:
        from tqdm import tqdm

        disable = None if show is None else not show  # None: where stderr is no terminal
        form = "{desc}: {n_fmt}/{total_fmt} |{bar}| {elapsed}"
        self._bar: Any = tqdm(total=total, bar_format=form, disable=disable, leave=False)
        self._lines = show is None and self._bar.disable
        self._running, self._numbers = list[str](), itertools.count(1)

    def close(self) -> None:
        """Take the bar away."""
        self._bar.close()

    @contextmanager
    def during(self, title: str, line: str = "", *, steps: int = 1) -> Iterator[None]:
        """Show that something runs, and then that so many steps more are done.

        Parameters
        ----------
        title : str
            Beside the bar.
        line : str
            In its place, where none is drawn.
        steps : int
        """
        if self._lines and line:
            say(f"{line} ({next(self._numbers)} of {self._bar.total})")
        self._running.append(title)
        self._bar.set_description_str(", ".join(self._running))
        try:
            yield
        finally:
            self._running.remove(title)
            self._bar.update(steps)
            self._bar.set_description_str(", ".join(self._running))
