"""What an analyst finds first."""

import json
import re
import shutil
from pathlib import Path

import nbformat
from nbclient import NotebookClient

from promolab.report import list_weeks
from promolab.report.running.parameters import read_steps


def a_week(reports: Path, week: str, **more) -> None:
    folder = reports / week
    folder.mkdir(parents=True)
    (folder / "index.html").write_text("the report")
    (folder / "manifest.json").write_text(json.dumps({"status": "good", **more}))
    tiles = [
        {"label": "Customers to contact", "text": "925"},
        {"label": "Break-even", "text": "3.4 <USD>"},
        {"label": "One too many", "text": "7"},
    ]
    (folder / "metrics.json").write_text(json.dumps({"headlines": tiles}))


def test_weeks_are_listed_newest_first_with_their_state_and_figures(tmp_path):
    assert "promolab report makes one" in list_weeks(tmp_path).text
    a_week(tmp_path, "2017-W43", state="released")
    a_week(tmp_path, "2017-W44")
    (tmp_path / "source.json").write_text(json.dumps({"source": "x", "name": "Corner & Co"}))
    shown = list_weeks(tmp_path).text
    assert shown.index("2017-W44/index.html") < shown.index("2017-W43/index.html")
    assert "30 Oct – 5 Nov" in shown and ">released<" in shown and ">draft<" in shown
    assert "Customers to contact: 925 · Break-even: 3.4 &lt;USD&gt;" in shown
    assert "One too many" not in shown and "Corner &amp; Co, newest first" in shown


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
    assert len(shown) == 1 and "There is no report in ../reports yet" in shown[0]


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
