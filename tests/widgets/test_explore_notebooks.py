"""The notebooks with explorers, run by papermill: each shows a figure that stands still."""

import re
from typing import Any

import nbformat
from nbconvert import HTMLExporter

from promolab.report.running.execute import execute, kernels
from promolab.report.running.steps import Step
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


def test_papermill_runs_each_and_its_page_has_the_figure_alone(explored_week, repository, tmp_path):
    paths = sorted((repository / "notebooks").glob("explore_*.ipynb"))
    assert [path.stem for path in paths] == list(SHOWS)
    steps = [Step(p.stem, p.stem, nbformat.read(p, 4), {}, f"{p.stem}.html") for p in paths]
    given: dict[str, Any] = {"week": WEEK, "reports": str(explored_week.reports.path)}
    exporter = HTMLExporter()  # reads its templates once
    with kernels(steps) as kernel:
        for step in steps:
            own = {} if step.stem in {"explore_design", "explore_experiment"} else given
            made = execute(
                step, own, kernel=kernel, folder=tmp_path, failed=tmp_path / "failed.ipynb",
                timeout=120, shown={}, hidden={},
            )  # fmt: skip
            page, _ = exporter.from_notebook_node(made)
            figure = page[page.index('<div class="promolab-explorer">') :]
            assert re.search(r'<svg[^>]* aria-label="[^"]', figure), step.stem
            assert SHOWS[step.stem] in figure and 'role="alert"' not in figure, step.stem
            assert "widget-view" not in page, step.stem
