"""The pages of a small shop's week: what they hold, and what no page does."""

import re

import nbformat
import pytest

from tests.page_policy import Page, but_its_own_script
from tests.report.test_small_shop import PAGES


@pytest.fixture(scope="module")
def week(small_reports):
    return small_reports["first"].out / "2017-W44"


@pytest.fixture(scope="module")
def pages(week):
    return {name: (week / f"{name}.html").read_text("utf-8") for name in PAGES}


@pytest.mark.parametrize("name", PAGES)
def test_a_page_loads_nothing_and_every_picture_has_its_text(pages, name):
    page = Page(but_its_own_script(pages[name]))
    for tag, attrs in page.tags:
        for attribute in ("src", "href", "srcset", "data", "poster", "action"):
            link = attrs.get(attribute) or ""
            assert not re.match(r"\s*(https?:)?//", link), (tag, link)
            if attribute == "src" and attribute in attrs:
                assert link.startswith("data:"), link[:60]
    assert "@import" not in pages[name] and not re.search(
        r"url\(\s*['\"]?(https?:)?//", pages[name]
    )
    assert not page.all("script") and not page.all("iframe") and not page.all("link")
    pictures = page.all("img")
    assert all((picture.get("alt") or "").strip() for picture in pictures)
    # Without effects the pages Uplift and Policy have figures to say, and none to draw.
    assert len(pictures) >= (0 if name in ("01_data", "05_uplift", "07_policy") else 1)
    assert len(page.all("h1")) == 1 and page.all("html")[0]["lang"] == "en"


@pytest.mark.parametrize("name", PAGES)
def test_a_page_shows_no_noise_and_no_path(pages, name, week):
    text = Page(pages[name]).text
    for noise in "FloatProgress widget Warning: Traceback <Figure <Axes DataFrame".split():
        assert noise not in text, noise
    assert not re.search(r"\b(NaN|nan|None|NaT|inf)\b", Page(visible(pages[name])).text)
    assert str(week.parent) not in pages[name]
    assert "/tmp/" not in pages[name] and "site-packages" not in pages[name]


def visible(page: str) -> str:
    """Return a page without the code that is one click away."""
    return re.sub(r"<details class=\"code\".*?</details>", "", page, flags=re.S)


def test_the_report_shows_no_code_explains_its_words_and_has_no_wide_table(pages):
    page = Page(pages["index"])
    assert not page.all("pre") and not page.all("code")
    assert not any("code" in (found.get("class") or "") for found in page.all("details"))
    assert not re.findall(r"\w*[a-z0-9]_[a-z0-9]\w*", page.text)
    # The header of every page explains what the data allow, whatever stands below.
    abbreviations = Page(pages["index"].split("</header>")[1].split("</main>")[0]).all("abbr")
    assert len(abbreviations) >= 5
    assert all((a["title"] or "").endswith(".") and a["tabindex"] == "0" for a in abbreviations)
    assert len({a["title"] for a in abbreviations}) == len(abbreviations)
    rows = Page(pages["index"]).rows
    assert len(rows) > 20 and max(map(len, rows)) <= 8


def test_the_report_has_its_parts(pages, small_reports):
    main = pages["index"].split("<main>")[1].split("</main>")[0]  # not its list of contents
    text, headlines = Page(main).text, small_reports["first"].metrics()["headlines"]
    parts = "This week's choice|Sales and margin by week|Since last week|Track record|Launching (1)"
    parts += "|Coming (2)|Running (4)|Ended (1)|Segments:|What was left out"
    places = [text.index(part) for part in parts.split("|")]
    assert places == sorted(places)
    for tile in headlines:
        assert tile["label"] in text and tile["text"].split(" [")[0] in text
    assert 4 <= len(headlines) <= 5
    assert "top 40 %" in text and "likely to redeem" in text.lower()
    assert "Consent was not checked" in text and "· planned" in text


def test_what_left_the_first_page_stands_on_its_step_page(pages):
    plan, response = Page(pages["08_plan"]).text, Page(pages["04_response"]).text
    for part in ("Customers left after each step", "First 10 of", "over-represented", "break-even"):
        assert part in plan, part
    for part in ("Gain chart", "ROC curve", "AUC", "came"):
        assert part in response + pages["04_response"], part
    assert "Returning" in Page(pages["02_customers"]).text
    assert "because" in Page(pages["03_segments"]).text


def test_customers_stand_under_pseudonyms(pages, small_reports):
    ranked = small_reports["first"].table("scores")
    ranked = ranked.sort_values(["p_redeemed", "customer_id"], ascending=[False, True])
    # Below 1,000 an id may stand as a figure somewhere; above, a figure has a comma.
    top = {str(i) for i in ranked["customer_id"].head(10) if i >= 1000}
    assert len(top) >= 3
    rows = Page(pages["08_plan"]).rows
    head = next(i for i, row in enumerate(rows) if "customer" in row and "rank" in row)
    column = rows[head].index("customer")
    codes = [row[column] for row in rows[head + 1 : head + 11]]
    assert len(set(codes)) == 10 and all(re.fullmatch(r"C-[A-Z0-9]+", code) for code in codes)
    for name in PAGES:
        cells = {cell for row in Page(visible(pages[name])).rows for cell in row}
        assert not (cells & top)


def test_the_executed_notebooks_are_clean_and_links_of_the_week_lead_somewhere(week, pages):
    found = sorted((week / "notebooks").glob("*.ipynb"))
    assert [path.stem for path in found] == [*PAGES[1:], "10_campaign_report"]
    for path in found:
        notebook = nbformat.read(path, 4)
        outputs = [o for c in notebook.cells if c.cell_type == "code" for o in c.outputs]
        told = [o.text for o in outputs if o.output_type == "stream"]
        # The type of a promotion that is called otherwise before is new to the model.
        assert all("UnseenLevels: none of the values" in text for text in told)
        kinds = {o.output_type for o in outputs if o.output_type != "stream"}
        assert kinds and kinds <= {"display_data", "execute_result"}
        assert str(week.parent) not in path.read_text("utf-8")
    links = [
        (name, (a["href"] or "").partition("#")[0])
        for name in PAGES for a in Page(pages[name]).all("a") if "href" in a
    ]  # fmt: skip
    assert any(target for _, target in links)
    assert [(name, to) for name, to in links if to and not (week / to).exists()] == []
