"""The list of weeks, and the notebook that leads to it."""

import re
import shutil
from pathlib import Path

import nbformat
from nbclient import NotebookClient

from promolab.folder import ReportsFolder, write_json
from promolab.report.running.page import write_index
from promolab.report.running.steps import read_steps
from tests.page_policy import but_its_own_script


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
    cells = [re.findall(r"<td[^>]*>(.*?)</td>", row) for row in re.findall(r"<tr>(.*?)</tr>", body)]
    return [[re.sub(r"<[^>]+>", "", cell) for cell in row] for row in cells]


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
    add(
        tmp_path,
        "2017-W43",
        [tile(value, label) for value, label in zip((100, 0.2), told, strict=True)],
    )
    for week, value in (("2017-W44", 112), ("2017-W45", 84)):
        kept = [tile(number, label) for number, label in zip((value, 0.3), told, strict=True)]
        add(tmp_path, week, kept)
        spoken = [one | {"label": told[one["label"]]} for one in kept]
        write_json(tmp_path / week / "spoken.json", {"headlines": spoken})
        chinese = {"status": "good", "parameters": {"lang": "zh"}}
        write_json(tmp_path / week / "manifest.json", chinese)
    html = write_index(ReportsFolder(tmp_path)).read_text()
    assert re.findall("<th[^>]*>(.*?)</th>", html)[1:3] == list(told.values())
    assert [row[1] for row in rows(html)] == ["84 (−25%)", "112 (+12%)", "100"]


def test_the_start_is_no_step_and_runs_where_there_is_no_report(repository: Path, tmp_path):
    shutil.copytree(repository / "notebooks", tmp_path / "notebooks")
    assert read_steps(tmp_path / "notebooks")[0].stem == "01_data"
    notebook = nbformat.read(tmp_path / "notebooks" / "00_start.ipynb", as_version=4)
    client = NotebookClient(notebook, resources={"metadata": {"path": tmp_path / "notebooks"}})
    client.execute()
    shown = [
        output["data"]["text/html"]
        for cell in notebook.cells
        for output in cell.get("outputs", [])
        if "data" in output
    ]
    assert len(shown) == 1 and "../reports/index.html" in shown[0]


def test_the_start_opens_with_its_lists_before_anything_is_run(repository: Path):
    folder = repository / "notebooks"
    cells = nbformat.read(folder / "00_start.ipynb", as_version=4).cells
    written = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    for path in sorted(folder.glob("*.ipynb")):
        if path.stem != "00_start":
            row = re.search(rf"(?m)^\| \[{path.stem}\]\({path.name}\) \| (.*) \|$", written)
            assert row is not None, path.name
            opening = " ".join(nbformat.read(path, as_version=4).cells[0].source.split())
            assert row[1] in opening
