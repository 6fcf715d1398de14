"""The rendered report in a real Chromium: seen, moved by keys, printed, checked by axe-core."""

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.browser.lab import EVERY_CASE
from tests.report.test_small_shop import PAGES as WEEK

axe = pytest.importorskip(
    "axe_playwright_python.base", reason="the extra test is not installed: there is no axe-core"
)
SCREEN, PHONE = (1280, 900), (400, 800)
STEPS = WEEK[1:]
CHINESE = ["index in Chinese", "weeks in Chinese", "a shop without promotions in Chinese"]
PAGES = [*WEEK, "weeks", *CHINESE]
A4 = 703  # pixels between the margins of a printed page

_FAULTS = """async () => {
  const found = await axe.run(document, {resultTypes: ["violations"]});
  return found.violations.map(v => [v.impact, v.id, v.nodes.length, v.nodes[0].html.slice(0, 200)]);
}"""
_SCROLLING = """() => [...document.querySelectorAll("main *")]
  .filter(e => e.scrollWidth > e.clientWidth)
  .filter(e => ["auto", "scroll"].includes(getComputedStyle(e).overflowX))
  .map(e => [e.tabIndex, e.getAttribute("role"), e.getAttribute("aria-label")])"""


class Reader:
    """A page of a browser without a network: what it asks for and complains of is kept."""

    def __init__(self, chromium: Any, files: dict[str, Path], **options: Any) -> None:
        self.files, self.asked, self.said = files, set[str](), list[str]()
        size = dict(zip(("width", "height"), SCREEN, strict=True))
        self.context = chromium.new_context(viewport=size, **options)
        self.context.set_offline(True)
        self.page = self.context.new_page()
        self.page.on("request", lambda request: self.asked.add(request.url))
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))

    def opened(self, name: str, size: tuple[int, int] = SCREEN) -> Any:
        self.page.emulate_media(color_scheme="light", media="screen")
        self.page.set_viewport_size({"width": size[0], "height": size[1]})
        self.asked.clear()
        self.page.goto(self.files[name].as_uri())
        return self.page

    def faults(self) -> list[Any]:
        found = self.page.evaluate(_FAULTS)
        return [each for each in found if each[0] in ("serious", "critical")]


@pytest.fixture(scope="module")
def files(small_reports, null_report, chinese_invoices) -> dict[str, Path]:
    """The pages of a week, the list of weeks; some in Chinese."""
    week = small_reports["first"].out / "2017-W44"
    found = {name: week / f"{name}.html" for name in WEEK}
    found["weeks"] = week.parent / "index.html"
    whole = null_report.out
    pages = (whole / "latest" / "index.html", whole / "index.html", chinese_invoices / "index.html")
    return found | dict(zip(CHINESE, pages, strict=True))


@pytest.fixture(scope="module")
def reader(chromium: Any, files: dict[str, Path]) -> Iterator[Reader]:
    made = Reader(chromium, files)
    yield made
    made.context.close()


LOOKS = [(size, scheme) for size in (SCREEN, PHONE) for scheme in ("light", "dark")]
# Each page is looked at once here; `make bench` looks at all of them in every width and theme.
EVERY = bool(os.environ.get(EVERY_CASE))
CASES = [(p, *look) for n, p in enumerate(PAGES) for look in (LOOKS if EVERY else [LOOKS[n % 4]])]


@pytest.mark.parametrize(("name", "size", "scheme"), CASES)
def test_axe_finds_no_serious_fault(reader, name, size, scheme):
    page = reader.opened(name, size)
    asked = {url for url in reader.asked if not url.startswith("data:")}
    assert asked == {reader.files[name].as_uri()}
    page.evaluate("document.querySelectorAll('details').forEach(part => part.open = true)")
    page.evaluate(axe.AXE_SCRIPT)
    page.emulate_media(color_scheme=scheme)
    assert reader.faults() == [] and reader.said == []
    # What scrolls sideways is reached by keys, and says what it is; the page itself does not.
    page.set_viewport_size({"width": PHONE[0], "height": PHONE[1]})
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE[0]
    scrolling = page.evaluate(_SCROLLING)
    assert all(place == 0 and role == "region" and label for place, role, label in scrolling)


