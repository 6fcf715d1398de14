"""The list of weeks."""

import re

from promolab.folder import ReportsFolder, write_json
from promolab.report.running.index import write_index
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
