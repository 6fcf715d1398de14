"""Run one notebook in a fresh kernel of this Python; turn what goes wrong into a sentence."""

from __future__ import annotations

import json
import logging
import os
import shutil
import site
import sys
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import promolab
from promolab import errors
from promolab.errors import InputError, StepError
from promolab.report.artifacts import STEP_VARIABLE
from promolab.report.parameters import Step

if TYPE_CHECKING:
    from nbformat import NotebookNode

__all__ = ["Kernels", "execute", "kernels"]

_KERNEL = "promolab-report"
_NOISY = ("papermill", "nbclient", "traitlets", "asyncio")


@dataclass(frozen=True)
class Kernels:
    """Where kernels come from during one run.

    Parameters
    ----------
    folder : Path
        Temporary folder with the kernelspec and all that Jupyter writes beside it.
    """

    folder: Path

    def prepare(self, step: str) -> str:
        """Write the kernelspec for a step and return its name.

        Parameters
        ----------
        step : str
            The notebook's stem; the kernel finds it in its environment.

        Returns
        -------
        str
        """
        # A kernelspec called python3 may be a stale one of the user's, of another Python.
        argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        argv += ["--log-level=ERROR", "--HistoryManager.enabled=False"]
        env = {
            "PYTHONHASHSEED": "0",
            "PYDEVD_DISABLE_FILE_VALIDATION": "1",
            "IPYTHONDIR": str(self.folder / "ipython"),  # no start-up files of the user's
            STEP_VARIABLE: step,
        }
        root = str(Path(promolab.__file__).resolve().parents[1])
        if root not in map(os.path.realpath, [*site.getsitepackages(), site.getusersitepackages()]):
            # Run from a checkout that may not be installed.
            rest = os.environ.get("PYTHONPATH")
            env["PYTHONPATH"] = os.pathsep.join([root, rest] if rest else [root])
        spec = {"argv": argv, "env": env, "display_name": "promolab", "language": "python"}
        path = self.folder / "kernels" / _KERNEL / "kernel.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(spec), encoding="utf-8")
        return _KERNEL


@contextmanager
def kernels() -> Iterator[Kernels]:
    """Make kernels of this Python available and other people's chatter silent, for one run.

    Yields
    ------
    Kernels
    """
    folder = Path(tempfile.mkdtemp(prefix="promolab-"))
    (folder / "runtime").mkdir(mode=0o700)
    changed = {
        "JUPYTER_PATH": os.pathsep.join(
            [str(folder), *filter(None, [os.environ.get("JUPYTER_PATH")])]
        ),
        "JUPYTER_RUNTIME_DIR": str(folder / "runtime"),
        "JUPYTER_PLATFORM_DIRS": "1",
    }
    before = {name: os.environ.get(name) for name in changed}
    levels = {name: logging.getLogger(name).level for name in _NOISY}
    os.environ.update(changed)
    for name in _NOISY:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield Kernels(folder)
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)
        shutil.rmtree(folder, ignore_errors=True)


def execute(
    step: Step,
    parameters: Mapping[str, Any],
    *,
    kernel: Kernels,
    folder: Path,
    failed: Path,
    timeout: int,
    shown: Mapping[str, str],
) -> NotebookNode:
    """Run a notebook inside a folder.

    Parameters
    ----------
    step : Step
        The notebook.
    parameters : mapping of str to object
        Those it declares.
    kernel : Kernels
        From `kernels`.
    folder : Path
        Working directory of the notebook.
    failed : Path
        Where the executed notebook is kept, with its traceback, if it fails.
    timeout : int
        Seconds that one cell may take.
    shown : mapping of str to str
        Machine paths, and what the saved notebook shows in their place.

    Returns
    -------
    NotebookNode
        The executed notebook: no path of this machine, nothing random in it.

    Raises
    ------
    InputError
        If the notebook raised one: the data or a parameter cannot be used.
    StepError
        If it failed in any other way.
    """
    import papermill
    from jupyter_client.kernelspec import NoSuchKernel
    from nbclient.exceptions import CellTimeoutError, DeadKernelError

    saved = kernel.folder / "executed.ipynb"  # papermill would expand braces in any other path
    saved.unlink(missing_ok=True)
    kept = f"the notebook as it ran is {failed}"
    try:
        notebook = papermill.execute_notebook(
            step.notebook,
            saved,
            parameters=dict(parameters),
            kernel_name=kernel.prepare(step.stem),
            language="python",
            progress_bar=False,
            cwd=folder,
            execution_timeout=timeout,
            shutdown_kernel="immediate",
        )
    except papermill.PapermillExecutionError as error:
        _keep(saved, failed)
        if _is_input_error(error.ename):
            raise InputError(f"{step.stem}: {error.evalue}") from None
        raise StepError(
            f"step {step.stem} failed in cell {error.exec_count}: "
            f"{error.ename}: {error.evalue}; {kept}"
        ) from None
    except CellTimeoutError:
        _keep(saved, failed)
        raise StepError(
            f"step {step.stem}: a cell took more than {timeout} seconds; {kept}"
        ) from None
    except DeadKernelError:
        _keep(saved, failed)
        raise StepError(
            f"step {step.stem}: its kernel died, often for lack of memory; {kept}"
        ) from None
    except (NoSuchKernel, RuntimeError) as error:
        raise StepError(f"step {step.stem}: its kernel did not start: {error}") from error
    return _settled(notebook, parameters, {str(folder): ".", **shown})


def _is_input_error(name: str) -> bool:
    kind = getattr(errors, name, None)
    return isinstance(kind, type) and issubclass(kind, InputError)


def _keep(saved: Path, failed: Path) -> None:
    if saved.exists():
        failed.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(saved, failed)


def _settled(
    notebook: NotebookNode, parameters: Mapping[str, Any], shown: Mapping[str, str]
) -> NotebookNode:
    for key in ("input_path", "output_path", "parameters"):
        notebook.metadata.papermill.pop(key, None)
    notebook.metadata.pop("widgets", None)  # a widget's state shows nothing without a network
    paths = sorted(shown, key=len, reverse=True)
    for cell in notebook.cells:
        if "injected-parameters" in cell.metadata.get("tags", []):
            cell["id"] = "injected-parameters"  # papermill draws it at random
            values = {
                k: shown.get(v, v) if isinstance(v, str) else v for k, v in parameters.items()
            }
            cell["source"] = "\n".join(f"{name} = {value!r}" for name, value in values.items())
        for output in cell.get("outputs", []):
            for path in paths:
                _replace(output, path, shown[path])
    return notebook


def _replace(node: Any, old: str, new: str) -> None:
    """Replace a text wherever it stands in an output, in place."""
    for key in list(node) if isinstance(node, dict) else range(len(node)):
        value = node[key]
        if isinstance(value, str):
            node[key] = value.replace(old, new)
        elif isinstance(value, (dict, list)):
            _replace(value, old, new)
