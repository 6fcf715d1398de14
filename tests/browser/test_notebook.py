"""A notebook in a real JupyterLab: tables read as on a page, an error is a sentence in sight."""

import nbformat
import pytest

from tests.browser.lab import KERNEL, WAIT

pytest.importorskip("jupyterlab", reason="the extra lab is not installed")

CELLS = [
    "import pandas as pd, promolab\n"
    "from promolab.display import present, table\n"
    "frame = pd.DataFrame({'segment': ['Thrifty', 'Premium'], 'customers': [960, 1003]})\n"
    "present(table(frame, caption='Largest first.'))",
    *["print('\\n'.join(['above'] * 60))"] * 2,
    "promolab.load_shop('no_such_shop')",
    *["print('\\n'.join(['below'] * 60))"] * 2,
]
_LOOKS = """table => Object.fromEntries(["td.text", "td.number", "th.text", "caption"].map(name => {
  const style = getComputedStyle(table.querySelector(name));
  return [name, [style.textAlign, style.captionSide]];
}))"""


def test_a_table_reads_as_on_a_page_and_run_all_stops_where_an_error_is_seen(chromium, lab_server):
    address, folder = lab_server
    cells = [nbformat.v4.new_code_cell(code) for code in CELLS]
    made = nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": KERNEL})
    nbformat.write(made, folder / "table.ipynb")
    page = chromium.new_page(viewport={"width": 1300, "height": 800})
    page.set_default_timeout(WAIT)
    page.goto(f"{address}/lab/tree/table.ipynb?reset")
    page.locator("#jp-main-statusbar", has_text="| Idle").wait_for()
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
    output = page.locator(".jp-OutputArea-output", has_text="no_such_shop").last
    output.wait_for()
    page.wait_for_function(
        "place => place.getBoundingClientRect().top > 0"
        " && place.getBoundingClientRect().bottom < innerHeight",
        arg=output.element_handle(),
    )
    said = output.inner_text()
    assert said.startswith("InputError: there is no source 'no_such_shop'")
    assert len(said.splitlines()) == 1 and "Traceback" not in said
    assert page.get_by_text("below").count() == 2  # in the code alone: it did not run on
    looks = page.locator(".jp-OutputArea table").first.evaluate(_LOOKS)
    assert looks["td.text"][0] == looks["th.text"][0] == looks["caption"][0] == "left"
    assert looks["td.number"][0] == "right" and looks["caption"][1] == "top"
    page.close()
