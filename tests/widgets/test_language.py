"""Explorers in Chinese: no word of English but names and code."""

import html
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from promolab import widgets
from promolab.folder import RunFolder, read_json, write_json
from promolab.language import speaking
from promolab.weeks import Week
from tests.widgets.designed import designed
from tests.widgets.explored import WEEK
from tests.wording_lint import english_left

pytest.importorskip("ipywidgets", reason="the extra lab is not installed")

NAMES = ["AUC", "ROC", "CNY", "USD", "RFM", "DBSCAN", "HDBSCAN"]


def said(page: str) -> list[str]:
    """Return what a page says, labels of figures and of its controls included."""
    page = re.sub(r"<style>.*?</style>", "", page, flags=re.DOTALL)
    texts = re.findall(r">([^<>]+)<", page) + re.findall(r'aria-label="([^"]*)"', page)
    return [html.unescape(text) for text in texts if text.strip()]


def segments(draw: np.random.Generator) -> Any:
    rows = {"customer_id": range(200), "orders": draw.poisson(9, 200) + 1}
    rows |= {"recency_days": draw.gamma(2, 20, 200), "amount": draw.gamma(5, 160, 200)}
    return widgets.segments(pd.DataFrame(rows))


OPENED: dict[str, Callable[[np.random.Generator], Any]] = {
    "threshold": lambda draw: widgets.threshold(draw.random(500) < 0.3, draw.normal(size=500)),
    "budget": lambda draw: widgets.budget(
        draw.normal(0.5, 2, (300, 2)), draw.uniform(0.5, 3, (300, 2)), promotions=["满减 7", "折扣"]
    ),
    "experiment": lambda _: widgets.experiment(rate=0.05),
    "design": lambda _: widgets.promotion_design(**designed()),
    "segments": segments,
}


@pytest.mark.parametrize("name", OPENED)
def test_an_explorer_speaks_chinese_throughout(name: str) -> None:
    with speaking("zh"):
        made = OPENED[name](np.random.default_rng(0))
        made.move(**{"experiment": {"days": 14}, "segments": {"method": "rfm"}}.get(name, {}))
    page, prepared = made.static().text, made.prepared_now()  # in the language it was opened in
    assert 'role="alert"' not in page
    known = list(NAMES)  # and what the tables of other rooms call their rows
    if name == "segments":
        known += prepared.chosen(made.state).segmenter.names_
    if name == "design":  # its parts, which stand last, are named by their own room
        page = page[: page.rindex("<figure")]
    assert [text for text in said(page) if english_left(text, known)] == []


def test_explorers_of_a_chinese_week_speak_chinese(a_copy) -> None:
    run = RunFolder(a_copy / WEEK, Week.parse(WEEK))
    manifest = read_json(run.path / "manifest.json")
    manifest["parameters"]["lang"] = "zh"
    write_json(run.path / "manifest.json", manifest)
    for explorer in (widgets.customer, widgets.segments, widgets.budget, widgets.threshold):
        page = explorer(run).static().text
        left = [text for text in said(page) if english_left(text, [*NAMES, "electronics"])]
        assert left == [], explorer
    assert "Recommendation" not in widgets.review(run).static().text.partition("</p>")[0]
