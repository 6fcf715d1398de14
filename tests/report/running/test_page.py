"""Pages stand alone: nothing loaded, nothing run, code on one click."""

import base64
import io
import re

import nbformat
import pytest

from promolab.display import absent
from promolab.report.running.page import _short, chinese_cells, render_page
from promolab.report.running.steps import Step
from promolab.weeks import Week
from tests.page_policy import Page, but_its_own_script
from tests.refused import refused

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


def all_pages(published):
    return [*published.glob("*.html"), *(published / "2017-W44").glob("*.html")]


def test_a_page_may_do_nothing_but_show_itself(published):
    pages = all_pages(published)
    assert len(pages) == 3
    for path in pages:
        page = Page(but_its_own_script(path.read_text()))
        assert not any(name.startswith("on") for _, attrs in page.tags for name in attrs)
        policy = page.all("meta")[1]["content"]
        assert policy.startswith("default-src 'none'; img-src data:;")
        assert "script-src 'sha256-" in policy and "unsafe-eval" not in policy
        for href in (attrs["href"] for attrs in page.all("a")):
            assert href.startswith("#") or (path.parent / href).exists(), href


def test_code_is_one_click_away_on_a_step_and_absent_from_the_report(published):
    step = Page((published / "2017-W44" / "01_data.html").read_text())
    hidden = step.outside("style", "script")
    assert "write_table" in hidden and "PARAMETERS" not in hidden
    assert "write_table" not in step.outside("style", "script", "details")
    assert "seed = 0" not in step.outside("style", "script", "details")
    assert len(step.all("details")) == 1  # of a section all code is behind one click
    assert all("open" not in attrs for attrs in step.all("details"))
    report = (published / "2017-W44" / "index.html").read_text()
    assert "run.read_table" not in report and "<details" not in report
    assert 'href="notebooks/10_campaign_report.ipynb"' in report


def test_pictures_carry_their_text_headings_can_be_linked_to_and_money_is_no_formula(published):
    page = Page((published / "2017-W44" / "index.html").read_text())
    (image,) = page.all("img")
    assert image["alt"] == 'Half of the list holds "most" of the redeemers'
    assert image["width"] == "288"
    assert base64.b64decode(image["src"].partition(",")[2])[:4] == b"\x89PNG"
    report = (published / "2017-W44" / "index.html").read_text()
    assert re.search(r'<h2 id="Customers-cost-\$5,-not-\$6">Customers cost \$5, not \$6', report)


def test_markup_in_the_data_stays_text():
    html = render(code("", shown(text_plain="<script>alert(1)</script> & co")))
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; co" in html
    assert "week 2017-W44 (30 Oct – 5 Nov)" in html and "Smith &lt;&amp; Sons&gt;" in html


def test_links_between_pages_and_title(published):
    step = Page((published / "2017-W44" / "01_data.html").read_text())
    links = [(a["href"], a.get("aria-current")) for a in step.all("a") if "id" not in a]
    assert links[:3] == [("index.html", None), ("01_data.html", "page"), ("../index.html", None)]
    assert (
        "<title>Data · Toy &amp; Co · 2017-W44</title>"
        in (published / "2017-W44" / "01_data.html").read_text()
    )
    assert "<title>Found · Smith" in render(title="Found")


def test_what_only_a_script_could_show_is_left_out():
    widget = nbformat.v4.new_output(
        "display_data",
        {
            "application/vnd.jupyter.widget-view+json": {"model_id": "1"},
            "text/html": "<p>static form</p>",
        },
    )
    script = nbformat.v4.new_output("display_data", {"application/javascript": "steal()"})
    noise = nbformat.v4.new_output("stream", name="stderr", text="a warning")
    html = render(code("x", widget, script, noise), widgets={"state": "LARGE"})
    assert "static form" in html
    assert "steal" not in html and "a warning" not in html and "LARGE" not in html


def test_equal_notebooks_give_equal_pages_tables_keep_their_html_and_svg_is_embedded():
    html = render(
        code("x", shown(text_html="<table><tr><td>1</td></tr></table>", text_plain="1")),
        code("y", nbformat.v4.new_output("display_data", {"image/svg+xml": "<svg/>"})),
    )
    assert "<td>1</td>" in html and "<pre>1</pre>" not in html
    assert base64.b64encode(b"<svg/>").decode() in html
    cells = [code("import os", shown(text_plain="1")), nbformat.v4.new_markdown_cell("# T", id="m")]
    assert render(*cells) == render(*cells)


