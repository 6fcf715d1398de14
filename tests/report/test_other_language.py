"""A report in Chinese: Chinese to its last sentence, with the figures of the English one."""

import pytest

from promolab.contract import TABLES
from promolab.report.running.steps import find_notebooks, read_steps
from tests.made_reports import MARKUP
from tests.wording_lint import english_left, nonsense, read, visible

SHOPS = ("Corner <b>shop</b>", r"Corner \<b>shop\</b>", "Online Retail", "Simulated shop")
NAMES = (*SHOPS, MARKUP, *TABLES)
DATA = "active basic gold app web store Age Tier Signup channel household dairy clothing fruit"
DATA += " drinks bakery baby electronics beauty snacks"
"""Values and attributes of the simulated shop, which a report shows as they are."""


def test_no_english_sentence_is_left_on_the_pages_that_people_read(null_report, chinese_invoices):
    for made in ((null_report.out / "latest").resolve(), chinese_invoices):
        for path in (made / "index.html", made.parent / "index.html"):
            page = path.read_text(encoding="utf-8")
            assert '<html lang="zh-Hans-CN">' in page
            assert english_left(read(page), NAMES) == [], path
            assert nonsense(visible(page)) == []
        mail = (made / "summary.md").read_text(encoding="utf-8")
        assert english_left(mail, NAMES) == [] and "Coupons" not in mail


STEPS = [step.stem for step in read_steps(find_notebooks())][:-1]
ENGLISH_LEFT = {"01_data": 2, "09_learning": 3}
"""Lines of a step's page that hold English words: what a check says, the shop's own note, and what
customers wrote."""


@pytest.mark.parametrize("step", STEPS)
def test_the_pages_of_the_steps_are_chinese_but_for_what_is_known_to_be_left(null_report, step):
    page = null_report.page("latest", step)
    assert '<html lang="zh-Hans-CN">' in page
    left = english_left(read(page), (*NAMES, *DATA.split()))
    assert len(left) <= ENGLISH_LEFT.get(step, 0), left


def test_figures_and_tables_are_the_same_in_both_languages(chinese_invoices, small_reports):
    english, chinese = small_reports["invoices"].out / "2017-W44", chinese_invoices
    tables = [f"tables/{path.name}" for path in (english / "tables").iterdir()]
    assert len(tables) > 8
    for file in ["metrics.json", *tables]:
        assert (chinese / file).read_bytes() == (english / file).read_bytes(), file
    assert not (english / "spoken.json").exists() and (chinese / "spoken.json").exists()
