"""A report without kernels: its notebooks' cells run in this process, all else as ever.

What a test asserts of a page, a table or a number is the same either way; a kernel a step, and the
painting of some fifty pictures, cost more than all that is computed.
"""

from __future__ import annotations

import ast
import copy
import functools
import io
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import nbformat
import pytest
from PIL import Image

import promolab
from promolab.errors import PromolabError, StepError
from promolab.folder.run_folder import STEP_VARIABLE
from promolab.language import ENGLISH, show_in, speaking

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["said_in", "value_of", "without_kernels"]


_LOAD_SHOP = promolab.load_shop  # the real one: it is looked up once, patched or not


@contextmanager
def without_kernels(*, painted: bool = False) -> Iterator[pytest.MonkeyPatch]:
    """Let reports run their notebooks in this process; pictures are white unless ``painted``."""
    # A notebook speaks its page's language from then on, which ends with its kernel.
    with speaking(ENGLISH), pytest.MonkeyPatch.context() as patch:
        patch.setattr("promolab.report.running.run.kernels", _no_kernels)
        patch.setattr("promolab.report.running.run.execute", _execute)
        patch.setattr("promolab.report.running.run.usual_workers", lambda: 1)
        patch.setattr("promolab.load_shop", _opened_once(_LOAD_SHOP))
        if not painted:
            patch.setattr("promolab.display.figures.png", _white)
            patch.setattr("promolab.display.page.png", _white)
        try:
            yield patch
        finally:
            show_in(ENGLISH)


def _opened_once(load_shop: Callable[..., Any]) -> Callable[..., Any]:
    """Let a week's steps share the shop that the first one wrote; each kernel opens it anew."""
    opened = functools.cache(lambda folder, written, **options: load_shop(folder, **options))

    def load(source: Any, **options: Any) -> Any:
        kept = Path(source) / "shop.toml"
        if Path(source).name != "shop" or not kept.is_file():
            return load_shop(source, **options)
        return opened(kept.parent.resolve(), kept.stat().st_mtime_ns, **options)

    return load


@contextmanager
def _no_kernels(*_: Any, **__: Any) -> Iterator[Any]:
    yield SimpleNamespace(stopped=False, stop=lambda: None)


def _execute(
    step: Any,
    parameters: Mapping[str, Any],
    *,
    folder: Path,
    shown: Mapping[str, str],
    on_cell: Callable[[int, int], object] | None = None,
    **_: Any,
) -> Any:
    """Run a notebook's cells, as `promolab.report.running.execute.execute` does in a kernel."""
    from papermill.iorw import load_notebook_node
    from papermill.parameterize import parameterize_notebook

    from promolab.report.running import execute

    notebook = load_notebook_node(copy.deepcopy(step.notebook))
    notebook = parameterize_notebook(notebook, dict(parameters), report_mode=False)
    notebook.metadata["language_info"] = {"name": "python", "pygments_lexer": "ipython3"}
    known: dict[str, Any] = {"__name__": "__main__"}
    number = 0
    with speaking(ENGLISH), pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv(STEP_VARIABLE, step.stem)
        for cell in notebook.cells:
            if cell.cell_type == "code" and cell.source.strip():
                number += 1
                cell["execution_count"] = number
                try:
                    cell["outputs"] = _outputs_of(cell.source, known, number, patch)
                except PromolabError as error:
                    raise type(error)(f"{step.stem}: {error}") from error
                except Exception as error:
                    what = f"{type(error).__name__}: {error}"
                    raise StepError(f"step {step.stem} failed in cell {number}: {what}") from error
    return execute._settled(notebook, parameters, {str(folder): ".", **shown})


def _outputs_of(source: str, known: dict[str, Any], number: int, patch: Any) -> list[Any]:
    """Run a cell; return what it printed and showed, in the order of a kernel."""
    from IPython.core.formatters import DisplayFormatter

    made = DisplayFormatter()
    shown: list[Any] = []

    def display(*values: Any, raw: bool = False, metadata: Any = None, **_: Any) -> None:
        for value in values:
            data, about = (value, metadata or {}) if raw else made.format(value)
            shown.append(nbformat.v4.new_output("display_data", data=data, metadata=about))

    patch.setattr("IPython.display.display", display)
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        last = value_of(source, known)
    printed = [
        nbformat.v4.new_output("stream", name=name, text=stream.getvalue())
        for name, stream in (("stderr", err), ("stdout", out))
        if stream.getvalue()
    ]
    if last is not None:
        data, about = made.format(last)
        result = {"data": data, "metadata": about, "execution_count": number}
        shown.append(nbformat.v4.new_output("execute_result", **result))
    return printed + shown


def value_of(source: str, known: dict[str, Any]) -> Any:
    """Run the statements of a cell; return the value of the last one, if it is an expression."""
    tree = ast.parse(source)
    last = tree.body[-1] if tree.body else None
    if isinstance(last, ast.Expr):
        tree.body.pop()
    exec(compile(tree, "cell", "exec"), known)
    if not isinstance(last, ast.Expr) or source.rstrip().endswith(";"):
        return None
    return eval(compile(ast.Expression(last.value), "cell", "eval"), known)


def _white(figure: Figure) -> bytes:
    """Return a white PNG of the figure's size: its place on the page, without what is drawn."""
    width, height = (round(float(inches) * 144) for inches in figure.get_size_inches())
    made = io.BytesIO()
    Image.new("1", (width, height), 1).save(made, "png")
    return made.getvalue()


def said_in(lang: str, made: Path, out: Path, steps: Sequence[str]) -> Path:
    """Return a copy of a week in which these steps ran again for a report in another language.

    The weeks beside it come along into ``out``, the reports folder of the copy.
    """
    from promolab.folder import open_run, read_json, write_json
    from promolab.report.running.page import render_page
    from promolab.report.running.steps import read_steps

    shutil.copytree(made.parent, out, symlinks=True)
    folder = out / made.name
    manifest = read_json(folder / "manifest.json")
    told = manifest["parameters"] | {"lang": lang}
    write_json(folder / "manifest.json", manifest | {"parameters": told})
    run = open_run(folder, week=made.name)
    every = read_steps(folder / "notebooks")
    with without_kernels():
        for step in [step for step in every if step.stem in steps]:
            given = {**told, "folder": "."}
            given = {name: given[name] for name in step.parameters if given.get(name) is not None}
            notebook = _execute(step, given, folder=folder, shown={})
            about = {"week": run.week, "shop": str(manifest["shop"]), "lang": lang}
            page = render_page(notebook, step, every, **about)
            (folder / step.page).write_text(page, encoding="utf-8")
    return folder
