"""Run one notebook in a kernel of this Python; turn what goes wrong into a sentence.

Kernels come from a process that has imported what the steps import and forks itself: a fresh kernel
spends two seconds of processor time on imports, a forked one none. On Linux alone: elsewhere,
forking a process that has loaded graphics libraries is not safe.
"""

from __future__ import annotations

import ast
import functools
import gc
import importlib
import json
import logging
import os
import shutil
import signal
import site
import socket
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import promolab
from promolab import errors
from promolab.engines import scratch
from promolab.errors import PromolabError, StepError
from promolab.folder import SECRET, SECRET_FILE, STEP_VARIABLE
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

if TYPE_CHECKING:
    from nbformat import NotebookNode

    from promolab.report.running.steps import Step

CELL_TIMEOUT = 1800  # seconds; a cell that takes longer hangs
FORKS = sys.platform == "linux"
"""Whether kernels can be forked on this system."""
WORTH_WARMING = 3  # steps; the imports of one or two cost less than those of the warm process
_NOISY = ("papermill", "nbclient", "traitlets", "asyncio")
LIBRARIES = (
    "ibis.backends.duckdb",
    "ipykernel.kernelapp",
    "jinja2",
    "matplotlib.pyplot",
    "matplotlib_inline.backend_inline",
    "pandas",
    "pyarrow.parquet",
    "scipy.stats",
    "sklearn.cluster",
    "sklearn.ensemble",
    "sklearn.linear_model",
)
"""Imported before a kernel is asked for; none of them starts a thread of its own by that."""
SIZE = 1 << 17  # bytes of one request at most: a command and its environment


class WarmProcess:
    """The process that forks kernels, from the side of whoever asks it to.

    Parameters
    ----------
    environment : mapping of str to str
        Variables that must be set before Python starts, in place of those of this process.
    names : sequence of str
        What is imported besides `LIBRARIES`: modules, or ``module:name``.
    """

    def __init__(self, environment: Mapping[str, str], names: Sequence[str] = ()) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        line = [sys.executable, "-m", __name__, str(theirs.fileno()), *names]
        self._asked, self._lock, self._used = ours, threading.Lock(), False
        self._process = subprocess.Popen(
            line,
            env=os.environ | dict(environment),
            pass_fds=[theirs.fileno()],
            start_new_session=True,  # Ctrl-C ends the run, and the run ends this
            stdin=subprocess.DEVNULL,
        )
        theirs.close()

    def fork(
        self, command: Sequence[str], cwd: str | None, env: Mapping[str, str]
    ) -> ForkedProcess:
        """Return a kernel that leads a process group, started with a command as Jupyter gives it.

        Raises
        ------
        OSError
            The warm process is gone, or the command is too long for it.
        """
        mine, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        asked = json.dumps({"argv": list(command), "cwd": cwd, "env": dict(env)}).encode()
        with self._lock, its:
            self._used = True
            socket.send_fds(self._asked, [asked], [its.fileno()])
        said = mine.recv(64)
        if not said:
            mine.close()
            raise OSError("the process that starts kernels has ended")
        return ForkedProcess(int(said), mine)

    def close(self) -> None:
        """End the process; kernels that run end a second later, by themselves."""
        self._asked.close()
        if not self._used:  # nobody waits for imports that nobody needs
            self._process.kill()
        self._process.wait()


class ForkedProcess:
    """A kernel that another process forked, with what Jupyter asks of a `subprocess.Popen`."""

    stdin = stdout = stderr = None

    def __init__(self, pid: int, alive: socket.socket) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._alive = alive

    def poll(self) -> int | None:
        """Return None while the kernel runs: its end of the socket closes with it."""
        return self._ended(socket.MSG_DONTWAIT)

    def wait(self) -> int:
        """Wait until the kernel is over."""
        ended = self._ended(0)
        return 0 if ended is None else ended

    def send_signal(self, number: int) -> None:
        """Send a signal to a kernel that runs."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        """Ask the kernel to end."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End the kernel."""
        self.send_signal(signal.SIGKILL)

    def _ended(self, flags: int) -> int | None:
        if self.returncode is None:
            with suppress(BlockingIOError):
                self._alive.recv(1, flags)  # nothing is ever sent: it returns at the end
                self.returncode = 1
                self._alive.close()
        return self.returncode


def serve(asked: socket.socket, names: Sequence[str]) -> None:
    """Import, then fork a kernel for each request until the other side closes."""
    for module, _, name in (text.partition(":") for text in (*LIBRARIES, *names)):
        with suppress(Exception):  # a kernel that needs it says what is wrong
            found = importlib.import_module(module)
            if name:
                getattr(found, name)  # behind a lazy face
    gc.collect()
    gc.freeze()  # no kernel looks through what was imported, nor copies its pages by doing so
    while True:
        message, descriptors, _, _ = socket.recv_fds(asked, SIZE, 1)
        while _one_ended():
            pass
        if not message:
            break
        (alive,) = descriptors
        parent = os.getpid()
        pid = os.fork()
        if pid == 0:
            asked.close()
            _become_kernel(json.loads(message), parent)
        with suppress(OSError):  # the kernel does so too; whoever is first, it leads a group now
            os.setpgid(pid, pid)
        with socket.socket(fileno=alive) as its:
            its.send(str(pid).encode())
    # Kernels are over by now; waiting for them adds their processor time to this process's.
    until = time.monotonic() + 1
    while time.monotonic() < until and _one_ended(left=True):
        time.sleep(0.01)


