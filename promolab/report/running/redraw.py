"""Pages drawn again: of drafts with codes of an earlier key, of plans cut at their release."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from promolab.errors import PromolabError
from promolab.folder import ReportsFolder, RunFolder, note_drawn, weeks_to_draw
from promolab.loop import Pages
from promolab.report.running.document import allowing
from promolab.report.running.execute import CELL_TIMEOUT, execute, kernels
from promolab.report.running.index import write_index
from promolab.report.running.notebook_format import load_nbformat
from promolab.report.running.parameters import check_parameters, read_steps
from promolab.report.running.render import render_page
from promolab.weeks import Week

if TYPE_CHECKING:
    from promolab.report.running.call import Request


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
            with kernels() as kernel:
                made = execute(
                    step,
                    parameters,
                    kernel=kernel,
                    folder=folder,
                    failed=run.reports.failed(run.week) / f"{step.stem}.ipynb",
                    timeout=CELL_TIMEOUT,
                    shown={},
                )
        nbformat.write(made, notebooks / f"{step.stem}.ipynb")
        shop, lang = str(manifest.get("shop", "")), run.language
        page = render_page(made, step, steps, week=run.week, shop=shop, lang=lang)
        (folder / step.page).write_text(allowing(page, run.metrics), encoding="utf-8")
        (folder / step.page).with_suffix(".pdf").unlink(missing_ok=True)  # of the page before


PAGES = Pages(_redraw, write_index)
"""The pages of this room, for what releases, reads back and closes a week."""


def draw_again(
    reports: ReportsFolder,
    request: Request,
    make: Callable[[Request], object],
    say: Callable[[str], object],
) -> None:
    """Render the drafts whose codes are of an earlier key, each from its own parameters.

    Parameters
    ----------
    reports : ReportsFolder
        The reports folder.
    request : Request
        Another week's of the same source.
    make : callable
        Makes the week of a request.
    say : callable
        Told which week is rendered, and why one could not be.
    """
    for week in weeks_to_draw(reports):
        if reports.state(week) != "draft":
            note_drawn(reports, week)
            continue
        say(f"rendering the draft of {week} again, with codes of the new key")
        try:
            make(_request(request, week, reports.run(week).manifest["parameters"]))
        except PromolabError as error:
            say(
                f"the draft of {week} still shows codes of the earlier key: {error}; make it "
                f"again: promolab report --week {week}"
            )


def _request(request: Request, week: Week, told: Mapping[str, object]) -> Request:
    own = ("source", "week", "seed", "shop_file")
    given = {name: value for name, value in told.items() if name not in own}
    file = told.get("shop_file")
    return replace(
        request,
        week=week,
        seed=int(str(told.get("seed", request.seed))),
        shop_file=None if file is None else str(file),
        parameters=check_parameters(request.steps, given),
    )
