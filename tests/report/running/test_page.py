"""Pages stand alone: nothing loaded, nothing run, code on one click; and the list of weeks."""

import base64
import re

import nbformat

from promolab.display import absent
from promolab.folder import ReportsFolder, write_json
from promolab.report.running.page import _short, chinese_cells, render_page, write_index
from promolab.report.running.steps import Step, read_steps
from promolab.weeks import Week
from tests.in_process import value_of
from tests.page_policy import Page, but_its_own_script

WEEK = Week(2017, 44)


def code(source, *outputs):
    cell = nbformat.v4.new_code_cell(source, id=f"c-{abs(hash(source))}")
    cell.outputs = list(outputs)
    return cell


def shown(**data):
    return nbformat.v4.new_output("display_data", {k.replace("_", "/"): v for k, v in data.items()})


def render(*cells, page="03_segments.html", lang="en", **metadata):
    notebook = nbformat.v4.new_notebook(cells=list(cells))
    notebook.metadata.update(metadata)
    step = Step("03_segments", "Segments", notebook, {}, page)
    other = Step("10_campaign_report", "Campaign report", notebook, {}, "index.html")
    return render_page(notebook, step, [step, other], week=WEEK, shop="Smith <& Sons>", lang=lang)


def test_code_is_one_click_away_on_a_step_which_links_to_the_other_pages(planned):
    html = (planned / "2017-W44" / "01_data.html").read_text()
    step = Page(html)
    seen, hidden = step.outside("style", "script", "details"), step.outside("style", "script")
    assert "write_table" in hidden and "write_table" not in seen and "seed = 0" not in seen
    assert [attrs.get("open", "closed") for attrs in step.all("details")] == ["closed"]
    assert html.rindex("</table>") < html.index("Show the code") < html.index("</main>")
    links = [(a["href"], a.get("aria-current")) for a in step.all("a") if "id" not in a]
    assert links[:3] == [("index.html", None), ("01_data.html", "page"), ("../index.html", None)]
    assert "<title>Data · Toy &amp; Co · 2017-W44</title>" in html


def test_the_report_shows_no_code_its_pictures_carry_text_and_money_is_no_formula(planned):
    report = (planned / "2017-W44" / "index.html").read_text()
    assert "run.read_table" not in report and "<details" not in report
    assert 'href="notebooks/10_campaign_report.ipynb"' in report
    (image,) = Page(report).all("img")
    assert image["alt"] == 'Half of the list holds "most" of the redeemers'
    assert image["width"] == "288"
    assert base64.b64decode(image["src"].partition(",")[2])[:4] == b"\x89PNG"
    assert re.search(r'<h2 id="Customers-cost-\$5,-not-\$6">Customers cost \$5, not \$6', report)


def test_markup_in_the_data_stays_text_and_what_only_a_script_could_show_is_left_out():
    form = {"application/vnd.jupyter.widget-view+json": {"model_id": "1"}}
    widget = nbformat.v4.new_output("display_data", form | {"text/html": "<p>static form</p>"})
    script = nbformat.v4.new_output("display_data", {"application/javascript": "steal()"})
    svg = nbformat.v4.new_output("display_data", {"image/svg+xml": "<svg/>"})
    noise = nbformat.v4.new_output("stream", name="stderr", text="a warning")
    table = shown(text_html="<table><tr><td>1</td></tr></table>", text_plain="1")
    markup = shown(text_plain="<script>alert(1)</script> & co")
    cell = code("", markup, widget, script, svg, noise, table)
    html = render(cell, title="Found", widgets={"state": "LARGE"})
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; co" in html
    assert "week 2017-W44 (30 Oct – 5 Nov)" in html and "<title>Found · Smith &lt;&amp; So" in html
    assert "static form" in html and base64.b64encode(b"<svg/>").decode() in html
    assert "<td>1</td>" in html and "<pre>1</pre>" not in html
    assert not [word for word in ("steal", "a warning", "LARGE") if word in html]


