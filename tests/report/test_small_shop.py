"""Reports of a small shop: repeatable, safe against markup, and telling of what they lack."""

import hashlib
import re
from pathlib import Path

import pytest

from tests.page_policy import but_its_own_script
from tests.wording_lint import nonsense_of, visible

SUFFIXES = {".parquet", ".json", ".html"}
STEP = re.compile(r"promolab: \d\d_\w+: [A-Z][a-z ]+ \(\d+ of 10\)")
NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
PAGES = ["index", *sorted(path.stem for path in NOTEBOOKS.glob("0[1-9]_*.ipynb"))]
# Pages show the parameters that a run was given.
THREADS = re.compile(rb'(threads</span> <span class="o">=</span> <span class="mi">)[12](?=</span>)')


def digests(week: Path) -> dict[str, str]:
    return {
        str(path.relative_to(week)): hashlib.sha256(
            THREADS.sub(rb"\1?", path.read_bytes())
        ).hexdigest()
        for path in sorted(week.rglob("*"))
        if path.suffix in SUFFIXES and path.name != "manifest.json"
    }


def test_every_report_succeeds_quietly_and_prints_its_path_last(small_reports):
    assert small_reports
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


def test_two_runs_are_equal_to_the_byte_one_made_a_step_at_a_time_on_one_thread(small_reports):
    first, again = (digests(small_reports[n].out / "2017-W44") for n in ("first", "again"))
    assert len(first) > 20 and {Path(name).suffix for name in first} == SUFFIXES
    # Both state the same secret, so their pseudonyms are the same.
    assert first == again


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
    page = made.page(week, "09_learning")
    assert not re.search(r"\b(nan|NaN|NaT|None of 0|Traceback)\b", page)
    assert "records no ratings" in page
    data = {k: v for k, v in made.metrics(week)["data"].items() if "rows_in" in v}
    assert "events" in data
    for rows in data.values():
        parts = ("rows_dated_later", "rows_kept", "rows_quarantined")
        assert rows["rows_in"] == sum(rows[part] for part in parts)


def test_where_nothing_starts_nobody_is_ranked_and_else_everybody(small_reports):
    page = small_reports["first"].page("2017-W45")
    assert "Nothing starts this week" in page and "nobody to rank" in page
    assert small_reports["first"].table("scores", "2017-W45").empty
    assert len(small_reports["first"].table("backtest", "2017-W45")) > 0
    made = small_reports["first"]
    assert len(made.table("scores")) == len(made.table("features"))
    assert set(made.table("scores")["promotion_id"]) == {"18"}


def test_an_early_week_says_what_it_lacks(small_reports):
    made = small_reports["early"]
    page = made.page("2017-W19")
    assert "tested" in page and "top 40 %" not in page
    assert "far 0 past promotions" not in page
    assert not re.search(r"\b(nan|NaN|None|NaT)\b", page)
    assert (
        made.metrics("2017-W19")["response"]["auc"] is None
        or made.table("backtest", "2017-W19")["y"].nunique() == 2
    )


def test_an_export_of_invoice_lines_gets_segments_and_the_reason_for_no_more(small_reports):
    made = small_reports["invoices"]
    page = made.page()
    assert "no table says what ran" in page
    parts = ("Sales per order", "Repeat rate", "Sales and margin", "Who comes back")
    for part in (*parts, "without customer"):
        assert part in page, part
    for part in ("Launching", "Running", "Track record", "redemption", "response rate"):
        assert part not in page, part
    rows = made.metrics()["data"]["events"]
    assert rows["rows_quarantined"] >= 2  # no customer, and an adjustment of bad debt
    assert made.metrics()["segments"]["k"] >= 2
    assert made.table("scores").empty and made.table("pairs").empty
    assert made.metrics()["campaigns"] == {}


def test_labels_of_one_class_are_said_not_modelled(small_reports):
    made = small_reports["one_class"]
    assert "No response model yet" in made.page()
    assert "No response model yet" in made.metrics()["response"]["summary"]
    assert made.table("scores").empty and len(made.table("pairs")) > 100
    assert not (made.out / "2017-W44" / "model.safetensors").exists()


def test_one_customer_is_a_report_too_in_the_last_week_of_the_data(small_reports):
    made = small_reports["one_customer"]
    assert len(made.table("features", "2017-W52")) == 1
    assert len(made.table("segments", "2017-W52")) >= 1
    assert not re.search(r"\b(nan|NaN|NaT)\b", made.page("2017-W52"))


def test_no_page_says_nonsense_and_every_step_opens_with_its_answer_and_ends_with_wh(small_reports):
    pages = [p for made in small_reports.values() for p in sorted(made.out.rglob("*.html"))]
    assert len(pages) > 50
    found = [f"{page}: {wrong}" for page in pages for wrong in nonsense_of(page)]
    assert found == []
    assert small_reports
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
