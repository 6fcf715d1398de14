"""Reports of a small shop: safe against markup, and telling of what they lack."""

import re
from pathlib import Path

import nbformat
import pytest

from tests.made_reports import MARKUP
from tests.page_policy import Page, but_its_own_script
from tests.wording_lint import nonsense_of, visible

STEP = re.compile(r"promolab: \d\d_\w+: [A-Z][a-z ]+ \(\d+ of 10\)")
NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
PAGES = ["index", *sorted(path.stem for path in NOTEBOOKS.glob("0[1-9]_*.ipynb"))]


def test_every_report_succeeds_quietly_and_prints_its_path_last(small_reports):
    for name, made in small_reports.items():
        assert made.code == 0, (name, made.stderr)
        # The small shop's spring has days without a row, and so has one customer's year: that is
        # said, and nothing else.
        told = [line for line in made.stderr.splitlines() if not STEP.fullmatch(line)]
        stale = "is made from stale data" in made.stderr and name in ("early", "one_customer")
        assert len(told) == int(stale), (name, made.stderr)
        page = Path(made.stdout.splitlines()[-1])
        assert page.name == "index.html" and page.parent.parent == made.out
        assert not list(made.out.glob(".staging-*")) and not (made.out / ".failed").exists()


def test_markup_in_the_data_appears_only_escaped(small_reports):
    made = small_reports["first"]
    for week in ("2017-W44", "2017-W45"):
        for name in PAGES:
            page = made.page(week, name)
            assert "<script" not in but_its_own_script(page) and "<b>shop</b>" not in page
        assert "&lt;script&gt;" in made.page(week) and "&lt;b&gt;shop&lt;/b&gt;" in made.page(week)
    # Entities are not escaped twice, which would show them to the reader.
    assert "&amp;lt;" not in made.page()
    index = (made.out / "index.html").read_text("utf-8")
    assert "<script" not in but_its_own_script(index)


def test_a_second_week_says_what_changed_and_keeps_its_method_unless_one_is_better(small_reports):
    made = small_reports["first"]
    assert "against the week before" not in made.page("2017-W44")
    assert "No report of 2017-W43 lies in this folder" in made.page("2017-W44")
    assert "against the week before" in made.page("2017-W45")
    assert "in the report of 2017-W44" in made.page("2017-W45")
    index = (made.out / "index.html").read_text("utf-8")
    assert 0 < index.index('href="2017-W45/index.html"') < index.index('href="2017-W44/index.html"')
    assert (made.out / "latest").resolve().name == "2017-W45"
    first, second = made.metrics("2017-W44"), made.metrics("2017-W45")
    assert first["learning"]["models"]["response"]["decision"] == "champion"
    told = second["response"]["decision"]
    assert told["decision"] in ("kept", "replaced") and "2017-W44" in told["reason"]
    same = all(first["response"][k] == second["response"][k] for k in ("model", "features"))
    assert same or told["decision"] == "replaced"
    page = made.page("2017-W45", "09_learning")
    assert "since 2017-W44" in page and "as in 2017-W44" in page


@pytest.mark.parametrize("name", ["early", "invoices", "one_class", "one_customer"])
def test_whatever_is_missing_is_said_and_rows_are_conserved(small_reports, name):
    made = small_reports[name]
    week = next(path.name for path in made.out.glob("2017-W*"))
    if name == "early":
        assert "tested" in made.page(week) and "top 40 %" not in made.page(week)
        auc, tested = made.metrics(week)["response"]["auc"], made.table("backtest", week)
        assert auc is None or tested["y"].nunique() == 2
    assert "records no ratings" in made.page(week, "09_learning")
    data = {k: v for k, v in made.metrics(week)["data"].items() if "rows_in" in v}
    assert "events" in data
    for rows in data.values():
        parts = ("rows_dated_later", "rows_kept", "rows_quarantined")
        assert rows["rows_in"] == sum(rows[part] for part in parts)


def test_where_nothing_starts_nobody_is_ranked_and_else_everybody(small_reports):
    made = small_reports["first"]
    page = made.page("2017-W45")
    assert "Nothing starts this week" in page and "nobody to rank" in page
    assert made.table("scores", "2017-W45").empty and len(made.table("backtest", "2017-W45"))
    assert len(made.table("scores")) == len(made.table("features"))
    assert set(made.table("scores")["promotion_id"]) == {"18"}


