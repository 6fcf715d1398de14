"""Run one notebook in a fresh kernel of this Python; turn what goes wrong into a sentence."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from promolab import errors
from promolab.errors import PromolabError, StepError
from promolab.report.running.kernel_pool import Kernels
from promolab.report.running.redaction import (
    UNCHANGED,
    disk_is_full,
    full_disk_error,
    lost_connection_error,
    replace_everywhere,
    says_full,
    says_lost,
    told_again,
)
from promolab.report.running.steps import Step

if TYPE_CHECKING:
    from nbformat import NotebookNode


CELL_TIMEOUT = 1800  # seconds; a cell that takes longer hangs


def execute(
    step: Step,
    parameters: Mapping[str, Any],
    *,
    kernel: Kernels,
    folder: Path,
    failed: Path,
    timeout: int,
    shown: Mapping[str, str],
    hidden: Mapping[str, str] | None = None,
    on_cell: Callable[[int, int], object] | None = None,
) -> NotebookNode:
    """Run a notebook inside a folder. Two may run at once, each on a thread of its own.

    Parameters
    ----------
    step : Step
        The notebook.
    parameters : mapping of str to object
        Those it declares.
    kernel : Kernels
        From `kernels`.
    folder : Path
        Working directory of the notebook: a staging folder inside the reports folder.
    failed : Path
        Where the executed notebook is kept, with its traceback, if it fails.
    timeout : int
        Seconds that one cell may take.
    shown : mapping of str to str
        Machine paths, and what the saved notebook shows in their place.
    hidden : mapping of str to str, optional
        Secrets, and what a failed notebook and errors show in their place.
    on_cell : callable, optional
        Told, before each code cell, its number (from 1) and how many there are.

    Returns
    -------
    NotebookNode
        The executed notebook: no path of this machine, nothing random in it.

    Raises
    ------
    PromolabError
        Of the class that the notebook raised, if it raised one of promolab's.
    StepError
        If it failed in any other way.
    """
    import papermill
    from jupyter_client.kernelspec import NoSuchKernel
    from nbclient.exceptions import CellTimeoutError, DeadKernelError

    name = kernel.prepare(step.stem)
    saved = kernel.folder / f"{name}.ipynb"  # papermill would expand braces in any other path
    try:
        with kernel.manager() as manager, _own_loop():
            notebook = papermill.execute_notebook(
                step.notebook,
                saved,
                parameters=dict(parameters),
                kernel_name=name,
                language="python",
                progress_bar=False,
                # Papermill's own cwd= moves this whole process, and with it the other step's.
                resources={"metadata": {"path": str(folder)}},
                execution_timeout=timeout,
                shutdown_kernel="immediate",
                kernel_manager_class=manager,
                on_cell_execute=_counted(step, parameters, on_cell),
            )
    except papermill.PapermillExecutionError as error:
        raise _failure(step, error, folder, _keep(saved, failed, hidden or {})) from None
    except CellTimeoutError:
        kept = _keep(saved, failed, hidden or {})
        raise StepError(
            f"step {step.stem}: a cell took more than {timeout} seconds{kept}"
        ) from None
    except DeadKernelError:
        if kernel.stopped:
            raise StepError(f"step {step.stem} was stopped") from None
        kept = _keep(saved, failed, hidden or {})
        if disk_is_full(folder):
            raise full_disk_error(folder.parent, UNCHANGED) from None
        raise StepError(
            f"step {step.stem}: its kernel died, often for lack of memory{kept}"
        ) from None
    except (NoSuchKernel, RuntimeError) as error:
        if disk_is_full(folder):
            raise full_disk_error(folder.parent, UNCHANGED) from error
        raise StepError(f"step {step.stem}: its kernel did not start: {error}") from error
    finally:
        saved.unlink(missing_ok=True)
    return _settled(notebook, parameters, {str(folder): ".", **shown})


def _failure(step: Step, error: Any, folder: Path, kept: str) -> PromolabError:
    """Return what a notebook's error means outside."""
    kind = getattr(errors, error.ename, None)
    if isinstance(kind, type) and issubclass(kind, PromolabError):
        where = kept if issubclass(kind, StepError) else ""
        return told_again(kind, f"{step.stem}: {error.evalue}{where}")
    if says_full(error.evalue):
        return full_disk_error(folder.parent, UNCHANGED)
    if "source" in step.parameters and says_lost(error.evalue):
        return lost_connection_error(error.evalue)
    said = " ".join(error.evalue.split())
    return StepError(
        f"step {step.stem} failed in cell {error.exec_count}: {error.ename}: {said}{kept}"
    )


@contextmanager
def _own_loop() -> Iterator[None]:
    """Close the event loop that nbclient made for this thread."""
    import asyncio

    try:
        yield
    finally:
        if threading.current_thread() is not threading.main_thread():
            with suppress(RuntimeError):
                asyncio.get_event_loop_policy().get_event_loop().close()


def _counted(
    step: Step, parameters: Mapping[str, Any], on_cell: Callable[[int, int], object] | None
) -> Callable[..., None]:
    cells = [c for c in step.notebook.cells if c.cell_type == "code" and c.source.strip()]
    total = len(cells) + bool(parameters)  # papermill puts in a cell with them
    numbers = itertools.count(1)

    def tell(**_: Any) -> None:
        if on_cell is not None:
            on_cell(next(numbers), total)

    return tell


def _keep(saved: Path, failed: Path, hidden: Mapping[str, str]) -> str:
    """Keep a failed notebook, without secrets; return a clause that says where, if it could be."""
    import nbformat

    try:
        notebook = nbformat.read(saved, as_version=4)
        replace_everywhere(notebook, hidden)
        failed.parent.mkdir(parents=True, exist_ok=True)
        nbformat.write(notebook, failed)
    except (OSError, ValueError, nbformat.ValidationError):  # none, or no space to keep it
        with suppress(OSError):
            failed.unlink(missing_ok=True)
        return ""
    return f"; the notebook as it ran is {failed}"


def _settled(
    notebook: NotebookNode, parameters: Mapping[str, Any], shown: Mapping[str, str]
) -> NotebookNode:
    for key in ("input_path", "output_path", "parameters"):
        notebook.metadata.papermill.pop(key, None)
    notebook.metadata.pop("widgets", None)  # a widget's state shows nothing without a network
    for cell in notebook.cells:
        if "injected-parameters" in cell.metadata.get("tags", []):
            cell["id"] = "injected-parameters"  # papermill draws it at random
            values = {
                k: shown.get(v, v) if isinstance(v, str) else v for k, v in parameters.items()
            }
            cell["source"] = "\n".join(f"{name} = {value!r}" for name, value in values.items())
        replace_everywhere(cell.get("outputs", []), shown)
    return notebook
