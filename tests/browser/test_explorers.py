"""A real JupyterLab: explorers are moved by keys and mouse and read, tables and errors seen."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from promolab import widgets
from promolab.folder import RunFolder
from promolab.weeks import Week
from tests.browser.lab import EVERY_CASE, LabPage, run_all
from tests.widgets.explored import WEEK

pytest.importorskip("jupyterlab", reason="the extra lab is not installed")
pytestmark = pytest.mark.when_changed("tests")


FIRST = """
import numpy as np, pandas as pd
from tests.widgets.designed import designed
from promolab import widgets
draw = np.random.default_rng(0)
"""
SOME = """
some = pd.DataFrame({'customer_id': range(600), 'orders': draw.poisson(9, 600) + 1})
some['recency_days'] = draw.gamma(2, 20, 600)
widgets.segments(some.assign(amount=some['orders'] * draw.gamma(5, 8, 600)))
"""
REVIEW, CUSTOMER, THRESHOLD = "Review and release", "Customer", "Threshold"
SEGMENTS, EXPERIMENT, DESIGN = "Segments", "Experiment", "Promotion design"
# Its title, the cell that ends in it, a slider's label, what it says first.
EXPLORERS = [
    (THRESHOLD, "widgets.threshold()", "share contacted", "of those who respond"),
    ("Budget", f"widgets.budget('{WEEK}')", "budget", "customers are planned"),
    (DESIGN, "widgets.promotion_design(**designed())", "depth", "Net incremental profit"),
    (EXPERIMENT, "widgets.experiment(rate=0.05)", "effect worth finding", "show a difference"),
    (SEGMENTS, SOME, "segments", "adjusted Rand index"),
    (REVIEW, "widgets.review()", "at most planned", "break-even per contact"),
    (CUSTOMER, "widgets.customer()", "weeks shown", "log odds"),
]


@pytest.fixture(scope="module")
def lab(chromium: Any, lab_server: tuple[str, Path]) -> Iterator[LabPage]:
    made = LabPage(chromium, *lab_server, [FIRST, *(code for _, code, *_ in EXPLORERS)])
    yield made
    made.page.close()


def week_of(lab: LabPage) -> RunFolder:
    return RunFolder(lab.folder / "reports" / WEEK, Week.parse(WEEK))


@pytest.mark.parametrize(("title", "code", "slider", "says"), EXPLORERS)
def test_it_is_moved_by_keys_alone_and_by_mouse_and_read(lab, title, code, slider, says) -> None:
    explorer = lab.explorer(title)
    first = lab.at_rest(explorer)
    assert says in explorer.inner_text() and 'role="alert"' not in first
    svg = explorer.locator("svg[role=img]")
    assert all(svg.nth(i).get_attribute("aria-label") for i in range(svg.count()))

    way = lab.control(explorer, slider).locator(".noUi-base")
    way.scroll_into_view_if_needed()
    box = way.bounding_box()
    # Where a state differs from the first: a longer list than half of all changes nothing here.
    place = 0.4 if title == THRESHOLD else 0.7
    lab.page.mouse.click(box["x"] + place * box["width"], box["y"] + box["height"] / 2)
    lab.until_changed(explorer, first)
    by_mouse = lab.at_rest(explorer)
    lab.press(explorer, slider, "ArrowRight")
    by_key = lab.until_changed(explorer, by_mouse)
    assert 'role="alert"' not in by_key + by_mouse


def test_numbers_lists_boxes_and_customers_are_entered_by_keys(lab: LabPage) -> None:
    explorer = lab.explorer(THRESHOLD)
    lab.press(explorer, "share contacted", "End")
    lab.says(explorer, "Contacting 100 %")
    for earns in ("0", "400"):
        lab.enter(explorer, "a response earns", earns)
        lab.says(explorer, "No cut pays" if earns == "0" else "comes of contacting")
    cells = lab.page.locator(".jp-CodeCell").count()
    lab.press(explorer, "share contacted", "Home")
    lab.page.keyboard.press("d")  # twice it would delete the cell
    lab.page.keyboard.press("d")
    lab.says(explorer, "Nobody is contacted")
    assert lab.page.locator(".jp-CodeCell").count() == cells
    explorer = lab.explorer(EXPERIMENT)
    lab.press(explorer, "looked at every day", "Space")
    lab.says(explorer, "It may be looked at every day")
    explorer, run = lab.explorer(CUSTOMER), week_of(lab)
    who = run.read_table("planned")["customer_id"].iloc[0]
    (code,) = run.pseudonym([who])
    lab.enter(explorer, "customer", str(who))
    lab.says(explorer, f"Customer {code}: ")
    lab.enter(explorer, "customer", "nobody")
    lab.says(explorer, "no active customer is called 'nobody'")


@pytest.mark.parametrize("theme", ["Dark", "Light"][: 1 + bool(os.environ.get(EVERY_CASE))])
def test_nothing_keeps_from_reading_it(lab: LabPage, theme: str) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    lab.page.evaluate(
        "name => jupyterapp.commands.execute('apputils:change-theme', {theme: name})",
        f"JupyterLab {theme}",
    )
    light = str(theme == "Light").lower()
    lab.page.locator(f"body[data-jp-theme-light={light}]").wait_for(state="attached")
    lab.page.wait_for_timeout(300)  # colours fade from one theme to the other
    found = axe.run(lab.page, context=".widget-vbox.promolab-explorer")
    told = [(one["impact"], one["id"], one["nodes"][0]) for one in found.response["violations"]]
    assert [one for one in told if one[0] in ("serious", "critical")] == []


def test_a_week_is_released_by_keys_alone_and_nothing_went_wrong_in_the_browser(lab) -> None:
    explorer, run = lab.explorer(REVIEW), week_of(lab)
    before = run.read_table("planned")
    promotion = widgets.review(run).state.promotion
    out = before.loc[before["promotion_id"] == promotion, "customer_id"].iloc[0].item()
    lab.press(explorer, "at most planned", "Home", "ArrowRight", "ArrowRight")
    lab.at_rest(explorer)
    lab.press(explorer, "Cap this list", "Enter")
    lab.says(explorer, "capped at 2 planned")
    lab.enter(explorer, "customer", str(out))
    lab.press(explorer, "Force out", "Enter")
    lab.says(explorer, "say why the customer is forced out")
    lab.enter(explorer, "because", "asked at the till")
    lab.press(explorer, "Force out", "Space")
    lab.says(explorer, "1 customer forced out")
    lab.enter(explorer, "released by", "ann")
    lab.press(explorer, "Release", "Enter")
    lab.says(explorer, "Released by ann")
    planned = run.read_table("planned")
    assert run.manifest["state"] == "released" and run.manifest["release"]["by"] == "ann"
    assert out not in set(planned["customer_id"])
    assert (planned["promotion_id"] == promotion).sum() == 2 < len(planned) < len(before)
    assert run.manifest["release"]["overrides"]["forced out"] == 1
    control = pd.read_csv(run.path / "send" / "control.csv")
    assert control["rows"].sum() == len(planned)
    lab.press(explorer, "Release", "Enter")
    lab.says(explorer, "was released already, by ann")
    assert lab.errors == []


CELLS = [
    "import pandas as pd, promolab\n"
    "from promolab.display import present, table\n"
    "frame = pd.DataFrame({'segment': ['Thrifty', 'Premium'], 'customers': [960, 1003]})\n"
    "present(table(frame, caption='Largest first.'))",
    *["print('\\n'.join(['above'] * 60))"] * 2,
    "promolab.load_shop('no_such_shop')",
    *["print('\\n'.join(['below'] * 60))"] * 2,
]
_LOOKS = """table => Object.fromEntries(["td.text", "td.number", "th.text", "caption"].map(name => {
  const style = getComputedStyle(table.querySelector(name));
  return [name, [style.textAlign, style.captionSide]];
}))"""


def test_a_table_reads_as_on_a_page_and_run_all_stops_where_an_error_is_seen(chromium, lab_server):
    page = chromium.new_page(viewport={"width": 1300, "height": 800})
    run_all(page, *lab_server, CELLS)
    output = page.locator(".jp-OutputArea-output", has_text="no_such_shop").last
    output.wait_for()
    page.wait_for_function(
        "place => place.getBoundingClientRect().top > 0"
        " && place.getBoundingClientRect().bottom < innerHeight",
        arg=output.element_handle(),
    )
    said = output.inner_text()
    assert said.startswith("InputError: there is no source 'no_such_shop'")
    assert len(said.splitlines()) == 1 and "Traceback" not in said
    assert page.get_by_text("below").count() == 2  # in the code alone: it did not run on
    looks = page.locator(".jp-OutputArea table").first.evaluate(_LOOKS)
    assert looks["td.text"][0] == looks["th.text"][0] == looks["caption"][0] == "left"
    assert looks["td.number"][0] == "right" and looks["caption"][1] == "top"
    page.close()
