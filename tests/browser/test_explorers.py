"""Every explorer in a real JupyterLab: opened, moved by keys alone and by mouse, and read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.browser.lab import LabPage, jupyterlab
from tests.widgets.explored import explored

pytest.importorskip("jupyterlab", reason="the extra lab is not installed")


@dataclass(frozen=True)
class Case:
    """An explorer to try.

    Parameters
    ----------
    title : str
        As it stands above its controls.
    code : str
        Cell that ends in the explorer; small data.
    slider : str
        Label of a slider to move.
    says : str
        What is to be read at first.
    key : str
        What moves the slider: one that begins at its end goes left.
    """

    title: str
    code: str
    slider: str
    says: str
    key: str = "ArrowRight"


FIRST = """
import numpy as np, pandas as pd, promolab
from tests.widgets.designed import designed
from promolab import widgets
draw = np.random.default_rng(0)
"""
EXPLORERS = [
    Case(
        "Threshold",
        "score = draw.normal(size=4000)\n"
        "widgets.threshold(draw.random(4000) < 1 / (1 + np.exp(2 - score)), score)",
        "share contacted",
        "of those who respond",
    ),
    Case(
        "Budget",
        "cost, value = draw.uniform(0.5, 3, (900, 2)), draw.normal(0.5, 2, (900, 2))\n"
        "widgets.budget(value, cost, promotions=['Coupons 7', 'Discount 8'], currency='EUR')",
        "budget",
        "The next unit of budget returns",
    ),
    Case(
        "Promotion design",
        "widgets.promotion_design(**designed())",
        "depth",
        "Net incremental profit",
    ),
    Case(
        "Experiment",
        "widgets.experiment(rate=0.05)",
        "effect worth finding",
        "will show a difference of",
    ),
    Case(
        "Segments",
        "some = pd.DataFrame({'customer_id': range(300), 'recency_days': draw.gamma(2, 20, 300)})\n"
        "some['orders'] = draw.poisson(400 / (10 + some['recency_days'])) + 1\n"
        "widgets.segments(some.assign(amount=some['orders'] * draw.gamma(5, 8, 300)))",
        "segments",
        "adjusted Rand index",
    ),
    Case(
        "Review and release",
        "widgets.review(out='week/reports')",
        "at most planned",
        "break-even per contact",
        "ArrowLeft",
    ),
    Case("Customer", "widgets.customer(out='week/reports')", "weeks shown", "log odds"),
]


@pytest.fixture(scope="module")
def lab(chromium: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabPage]:
    folder = tmp_path_factory.mktemp("lab")
    explored(folder / "week")
    with jupyterlab(folder) as address:
        yield LabPage(chromium, address, folder, [FIRST, *(case.code for case in EXPLORERS)])


@pytest.mark.parametrize("case", EXPLORERS, ids=lambda case: case.title)
def test_it_is_moved_by_keys_alone_and_by_mouse_and_read(lab: LabPage, case: Case) -> None:
    explorer = lab.explorer(case.title)
    first = lab.figures(explorer)
    assert case.says in explorer.inner_text() and 'role="alert"' not in first
    svg = explorer.locator("svg[role=img]")
    assert all(svg.nth(i).get_attribute("aria-label") for i in range(svg.count()))

    slider = lab.control(explorer, case.slider)
    lab.tab_to(slider)
    lab.page.keyboard.press(case.key)
    by_key = lab.until_changed(explorer, first)

    box = slider.locator(".noUi-base").bounding_box()
    lab.page.mouse.click(box["x"] + 0.7 * box["width"], box["y"] + box["height"] / 2)
    by_mouse = lab.until_changed(explorer, by_key)
    assert 'role="alert"' not in by_key + by_mouse


def test_nothing_went_wrong_in_the_browser(lab: LabPage) -> None:
    assert lab.errors == []
