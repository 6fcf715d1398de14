"""A notebook in a real JupyterLab: tables read as on a page, an error is a sentence in sight."""

import pytest

from tests.browser.lab import run_all

pytest.importorskip("jupyterlab", reason="the extra lab is not installed")
pytestmark = pytest.mark.when_changed("tests")

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
    page = chromium.new_page(viewport={"width": 1300, "height": 800})
    run_all(page, *lab_server, CELLS)
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
