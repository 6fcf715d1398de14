"""A report in Chinese: Chinese to its last sentence, with the figures of the English one."""

from __future__ import annotations

import pytest

from promolab.folder import ReportsFolder
from promolab.report.running.index import write_index
from tests.conftest import MARKUP
from tests.in_process import said_in
from tests.wording_lint import english_left, nonsense, read, visible

NAMES = ("Corner <b>shop</b>", "Online Retail", MARKUP)
MADE = {
    "again": ("01_data", "10_campaign_report"),
    "invoices": ("01_data", "10_campaign_report"),
}
"""Reports of the small shop → the steps that write what their first page says."""


@pytest.fixture(scope="module", params=MADE)
def made(request, small_reports, tmp_path_factory):
    """An English report, and the same with its sentences in Chinese."""
    english = small_reports[request.param].out / "2017-W44"
    chinese = said_in("zh", english, tmp_path_factory.mktemp("zh") / "reports", MADE[request.param])
    write_index(ReportsFolder(chinese.parent))
    return english, chinese


def test_no_english_sentence_is_left_on_the_pages_that_people_read(made):
    chinese = made[1]
    for name in ("2017-W44/index.html", "index.html"):
        page = (chinese.parent / name).read_text(encoding="utf-8")
        assert '<html lang="zh-Hans-CN">' in page
        assert english_left(read(page), NAMES) == [], name
        assert nonsense(visible(page).replace("。", ".")) == []
    assert english_left((chinese / "summary.md").read_text(encoding="utf-8"), NAMES) == []


def test_figures_and_tables_are_the_same_in_both_languages(made):
    english, chinese = made
    names = ["metrics.json", *(f"tables/{path.name}" for path in (english / "tables").iterdir())]
    for name in names:
        assert (chinese / name).read_bytes() == (english / name).read_bytes(), name
    assert not (english / "spoken.json").exists() and (chinese / "spoken.json").exists()
