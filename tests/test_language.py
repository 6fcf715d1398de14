"""A report in another language: each message is translated, and figures stay what they are."""

import ast
import itertools
import re
import string
from datetime import date

import nbformat
import pandas as pd
from matplotlib.dates import date2num

from promolab import plots
from promolab.contract import TABLES
from promolab.glossary import named
from promolab.language import _, day_words, language, messages, own_name, speak, speaking
from promolab.segmentation.groups.naming import COMMON, THEMES
from promolab.segmentation.groups.preparation import APART
from promolab.segmentation.groups.rfm import RFM_ORDER
from promolab.wording import capital, count, money, number, percent, promotion_name
from tests.house import PACKAGE, tree
from tests.made_reports import skip_without_chinese_font
from tests.refused import refused
from tests.wording_lint import english_left

NOTEBOOKS = PACKAGE.parent / "notebooks"
TEMPLATES = PACKAGE / "report" / "templates"
FIGURE = re.compile(r"\d[\d,]*(?:\.\d+)?")


def calls_of(name, nodes):
    """Yield the calls of a function among nodes."""
    yield from (n for n in nodes if isinstance(n, ast.Call) and getattr(n.func, "id", "") == name)


def required():
    """Yield each message that a page may show."""
    yield from (name.replace("_", " ") for name in TABLES)
    for path in PACKAGE.rglob("*.py"):
        for call in calls_of("_", ast.walk(tree(path))):
            texts = [a.value for a in call.args[:2] if isinstance(a, ast.Constant)]
            yield from map(str, texts[:1])
    for template in TEMPLATES.rglob("*.j2"):
        yield from re.findall(r'\bsay\("([^"]+)"\)', template.read_text(encoding="utf-8"))
    # What notebooks say in place of a result that is not there, and of tables of theirs.
    for path in NOTEBOOKS.glob("0[1-9]_*.ipynb"):
        cells = [c.source for c in nbformat.read(path, as_version=4).cells if c.cell_type == "code"]
        for call in calls_of("present", (n for cell in cells for n in ast.walk(ast.parse(cell)))):
            shown = [k.value for k in call.keywords if k.arg in ("otherwise", "caption", "columns")]
            heads = [head for part in shown for head in getattr(part, "values", [])]
            yield from (str(p.value) for p in [*shown, *heads] if isinstance(p, ast.Constant))


def _places(text):
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


def test_each_message_is_translated_with_the_same_places_and_none_is_left_over():
    wanted, known = set(required()), messages()
    with speaking("zh"):  # some are names, or what the glossary calls a column
        assert [one for one in sorted(wanted) if named(_(one)) == one] == [], "no translation"
    assert not sorted(set(known) - wanted), "translations that no page shows"
    assert len(known) > 60
    for english, chinese in known.items():
        assert chinese and _places(chinese) == _places(english), english


def test_what_is_missing_stays_english_and_unknown_languages_are_refused():
    with speaking("zh"):
        told = _("nobody translated this {what}", what="sentence")
        assert told == "nobody translated this sentence"
    refused(r"'xx'.*en or zh", speak, "xx")
    assert language() == "en"


def test_figures_and_intervals_are_the_same_digits_in_the_habit_of_each_language():
    for write, chinese in [
        (lambda: number(12_345, 11_000, 13_800, before="$"), "$12,300 [11,000, 13,800]"),
        (lambda: percent(0.21, 0.18, 0.24), "21% [18, 24]"),
        (lambda: money(-3.5, -4.0, -3.0, currency="CNY"), "−¥3.5 [−4.0, −3.0]"),
        (lambda: money(1200, currency="CNY"), "¥1,200"),
        (lambda: count(1_469_307), "1,469,307"),
        (lambda: day_words(date(2024, 12, 6), year=True), "2024年12月6日"),
        (lambda: promotion_name("coupon", "W30-coupon"), "优惠券 W30"),
    ]:
        english = write()
        with speaking("zh"):
            assert write() == chinese
        if "年" not in chinese:
            assert FIGURE.findall(chinese) == FIGURE.findall(english)
            assert ("−" in chinese) == ("−" in english)


def test_no_english_is_left_in_the_name_of_any_segment():
    phrases = [phrase for theme in THEMES for phrase in (theme.high, theme.low) if phrase]
    made = [f"{high[0]} {low[1]}" for high, low in itertools.permutations(phrases, 2)]
    nouns = [capital(noun) for _, noun in phrases]
    names = [*RFM_ORDER, *made, *nouns, COMMON, *APART]
    assert english_left(" ".join(map(own_name, names)))
    with speaking("zh"):
        assert english_left(" ".join(map(own_name, names))) == []


def test_axes_write_days_in_chinese_habit():
    skip_without_chinese_font()
    days = date2num(pd.date_range("2017-01-01", "2018-03-01", freq="D"))
    with speaking("zh"), plots.style():
        axis = plots.date_axis(plots.curve(days, days))
        axis.figure.canvas.draw()
        told = [text.get_text() for text in axis.get_xticklabels()]
    assert "2018年" in told and "7月" in told and english_left(" ".join(told)) == []
