"""Explorers in a real JupyterLab on 200,000 customers: from a key press to the changed figure."""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.processes import pytest_row
from benchmarks.table import Row, at_most, part, unmeasured

CUSTOMERS = 200_000
MOVES = 20
WEEK = "2021-W10"
FIRST = f"""
import numpy as np, promolab
from promolab import widgets
from tests.widgets.designed import designed
draw, n, week = np.random.default_rng(0), {CUSTOMERS}, "reports/{WEEK}"
"""
CASES = {
    "Threshold": (
        "share contacted",
        "score = draw.normal(size=n)\n"
        "widgets.threshold(draw.random(n) < 1 / (1 + np.exp(3 - score)), score)",
    ),
    "Budget": (
        "budget",
        "cost, value = draw.uniform(0.5, 3, (n, 3)), draw.normal(0.5, 2, (n, 3))\n"
        "widgets.budget(value, cost, groups=draw.choice(['Loyal', 'New', 'At risk'], n))",
    ),
    "Promotion design": ("depth", "widgets.promotion_design(**designed(n))"),
    "Experiment": ("effect worth finding", "widgets.experiment(mean=40, sd=80)"),
    "Segments": ("segments", "widgets.segments(week)"),
    "Review and release": ("at most planned", "widgets.review(week)"),
    "Customer": ("weeks shown", "widgets.customer(week)"),
}
"""By title: the label of the control that is moved, and the cell that opens the explorer."""
CLOCK = """
node => {
  window.moves = [];
  let pressed = null;
  document.addEventListener('keydown', e => { pressed = e.timeStamp; }, true);
  new MutationObserver(() => {
    if (pressed === null) return;
    const begun = pressed;
    pressed = null;
    // The second frame begins when the first, with the changed figure, has been painted.
    requestAnimationFrame(() => requestAnimationFrame(
      () => window.moves.push(performance.now() - begun)));
  }).observe(node, {childList: true, subtree: true, characterData: true});
}
"""


@part("explorers", "explorers in a browser")
def explorer_moves() -> Iterator[Row]:
    """Yield rows per explorer: median and worst of 20 moves by the arrow keys, in milliseconds."""
    import shutil

    path, why = shutil.which("chromium") or shutil.which("chromium-browser"), ""
    try:
        from playwright.sync_api import sync_playwright

        from tests.browser.lab import LabPage, jupyterlab
        from tests.report.made_weeks import MadeShop
        from tests.widgets.explored import explored
    except ImportError as error:
        why = str(error)
    if why or path is None:
        yield unmeasured("explorers", why or "chromium is not installed")
        return
    cells = [FIRST, *(code for _, code in CASES.values())]
    with tempfile.TemporaryDirectory(prefix="promolab-lab-") as folder, sync_playwright() as driver:
        shop = MadeShop(Path(folder) / "made", customers=CUSTOMERS)
        explored(Path(folder), shop.source, WEEK, list_size=CUSTOMERS // 4)
        browser = driver.chromium.launch(executable_path=path, args=["--no-sandbox"])
        with jupyterlab(Path(folder)) as address:
            lab = LabPage(browser, address, Path(folder), cells)
            for title in CASES:
                lab.explorer(title)  # all are open before the first is moved
            for title, (label, _) in CASES.items():
                yield _row(title, moved(lab, title, label))
            yield at_most("errors in the browser's console", len(lab.errors), 0)
        browser.close()


def _row(title: str, times: tuple[float, float]) -> Row:
    what = f"explorer, key press to changed figure, {CUSTOMERS:,} customers: {title}, median"
    median, worst = times
    what += ", worst ≤ 1,000 ms"
    return at_most(what, median, 200, "ms", f"worst {worst:.0f} ms", also=worst <= 1_000)


def moved(lab: Any, title: str, label: str) -> tuple[float, float]:
    """Return median and worst milliseconds of the moves of one control, there and back."""
    explorer = lab.explorer(title)
    lab.tab_to(lab.control(explorer, label))
    explorer.locator("xpath=./*[last()]").evaluate(CLOCK)
    for move in range(MOVES):
        before = lab.figures(explorer)
        lab.page.keyboard.press(("ArrowLeft", "ArrowRight")[move % 2])
        lab.until_changed(explorer, before)
        lab.page.wait_for_function("n => window.moves.length >= n", arg=move + 1)
    times = lab.page.evaluate("window.moves")
    return statistics.median(times), max(times)


@part("pages", "pages in every case")
def every_case() -> Row:
    """Return whether pages pass axe-core in every width and theme."""
    return pytest_row("pages in every width and theme", ("tests/browser",), PROMOLAB_EVERY_CASE="1")