def _one_ended(left: bool = False) -> bool:
    """Clear one ended kernel away; whether there was one, or with ``left`` whether any is left."""
    try:
        return os.waitpid(-1, os.WNOHANG)[0] != 0 or left
    except ChildProcessError:
        return False


def _become_kernel(asked: Mapping[str, Any], parent: int) -> None:
    """Run a kernel in this forked process, which never returns."""
    code = 1
    try:
        os.setpgid(0, 0)
        os.environ.clear()
        os.environ.update(asked["env"])
        if asked["cwd"]:
            os.chdir(asked["cwd"])
        from ipykernel.kernelapp import IPKernelApp

        sys.argv = asked["argv"][2:]  # without the interpreter and -m
        # Whose end ends the kernel: ipykernel read it from the environment when it was imported.
        IPKernelApp.launch_instance(
            argv=[*asked["argv"][3:], f"--IPKernelApp.parent_handle={parent}"]
        )
        code = 0
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


class Kernels:
    """Where kernels come from during one run, and who ends them.

    Parameters
    ----------
    folder : Path
        Temporary folder for what Jupyter and papermill write.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.stopped = False
        self.warm: WarmProcess | None = None
        self._groups: set[int] = set()
        self._lock = threading.Lock()

    def environment(self) -> dict[str, str]:
        """Return the variables that every kernel of the run starts with."""
        env = {
            "PYTHONHASHSEED": "0",
            "PYDEVD_DISABLE_FILE_VALIDATION": "1",
            "IPYTHONDIR": str(self.folder / "ipython"),  # no start-up files of the user's
            "JUPYTER_PLATFORM_DIRS": "1",
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
    def manager(self, step: str) -> Iterator[type]:
        """Give a class of kernel managers whose kernels `stop` ends, while they run.

        Parameters
        ----------
        step : str
            The notebook's stem; the kernel finds it in its environment.
        """
        from jupyter_client.kernelspec import KernelSpec
        from jupyter_client.manager import AsyncKernelManager
        from jupyter_client.provisioning import LocalProvisioner

        kernels, started = self, list[int]()
        warm, connection = self.warm, self.folder / f"{step.encode().hex()}.json"
        argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        argv += ["--log-level=ERROR", "--HistoryManager.enabled=False"]
        env = self.environment() | {STEP_VARIABLE: step}
        # A kernelspec called python3 may be a stale one of the user's, of another Python.
        spec = KernelSpec(argv=argv, env=env, display_name="promolab", language="python")

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
            kernel_spec = spec  # type: ignore[assignment]

            async def start_kernel(self, **options: Any) -> None:  # type: ignore[override]
                self.connection_file = str(connection)
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
    made = Kernels(folder)
    levels = {name: logging.getLogger(name).level for name in _NOISY}
    for name in _NOISY:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if FORKS and len(steps) >= WORTH_WARMING:
                made.warm = WarmProcess(made.environment(), _imports(steps))
            yield made
    finally:
        if made.warm is not None:
            made.warm.close()
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
    hidden: Mapping[str, str],
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
    hidden : mapping of str to str
        Secrets, and what a failed notebook and errors show in their place.

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
    from nbclient.exceptions import CellTimeoutError, DeadKernelError

    # Papermill would expand braces in the notebook's own name.
    saved = kernel.folder / f"{step.stem.encode().hex()}.ipynb"
    try:
        with kernel.manager(step.stem) as manager, _own_loop():
            notebook = papermill.execute_notebook(
                step.notebook,
                saved,
                parameters=dict(parameters),
                engine_name=_engine(),
                kernel_name="python3",
                language="python",
                progress_bar=False,
                # Papermill's own cwd= moves this whole process, and with it the other step's.
                resources={"metadata": {"path": str(folder)}},
                execution_timeout=timeout,
                shutdown_kernel="immediate",
                kernel_manager_class=manager,
            )
    except papermill.PapermillExecutionError as error:
        raise _failure(step, error, folder, _keep(saved, failed, hidden)) from None
    except CellTimeoutError:
        kept = _keep(saved, failed, hidden)
        raise StepError(
            f"step {step.stem}: a cell took more than {timeout} seconds{kept}"
        ) from None
    except RuntimeError as error:
        died = isinstance(error, DeadKernelError)
        if died and kernel.stopped:
            raise StepError(f"step {step.stem} was stopped") from None
        if disk_is_full(folder):
            raise full_disk_error(folder.parent, UNCHANGED) from error
        why = f"did not start: {error}"
        if died:
            why = f"died, often for lack of memory{_keep(saved, failed, hidden)}"
        raise StepError(f"step {step.stem}: its kernel {why}") from error
    finally:
        saved.unlink(missing_ok=True)
    return _settled(notebook, parameters, {str(folder): ".", **shown})


@functools.cache
def _engine() -> str:
    """Register an engine that saves a notebook when it ends, and return its name.

    Papermill's own saves it before and after each cell, all pictures with it.
    """
    from papermill.engines import NBClientEngine, papermill_engines

    class SavedAtTheEnd(NBClientEngine):
        @classmethod
        def execute_managed_notebook(cls, nb_man: Any, *args: Any, **options: Any) -> Any:
            path, nb_man.output_path = nb_man.output_path, None
            try:
                return super().execute_managed_notebook(nb_man, *args, **options)
            finally:
                nb_man.output_path = path

    papermill_engines.register("promolab", SavedAtTheEnd)
    return "promolab"


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


if __name__ == "__main__":
    if sys.path and (sys.path[0] == "" or os.path.realpath(sys.path[0]) == os.getcwd()):
        del sys.path[0]  # as ipykernel's launcher does
    serve(socket.socket(fileno=int(sys.argv[1])), sys.argv[2:])