def headed(source, *tags):
    cell = nbformat.v4.new_markdown_cell(source)
    cell.metadata["tags"] = list(tags)
    return cell


def test_the_answer_comes_first_details_are_folded_and_what_shows_nothing_is_one_line():
    answer = code("2", shown(text_html="<p>the answer</p>"))
    answer.metadata["tags"] = ["answer"]
    nothing = absent("Not shown: <nothing> to compare.")._repr_html_()  # as a notebook has it
    page = render(
        headed("# 03 · Segments"),
        headed("| reads | writes |\n|---|---|\n| a | b |", "reads_writes"),
        code("1", shown(text_html="<p>the way</p>")),
        answer,
        headed("## What selection did\n\nIn words."),
        code("8", shown(text_html=nothing)),
        headed("## Whom it changes", "detail"),
        code("3", shown(text_html=nothing)),
        headed("## In part"),
        code("4", shown(text_html=nothing)),
        code("5", shown(text_html="<p>a figure</p>")),
        headed("## Words\n\nOf its own.", "detail"),
        code("7", shown(text_html="<p>a word</p>")),
        headed("## Files written"),
        code("6", shown(text_html="<p>files</p>")),
    )
    main = page[page.index("<main>") :]
    assert main.count("<h2") == 2 and "In words." not in main
    assert main.count("Nothing to show for 2 sections") == 1
    order = "03 · Segments|the answer|the way|In part|a figure|a word|Nothing to show|Files written"
    order += "|files|Made from a."
    places = [main.index(text) for text in order.split("|")]
    assert places == sorted(places)
    folded = [text for stack, text in Page(page).parts if stack.count("details") and text.strip()]
    hidden = {"What selection did.", "Whom it changes.", "Words", "Of its own.", "a word"}
    assert hidden <= set(folded) and not {"In part", "the answer", "Made from a."} & set(folded)
    assert main.count("Not shown: &lt;nothing&gt; to compare.") == 3


def test_a_page_speaks_the_reports_language_and_its_contents_name_subjects_alone() -> None:
    heading = headed("# 03 · Segments")
    heading["id"] = "03-00"
    page = render(heading, lang="zh")
    tabs = page[page.index('<nav aria-label="本周各页">') : page.index("</nav>")]
    assert ">客群</a>" in tabs and ">报告</a>" in tabs and '<html lang="zh-Hans-CN">' in page
    assert "03 · 客群" in page and "03 · Segments" not in page
    assert _short("客群：大单的高端客户核销率最高：13% [12, 15]") == "客群"
    assert _short("Running (4): all inside their band") == "Running (4)"


def test_each_text_cell_of_a_page_stands_in_chinese_with_as_many_paragraphs(repository) -> None:
    texts: dict[str, str] = {}
    chinese = chinese_cells()
    for path in sorted((repository / "notebooks").glob("[01][0-9]_*.ipynb"))[1:]:
        for cell in nbformat.read(path, as_version=4).cells:
            if cell.cell_type == "markdown" and cell.source[0] == "#":
                name = cell.source if cell.source in chinese else cell.id
                assert texts.setdefault(name, cell.source) == cell.source, (path.stem, name)
    assert set(chinese) == set(texts)
    assert [n for n, text in chinese.items() if text.count("\n\n") != texts[n].count("\n\n")] == []


def add(out, week, headlines, status="good"):
    folder = out / week
    folder.mkdir()
    (folder / "index.html").write_text("")
    write_json(folder / "manifest.json", {"status": status})
    write_json(folder / "metrics.json", {"headlines": headlines})


def tile(value, label="Customers", text=None):
    return {"label": label, "text": text or str(value), "value": value}


def rows(html):
    body = html.partition("<tbody>")[2].partition("</tbody>")[0]
    return Page(f"<table>{body}</table>").rows


