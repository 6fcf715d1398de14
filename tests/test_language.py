"""A report in another language: each message is translated, and figures stay what they are."""

from __future__ import annotations

import ast
import re
import string
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import nbformat
import pytest
from babel.messages.pofile import read_po

import promolab
from promolab.contract import TABLES
from promolab.errors import InputError
from promolab.glossary import GLOSSARY
from promolab.language import CATALOGUES, LANGUAGES, _, _n, day_words, language, speak, speaking
from promolab.wording import count, money, number, percent, promotion_name

PACKAGE = Path(promolab.__file__).parent
NOTEBOOKS = PACKAGE.parent / "notebooks"
TEMPLATE = PACKAGE / "report" / "templates" / "promolab" / "index.html.j2"
SEGMENTS = ("segment", "customers", "share_sales", "response_rate", "so_do_this")
OTHERS = [name for name in LANGUAGES if name != "en"]
FIGURE = re.compile(r"\d[\d,]*(?:\.\d+)?")


def required() -> dict[tuple[str, ...], set[str]]:
    """Return each message that a first page may show, (one, many) of plurals, and where it is."""
    found: dict[tuple[str, ...], set[str]] = {}
    for place, message in [*_of_the_code(), *_of_the_page(), *_of_the_data()]:
        key = (message,) if isinstance(message, str) else tuple(message)
        found.setdefault(key, set()).add(place)
    return found


def _of_the_code() -> Iterator[tuple[str, str | tuple[str, ...]]]:
    """Give what is handed to `_`, `_n` and `marked`; Babel overlooks those inside f-strings."""
    for path in sorted(PACKAGE.rglob("*.py")):
        source = path.read_text(encoding="utf-8")
        if "promolab.language import" not in source:
            continue
        for node in ast.walk(ast.parse(source)):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name)):
                continue
            name = node.func.id
            texts = [a.value for a in node.args[:2] if isinstance(a, ast.Constant)]
            if name in ("_", "marked") and texts:
                yield path.relative_to(PACKAGE).as_posix(), str(texts[0])
            elif name == "_n" and len(texts) == 2:
                yield path.relative_to(PACKAGE).as_posix(), (str(texts[0]), str(texts[1]))


def _of_the_page() -> Iterator[tuple[str, str]]:
    """Give what the template says, the titles of pages, and the words explained on the first."""
    for message in re.findall(r'page\.say\("([^"]+)"\)', TEMPLATE.read_text(encoding="utf-8")):
        yield TEMPLATE.name, message
    for path in sorted(NOTEBOOKS.glob("[01][0-9]_*.ipynb"))[1:]:
        notebook = nbformat.read(path, as_version=4)
        yield path.name, notebook.cells[0].source.splitlines()[0].lstrip("# ").split(" · ")[-1]
    for column in SEGMENTS:
        yield "background.py", GLOSSARY[column].meaning
    for cell in notebook.cells:
        if cell.source.startswith("words = {"):
            for node in ast.walk(ast.parse(cell.source)):
                if isinstance(node, ast.Constant) and isinstance(node.value, str):
                    yield path.name, node.value
                    yield path.name, GLOSSARY[node.value].meaning


def _of_the_data() -> Iterator[tuple[str, str]]:
    for name in TABLES:
        yield "contract", name.replace("_", " ")


def _places(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


@pytest.fixture(params=OTHERS)
def catalogue(request):
    with (CATALOGUES / f"{request.param}.po").open("rb") as file:
        return read_po(file, locale=LANGUAGES[request.param])


def test_each_message_is_translated_and_none_is_left_over(catalogue):
    wanted = required()
    known = {e.id if isinstance(e.id, tuple) else (e.id,): e for e in catalogue if e.id}
    assert not sorted(set(wanted) - set(known)), "messages without a translation"
    assert not sorted(set(known) - set(wanted)), "translations that no page shows"
    assert len(known) > 450


def test_translations_fill_the_same_places(catalogue):
    for entry in catalogue:
        if not entry.id:
            continue
        ids = entry.id if isinstance(entry.id, tuple) else (entry.id,)
        texts = entry.string if isinstance(entry.string, tuple) else (entry.string,)
        for text in texts:
            assert text, ids
            assert _places(text) == _places(ids[0]), ids


def test_what_is_missing_stays_english_and_unknown_languages_are_refused():
    with speaking("zh"):
        assert (
            _("no catalogue has this {what}", what="sentence") == "no catalogue has this sentence"
        )
    with pytest.raises(InputError, match=r"'xx'.*en or zh"):
        speak("xx")
    assert language() == "en"


def test_plurals_and_dates_in_each_language():
    assert _n("{n} promotion", "{n} promotions", 1200) == "1,200 promotions"
    with speaking("zh"):
        assert _n("{n} promotion", "{n} promotions", 1200) == "1,200 个活动"
        assert day_words(date(2024, 12, 6), year=True) == "2024年12月6日"
        assert promotion_name("coupon", "W30-coupon") == "优惠券 W30"


@pytest.mark.parametrize(
    "write",
    [
        lambda: number(12_345, 11_000, 13_800, before="$"),
        lambda: percent(0.212, 0.18, 0.243),
        lambda: percent(-0.5),
        lambda: money(-12_345.5, -13_000, -11_000, currency="CNY"),
        lambda: money(3.5, currency="EUR"),
        lambda: count(1_469_307),
        lambda: number(float("nan")),
    ],
)
def test_figures_and_intervals_are_the_same_digits(write):
    english = write()
    with speaking("zh"):
        chinese = write()
    assert FIGURE.findall(chinese) == FIGURE.findall(english)
    assert ("−" in chinese) == ("−" in english)


def test_money_and_percents_in_chinese_habit():
    with speaking("zh"):
        assert money(-3.5, -4.0, -3.0, currency="CNY") == "−¥3.5 [−4.0, −3.0]"
        assert money(1200, currency="CNY") == "¥1,200"
        assert percent(0.21, 0.18, 0.24) == "21% [18, 24]"
