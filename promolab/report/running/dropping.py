"""Take customers out of a draft that is about to be released: its lists, its record, its pages."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from promolab.folder import DROPPED, METRICS_LOCK, STEPS_FOLDER, open_run
from promolab.loop import REASONS
from promolab.report.pages.planning import plan_without
from promolab.report.running.run import CELL_TIMEOUT
from promolab.weeks import Week

__all__ = ["drop_customers"]

_PLAN = "tables/planned.parquet"


def drop_customers(
    folder: Path, week: Week, manifest: Mapping[str, Any], concerned: pd.DataFrame, note: str
) -> None:
    """Rewrite a week's folder without some of the planned customers.

    The send files with their control sums, the decisions and their chances, the funnel, the
    economics and the headline numbers are made again; so are the pages that come after the plan's,
    and the plan's own page says at its top that its counts are the draft's.

    Parameters
    ----------
    folder : Path
        A copy of the week's folder, beside the others.
    week : Week
        The week.
    manifest : mapping
        The week's.
    concerned : DataFrame
        Planned rows to take out, with the reason (`promolab.loop.Recheck.concerned`).
    note : str
        A sentence that says who was taken out and why.
    """
    from promolab import sources

    run = open_run(folder, week=week)
    shop = sources.load_shop(folder / "shop")
    steps = concerned["reason"].map({reason: step for reason, (step, _) in REASONS.items()})
    plan_without(run, shop, concerned.assign(step=steps), note).write()
    run.write_table(DROPPED, concerned, by=["promotion_id", "customer_id"])
    _draw_again(folder, week, manifest, note)
    (folder / METRICS_LOCK).unlink(missing_ok=True)


def _draw_again(folder: Path, week: Week, manifest: Mapping[str, Any], note: str) -> None:
    """Run the notebooks that read the plan again, and note on its own page what came after it."""
    notebooks = folder / "notebooks"
    if not any(notebooks.glob("[0-9][0-9]_*.ipynb")):
        return
    import nbformat

    from promolab.report.running.execute import execute, kernels
    from promolab.report.running.parameters import read_steps
    from promolab.report.running.render import render_page

    steps = read_steps(notebooks)
    own = [step for step in steps if _PLAN in step.needs.writes]
    told = {**manifest.get("parameters", {}), "week": str(week), "folder": "."}
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
                    failed=folder.parent / ".failed" / str(week) / f"{step.stem}.ipynb",
                    timeout=CELL_TIMEOUT,
                    shown={},
                )
        nbformat.write(made, notebooks / f"{step.stem}.ipynb")
        page = render_page(made, step, steps, week=week, shop=str(manifest.get("shop", "")))
        (folder / step.page).write_text(page, encoding="utf-8")
    shutil.rmtree(folder / STEPS_FOLDER, ignore_errors=True)
