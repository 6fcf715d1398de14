"""Run one notebook in a fresh kernel of this Python; turn what goes wrong into a sentence."""

from __future__ import annotations

import ast
import itertools
import json
import logging
import os
import shutil
import signal
import site
import sys
import tempfile
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import promolab
from promolab import errors
from promolab.engines import scratch
from promolab.errors import PromolabError, StepError
from promolab.folder import SECRET, SECRET_FILE, STEP_VARIABLE
from promolab.report.running.failures import (
    UNCHANGED,
    disk_is_full,
    full_disk_error,
    lost_connection_error,
    says_full,
    says_lost,
)
from promolab.report.running.parameters import Step
from promolab.report.running.shown import replace_everywhere, told_again
from promolab.report.running.warm import WarmProcess

if TYPE_CHECKING:
    from nbformat import NotebookNode


CELL_TIMEOUT = 1800  # seconds; a cell that takes longer hangs

WORTH_WARMING = 3  # steps; the imports of one or two cost less than those of the warm process
_NOISY = ("papermill", "nbclient", "traitlets", "asyncio")


class Kernels:
    """Where kernels come from during one run, and who ends them.

    Parameters
    ----------
    folder : Path
        Temporary folder with the kernelspecs and all that Jupyter writes beside them.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.stopped = False
        self.warm: WarmProcess | None = None
        self._groups: set[int] = set()
        self._lock = threading.Lock()

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
        env = self.environment() | {STEP_VARIABLE: step}
        spec = {"argv": argv, "env": env, "display_name": "promolab", "language": "python"}
        # One of its own for each step: two may start at once. Jupyter allows few letters in a name.
        name = f"promolab-{step.encode().hex()}"
        path = self.folder / "kernels" / name / "kernel.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(spec), encoding="utf-8")
        return name

    def environment(self) -> dict[str, str]:
        """Return the variables that every kernel of the run starts with."""
        env = {
            "PYTHONHASHSEED": "0",
            "PYDEVD_DISABLE_FILE_VALIDATION": "1",
            "IPYTHONDIR": str(self.folder / "ipython"),  # no start-up files of the user's
            "MPLBACKEND": "module://matplotlib_inline.backend_inline",
            **dict.fromkeys((SECRET, SECRET_FILE), ""),  # the folder's key is there already
        }
        root = str(Path(promolab.__file__).resolve().parents[1])
        if root not in map(os.path.realpath, [*site.getsitepackages(), site.getusersitepackages()]):
            # Run from a checkout that may not be installed.
            rest = os.environ.get("PYTHONPATH")
            env["PYTHONPATH"] = os.pathsep.join([root, rest] if rest else [root])
        return env

    @contextmanager
    def manager(self) -> Iterator[type]:
        """Give a class of kernel managers whose kernels `stop` ends, while they run."""
        from jupyter_client.manager import AsyncKernelManager
        from jupyter_client.provisioning import LocalProvisioner

        kernels, started = self, list[int]()
        warm = self.warm

        class Forked(LocalProvisioner):
            async def launch_kernel(self, cmd: list[str], **options: Any) -> Any:
                try:
                    made = None if warm is None else warm.fork(cmd, options["cwd"], options["env"])
                except OSError:  # it is gone; a fresh kernel takes longer and does the same
                    made = None
                if made is None:
                    return await super().launch_kernel(cmd, **options)
                self.process = made  # type: ignore[assignment]
                self.pid = self.pgid = made.pid
                return self.connection_info

        class Manager(AsyncKernelManager):
            async def start_kernel(self, **options: Any) -> None:  # type: ignore[override]
                if self.provisioner is None:
                    self.provisioner = Forked(
                        kernel_id=self.kernel_id, kernel_spec=self.kernel_spec, parent=self
                    )
                await super().start_kernel(**options)
                group = getattr(self.provisioner, "pgid", None)
                if group is not None:
                    started.append(group)
                    kernels._add(group)

        try:
            yield Manager
        finally:
            with self._lock:
                self._groups.difference_update(started)

    def stop(self) -> None:
        """End all kernels that run, and each one that is about to start."""
        with self._lock:
            self.stopped = True
            for group in self._groups:
                _kill(group)

    def _add(self, group: int) -> None:
        with self._lock:
            self._groups.add(group)
            if self.stopped:
                _kill(group)


def _kill(group: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)


@contextmanager
def kernels(steps: Sequence[Step] = ()) -> Iterator[Kernels]:
    """Make kernels of this Python available and other people's chatter silent, for one run.

    Parameters
    ----------
    steps : sequence of Step
        What their notebooks import is imported once for all kernels, where the system can fork.

    Yields
    ------
    Kernels
    """
    # Inside this process's own folder: if it is killed, the next one clears it away.
    folder = Path(tempfile.mkdtemp(prefix="kernels-", dir=scratch()))
    (folder / "runtime").mkdir(mode=0o700)
    changed = {
        "JUPYTER_PATH": os.pathsep.join(
            [str(folder), *filter(None, [os.environ.get("JUPYTER_PATH")])]
        ),
        "JUPYTER_RUNTIME_DIR": str(folder / "runtime"),
        "JUPYTER_PLATFORM_DIRS": "1",
    }
    before = {name: os.environ.get(name) for name in changed}
    made: Kernels | None = None
    levels = {name: logging.getLogger(name).level for name in _NOISY}
    os.environ.update(changed)
    for name in _NOISY:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            made = Kernels(folder)
            if WarmProcess.possible() and len(steps) >= WORTH_WARMING:
                made.warm = WarmProcess(made.environment(), _imports(steps))
            yield made
    finally:
        if made is not None and made.warm is not None:
            made.warm.close()
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)
        shutil.rmtree(folder, ignore_errors=True)


def _imports(steps: Sequence[Step]) -> list[str]:
    """Return what notebooks import, as modules and ``module:name``."""
    names: dict[str, None] = {}
    for step in steps:
        for cell in step.notebook.cells:
            with suppress(SyntaxError):  # a magic; the cell itself will run
                for node in ast.parse(cell.source).body if cell.cell_type == "code" else ():
                    if isinstance(node, ast.Import):
                        names |= dict.fromkeys(alias.name for alias in node.names)
                    elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                        names |= dict.fromkeys(f"{node.module}:{a.name}" for a in node.names)
    return list(names)


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