def test_an_export_of_invoice_lines_gets_segments_and_the_reason_for_no_more(small_reports):
    made = small_reports["invoices"]
    page = made.page()
    assert "no table says what ran" in page
    there = "Sales per order|Repeat rate|Sales and margin|Who comes back|without customer"
    absent = "Launching|Running|Track record|redemption|response rate"
    assert [part for part in there.split("|") if part not in page] == []
    assert [part for part in absent.split("|") if part in page] == []
    rows = made.metrics()["data"]["events"]
    assert rows["rows_quarantined"] >= 2  # no customer, and an adjustment of bad debt
    assert made.metrics()["segments"]["k"] >= 2
    assert made.table("scores").empty and made.table("pairs").empty
    assert made.metrics()["campaigns"] == {}


def test_labels_of_one_class_are_said_not_modelled_and_one_customer_is_a_report(small_reports):
    made = small_reports["one_class"]
    assert "No response model yet" in made.page()
    assert "No response model yet" in made.metrics()["response"]["summary"]
    assert made.table("scores").empty and len(made.table("pairs")) > 100
    assert not (made.out / "2017-W44" / "model.safetensors").exists()
    alone = small_reports["one_customer"]
    assert [len(alone.table(name, "2017-W52")) for name in ("features", "segments")] == [1, 1]


def test_no_page_says_nonsense_and_every_step_opens_with_its_answer_and_ends_with_wh(small_reports):
    pages = [p for made in small_reports.values() for p in sorted(made.out.rglob("*.html"))]
    assert len(pages) > 50
    assert [f"{page}: {wrong}" for page in pages for wrong in nonsense_of(page)] == []
    for name, made in small_reports.items():
        pages = sorted(made.out.glob("2*/[0-9]*.html"))
        assert pages, name
        for page in pages:
            html = page.read_text(encoding="utf-8")
            before, *sections = re.split(r"<h2|<details class=.more", html.split("<main>")[1])
            outputs = visible(before).split("?", 1)[1]
            assert len(outputs.split()) > 5, (name, page, outputs)
            last = visible(sections[-1])
            assert "This step wrote" in last and "Made from" in last, (name, page)


@pytest.fixture(scope="module")
def week(small_reports):
    return small_reports["first"].out / "2017-W44"


@pytest.fixture(scope="module")
def pages(week):
    return {name: (week / f"{name}.html").read_text("utf-8") for name in PAGES}


@pytest.mark.parametrize("name", PAGES)
def test_a_page_loads_nothing_shows_no_noise_and_every_picture_has_its_text(pages, name, week):
    page = Page(but_its_own_script(pages[name]))
    for noise in "FloatProgress widget Warning: Traceback <Figure <Axes DataFrame".split():
        assert noise not in page.text, noise
    assert str(week.parent) not in pages[name]
    assert "/tmp/" not in pages[name] and "site-packages" not in pages[name]
    for tag, attrs in page.tags:
        assert not any(name.startswith("on") for name in attrs), tag
        for attribute in ("src", "href", "srcset", "data", "poster", "action"):
            link = attrs.get(attribute) or ""
            assert not re.match(r"\s*(https?:)?//", link), (tag, link)
            if attribute == "src" and attribute in attrs:
                assert link.startswith("data:"), link[:60]
    assert "@import" not in pages[name] and "unsafe-eval" not in pages[name]
    assert not re.search(r"url\(\s*['\"]?(https?:)?//", pages[name])
    assert not page.all("script") and not page.all("iframe") and not page.all("link")
    pictures = page.all("img")
    assert all((picture.get("alt") or "").strip() for picture in pictures)
    # Without effects the pages Uplift and Policy have figures to say, and none to draw.
    assert len(pictures) >= (0 if name in ("01_data", "05_uplift", "07_policy") else 1)
    assert len(page.all("h1")) == 1 and page.all("html")[0]["lang"] == "en"


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
    rows = {row[0]: row[1:] for row in Page(main).rows}
    runs, over = rows["Coupons 14 until 08 Nov"], rows[f"Coupons {MARKUP}13 until 24 Sep"]
    assert runs[:3] == ["day 57 of 66", "1 of 15", "1 [0, 3]"] and runs[4] == "inside its band"
    assert set(runs[3]) <= set("▁▂▃▄▅▆▇█")
    assert over[:2] == ["19 of 67", "28 % [19, 40]"] and over[-1] == "cannot tell"
    assert "Of 67 contacts" not in text  # who unsubscribed is not recorded, which is not 0


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
        assert not top & {cell for row in Page(pages[name]).rows for cell in row}


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
    links = {a["href"] for page in pages.values() for a in Page(page).all("a") if "href" in a}
    places = {link.partition("#")[0] for link in links} - {""}
    assert places and [to for to in places if not (week / to).exists()] == []