def test_a_table_is_sorted_by_keys_as_figures_not_as_words(reader: Reader) -> None:
    page = reader.opened("index")
    table = page.locator("table", has_text="next test")

    def column(place: int) -> list[str]:
        return list(table.locator(f"tbody tr td:nth-child({place})").all_inner_texts())

    given = column(2)
    figures = sorted(int(text.replace(",", "")) for text in given)
    heading = table.locator("th:nth-child(2)")
    heading.locator("button").focus()
    page.keyboard.press("Enter")
    assert heading.get_attribute("aria-sort") == "ascending"
    assert column(2) == [f"{figure:,}" for figure in figures]
    page.keyboard.press("Space")
    assert heading.get_attribute("aria-sort") == "descending"
    assert column(2) == [f"{figure:,}" for figure in reversed(figures)]
    page.keyboard.press("Enter")
    assert heading.get_attribute("aria-sort") is None and column(2) == given
    # What is missing comes last, whichever way.
    blanked = table.locator("tbody tr:nth-child(2) td:nth-child(3)")
    blanked.evaluate("cell => { cell.textContent = '–'; cell.removeAttribute('data-sort'); }")
    table.locator("th:nth-child(3) button").focus()
    for _ in range(2):
        page.keyboard.press("Enter")
        assert column(3)[-1] == "–"


def test_a_long_table_is_filtered_by_keys_and_a_short_one_has_no_filter(reader: Reader) -> None:
    page = reader.opened("02_customers")
    counts = page.locator("main table").evaluate_all(
        "all => all.map(table => [table.tBodies[0].rows.length, !!table.closest('.promolab-card'),"
        " !!table.closest('.scroll')?.previousElementSibling?.matches('.filter')])"
    )
    assert all(has == (rows > 10 and not card) for rows, card, has in counts)
    assert any(has for *_, has in counts)
    page.locator("details", has=page.locator(".filter")).locator("summary").first.click()
    page.get_by_label("Filter the rows").focus()
    page.keyboard.type("discount share")
    rows = page.locator(".filter + .scroll tbody tr")
    shown = [row for row in rows.all() if row.is_visible()]
    assert 0 < len(shown) < rows.count()
    told = page.locator(".filter output").inner_text()
    assert told == f"{len(shown)} of {rows.count()} rows"
    assert all("discount" in row.inner_text().lower() for row in shown)


def test_a_word_is_explained_where_the_keys_reach_it(reader: Reader) -> None:
    page = reader.opened("index")
    meaning = page.locator("[role=tooltip]")
    assert not meaning.is_visible()
    page.locator("abbr", has_text="expected redemptions").focus()
    assert meaning.is_visible() and len(meaning.inner_text().split()) > 5
    box, width = meaning.bounding_box(), SCREEN[0]
    assert box["x"] >= 0 and box["x"] + box["width"] <= width
    page.keyboard.press("Escape")
    assert not meaning.is_visible()
    page.locator("abbr").first.hover()
    assert meaning.is_visible()


def test_a_long_page_lists_its_contents_beside_it_and_a_link_opens_what_is_folded(reader):
    page = reader.opened("03_segments")
    rail, main = page.locator("nav.contents"), page.locator("main")
    left, right = rail.bounding_box(), main.bounding_box()
    assert left["x"] + left["width"] <= right["x"]
    folded = page.locator("details.more[id]").first
    rail.locator(f"a[href='#{folded.get_attribute('id')}']").focus()
    page.keyboard.press("Enter")
    page.locator(f"details[open][id='{folded.get_attribute('id')}']").wait_for()
    box = rail.bounding_box()  # still in sight
    assert 0 <= box["y"] < SCREEN[1]
    reader.opened("07_policy")
    assert rail.count() == (page.locator("main h2, main details.more:not(.apart)").count() >= 4)


def test_without_its_script_all_still_reads(reader, chromium, files):
    plain = Reader(chromium, files, java_script_enabled=False)
    for name in ("index", "02_customers"):
        with_script = reader.opened(name).locator("main").inner_text()
        page = plain.opened(name)
        without = page.locator("main").inner_text()
        assert without.split() == with_script.split()
        assert page.locator("button").count() == 0
        assert all(word.get_attribute("title") for word in page.locator("abbr").all())
    assert plain.said == []
    plain.context.close()


def test_pages_are_printed(reader: Reader, files: dict[str, Path], tmp_path: Path) -> None:
    for name in ("index", "08_plan"):
        shutil.copyfile(files[name], tmp_path / files[name].name)
        page = reader.opened(name, (A4, 1000))
        page.emulate_media(media="print")
        assert page.evaluate("document.documentElement.scrollWidth") <= A4
        assert not page.locator("header nav").is_visible()
        text = page.pdf(format="A4")
        most = 4 if name == "index" else 12
        assert text[:5] == b"%PDF-" and 1 <= len(re.findall(rb"/Type /Page\b", text)) <= most


def test_a_first_page_is_four_screens_a_step_page_eight_a_week_light(reader, small_reports):
    firsts = {str(p): p for made in small_reports.values() for p in made.out.glob("2*/index.html")}
    reader.files = reader.files | firsts
    for name in (*firsts, *STEPS):
        height = reader.opened(name).evaluate("document.documentElement.scrollHeight")
        assert height <= (4 if name in firsts else 8) * SCREEN[1], (name, height)
    assert firsts and sum(reader.files[name].stat().st_size for name in WEEK) < 3_000_000