def test_markup_and_damage_in_the_metrics_do_no_harm(tmp_path):
    write_json(tmp_path / "source.json", {"source": "x", "name": "<b>Shop</b>"})
    add(tmp_path, "2017-W44", [tile(1, "<script>", "<i>"), "nonsense", {"no": "label"}])
    add(tmp_path, "2017-W45", {"not": "a list"})
    (tmp_path / "2017-W45" / "metrics.json").write_text("{broken")
    html = write_index(ReportsFolder(tmp_path)).read_text()
    assert "<script" not in but_its_own_script(html)
    assert "&lt;script&gt;" in html and "&lt;b&gt;Shop" in html
    assert [row[0][:8] for row in rows(html)] == ["2017-W45", "2017-W44"]


def test_weeks_stand_newest_first_with_their_change_and_an_empty_folder_says_so(tmp_path):
    assert "There is no report yet" in write_index(ReportsFolder(tmp_path)).read_text()
    add(tmp_path, "2016-W52", [tile(50)])
    add(tmp_path, "2017-W44", [tile(100), tile(0.2, "Share", "20 %")])
    add(tmp_path, "2017-W45", [tile(112), tile(None, "Share", "–")])
    add(tmp_path, "2017-W46", [tile(84), tile(0.2001, "Share", "20 %")])
    add(tmp_path, "2017-W47", [tile(84.1), tile(0.2, "Share", "20 %")])
    add(tmp_path, "2017-W48", [tile(1)], status="draft")
    html = write_index(ReportsFolder(tmp_path)).read_text()
    assert rows(html) == [
        ["2017-W47 · 20 – 26 Nov", "84.1 (unchanged)", "20 % (unchanged)", "draft"],
        ["2017-W46 · 13 – 19 Nov", "84 (−25 %)", "20 %", "draft"],
        ["2017-W45 · 6 – 12 Nov", "112 (+12 %)", "–", "draft"],
        ["2017-W44 · 30 Oct – 5 Nov", "100", "20 %", "draft"],
        ["2016-W52 · 26 Dec 2016 – 1 Jan 2017", "50", "–", "draft"],
    ]
    assert 'href="2017-W47/index.html"' in html and "W48" not in html
    assert html == write_index(ReportsFolder(tmp_path)).read_text()


def test_a_figure_has_one_column_in_whichever_language_a_week_was_reported(tmp_path):
    told = {"Customers to contact": "待触达客户", "Chance of a loss": "亏损概率"}
    for week, value in (("2017-W43", 100), ("2017-W44", 112), ("2017-W45", 84)):
        kept = [tile(number, label) for number, label in zip((value, 0.3), told, strict=True)]
        add(tmp_path, week, kept)
        if week != "2017-W43":
            spoken = [one | {"label": told[one["label"]]} for one in kept]
            write_json(tmp_path / week / "spoken.json", {"headlines": spoken})
            chinese = {"status": "good", "parameters": {"lang": "zh"}}
            write_json(tmp_path / week / "manifest.json", chinese)
    html = write_index(ReportsFolder(tmp_path)).read_text()
    assert re.findall("<th[^>]*>(.*?)</th>", html)[1:3] == list(told.values())
    assert [row[1] for row in rows(html)] == ["84 (−25%)", "112 (+12%)", "100"]


def test_the_start_is_no_step_and_runs_without_a_report(repository, tmp_path, monkeypatch):
    folder = repository / "notebooks"
    assert read_steps(folder)[0].stem == "01_data"
    notebook = nbformat.read(folder / "00_start.ipynb", as_version=4)
    monkeypatch.chdir(tmp_path)
    known: dict[str, object] = {}
    code = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    (shown,) = filter(None, [value_of(source, known) for source in code])
    assert "../reports/index.html" in shown._repr_html_()

    # It opens with its lists before anything is run.
    written = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    for path in {*folder.glob("*.ipynb")} - {folder / "00_start.ipynb"}:
        row = re.search(rf"(?m)^\| \[{path.stem}\]\({path.name}\) \| (.*) \|$", written)
        assert row is not None, path.name
        assert row[1] in " ".join(nbformat.read(path, as_version=4).cells[0].source.split())
