"""The notebooks with explorers, run from above: each shows a figure that stands still."""

import re
from typing import Any

import nbformat

from promolab.report.running.execute import execute, kernels
from promolab.report.running.steps import Step
from tests.in_process import value_of
from tests.widgets.explored import WEEK

SHOWS = {
    "explore_budget": "customers are planned",
    "explore_customer": "weeks before the decision",
    "explore_design": "net incremental profit",
    "explore_experiment": "will show a difference of",
    "explore_review": "Draft: ",
    "explore_segments": "adjusted Rand index of refits",
    "explore_threshold": "of those who respond",
}
"""What the figure of each says."""


def test_each_shows_its_figure_where_nobody_is_there(explored_week, repository, tmp_path):
    paths = sorted((repository / "notebooks").glob("explore_*.ipynb"))
    assert [path.stem for path in paths] == list(SHOWS)
    given = {"week": WEEK, "reports": str(explored_week.reports.path)}
    for path in paths:
        known: dict[str, Any] = {}
        for cell in nbformat.read(path, 4).cells:
            if cell.cell_type == "code":
                shown = value_of(cell.source, known)
                known |= {name: told for name, told in given.items() if name in known}
        stands_still(shown._repr_mimebundle_(), path.stem)
    # As papermill runs it, in a kernel.
    step = Step("explore_experiment", "", nbformat.read(paths[3], 4), {}, "")
    with kernels() as kernel:
        made = execute(
            step, {}, kernel=kernel, folder=tmp_path, failed=tmp_path / "failed.ipynb",
            timeout=120, shown={}, hidden={},
        )  # fmt: skip
    *_, last = (cell for cell in made.cells if cell.cell_type == "code")
    stands_still(last.outputs[0].data, step.stem)


def stands_still(shown: dict[str, str], name: str) -> None:
    assert set(shown) == {"text/plain", "text/html"}, name  # no widget
    figure = shown["text/html"]
    assert re.search(r'<svg[^>]* aria-label="[^"]', figure), name
    assert SHOWS[name] in figure and 'role="alert"' not in figure, name