@pytest.mark.parametrize("form", ["axes", "array", "figure"])
def test_show_takes_whatever_a_plot_returns(form, capsys):
    from matplotlib import pyplot

    from promolab.display.figures import show

    figure, axes = pyplot.subplots(1, 2)
    show({"axes": axes[1], "array": axes, "figure": figure}[form], "What it  says")
    assert not pyplot.fignum_exists(figure.number)


def test_a_figure_needs_its_text():
    from matplotlib.figure import Figure

    from promolab.display.figures import png, show

    refused("say in a sentence what the figure shows", show, Figure(), "  ")
    refused("takes Axes or a Figure, not int", show, 3, "a number")
    figure = Figure(figsize=(2, 1))
    figure.subplots().plot([1, 2])
    assert png(figure) == png(figure) and b"Software" not in png(figure)
    from PIL import Image

    assert Image.open(io.BytesIO(png(figure))).size == (288, 144)


def headed(source, *tags):
    cell = nbformat.v4.new_markdown_cell(source)
    cell.metadata["tags"] = list(tags)
    return cell


def test_sections_without_anything_to_show_are_one_line():
    nothing = absent("Not shown: <nothing> to compare.")._repr_html_()  # as a notebook has it
    page = render(
        headed("# 05 · Uplift"),
        code("1", shown(text_html="<p>the answer</p>")),
        headed("## What selection did\n\nIn words."),
        code("2", shown(text_html=nothing)),
        headed("## Whom it changes", "detail"),
        code("3", shown(text_html=nothing)),
        headed("## In part"),
        code("4", shown(text_html=nothing)),
        code("5", shown(text_html="<p>a figure</p>")),
        headed("## Words", "detail"),
        code("7", shown(text_html="<p>a word</p>")),
        headed("## Files written"),
        code("6", shown(text_html="<p>files</p>")),
    )
    main = page[page.index("<main>") :]
    assert main.count("<h2") == 2 and "In words." not in main
    assert main.count("Nothing to show for 2 sections") == 1
    order = ["the answer", "In part", "a figure", "Nothing to show", "Files written", "files"]
    places = [main.index(text) for text in order]
    assert places == sorted(places)
    assert main.index("a word") < main.index("</details>", main.index("a word")) < places[3]
    folded = [text for stack, text in Page(page).parts if stack.count("details") and text.strip()]
    assert "What selection did." in folded and "Whom it changes." in folded
    assert main.count("Not shown: &lt;nothing&gt; to compare.") == 3


def test_the_answer_comes_first_details_are_folded_and_what_is_read_stands_last():
    answer = code("2", shown(text_html="<p>the answer</p>"))
    answer.metadata["tags"] = ["answer"]
    page = render(
        headed("# 03 · Segments"),
        headed("| reads | writes |\n|---|---|\n| a | b |", "reads_writes"),
        code("1", shown(text_html="<p>the way</p>")),
        headed("## How it was found\n\nIn words.", "detail"),
        code("3", shown(text_html="<p>a detail</p>")),
        headed("## Plain"),
        answer,
    )
    order = ["03 · Segments", "the answer", "the way", "a detail", "Plain", "Made from a."]
    places = [page.index(text, page.index("<main>")) for text in order]
    assert places == sorted(places)
    folded = [text for stack, text in Page(page).parts if stack.count("details") and text.strip()]
    assert "How it was found" in folded and "a detail" in folded and "In words." in folded
    assert not {"Plain", "the answer", "Made from a."} & set(folded)


def test_code_stands_once_at_the_end_of_a_page() -> None:
    parts = [
        part
        for n in (1, 2)
        for part in (headed(f"## Part {n}"), code(f"made = {n}", shown(text_plain=str(n))))
    ]
    page = render(*parts)
    assert page.count("Show the code") == 1
    assert page.rindex("<h2") < page.index("Show the code") < page.index("</main>")


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
    for path in sorted((repository / "notebooks").glob("0[1-9]_*.ipynb")):
        cells = nbformat.read(path, as_version=4).cells
        texts = {c.id: c.source for c in cells if c.cell_type == "markdown" and c.source[0] == "#"}
        chinese, headings = chinese_cells()[path.stem], chinese_cells()["headings"]
        assert set(chinese) == {n for n, text in texts.items() if text not in headings}, path.stem
        for name, text in chinese.items():
            assert text.count("\n\n") == texts[name].count("\n\n"), (path.stem, name)
