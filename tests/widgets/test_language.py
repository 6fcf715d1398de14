"""Explorers in Chinese: no word of English but names and code."""

import html
import re

import pytest

from promolab import widgets
from promolab.folder import RunFolder, read_json, write_json
from promolab.language import speaking
from promolab.weeks import Week
from promolab.widgets import grouping
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


def test_explorers_speak_chinese_where_the_week_or_who_opens_them_does(a_copy, monkeypatch) -> None:
    monkeypatch.setattr(grouping, "NUMBERS", range(4, 6))
    with speaking("zh"):
        experiment = widgets.experiment(rate=0.05)
        experiment.move(days=14)
        design = widgets.promotion_design(**designed())
    # A design's parts, which stand last, are named elsewhere.
    page = experiment.static().text + design.static().text.rpartition("<figure")[0]
    assert page.count("<figure") > 2 and 'role="alert"' not in page
    assert [text for text in said(page) if english_left(text, NAMES)] == []
    run = RunFolder(a_copy / WEEK, Week.parse(WEEK))
    manifest = read_json(run.path / "manifest.json")
    manifest["parameters"]["lang"] = "zh"
    write_json(run.path / "manifest.json", manifest)
    for explorer in (widgets.customer, widgets.segments, widgets.budget, widgets.threshold):
        page = explorer(run).static().text
        left = [text for text in said(page) if english_left(text, [*NAMES, "electronics"])]
        assert left == [], explorer
    assert "Recommendation" not in widgets.review(run).static().text.partition("</p>")[0]
