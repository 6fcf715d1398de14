"""Pages of a plan that was cut at its release are drawn again."""

from __future__ import annotations

from promolab.folder import RunFolder
from promolab.loop import Pages, WeekRows
from promolab.loop.monitoring import models_of
from promolab.loop.promises import past_outcomes, run_forecast
from promolab.report.running.execute import CELL_TIMEOUT, execute
from promolab.report.running.index import write_index
from promolab.report.running.kernel_pool import kernels
from promolab.report.running.page import allowing, render_page
from promolab.report.running.steps import load_nbformat, read_steps

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


PAGES = Pages(_redraw, write_index, WeekRows(run_forecast, models_of, past_outcomes))
"""The pages of this room, for what releases, reads back and closes a week."""
