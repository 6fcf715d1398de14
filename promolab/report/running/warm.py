"""A process that has imported what the steps import, and makes their kernels by forking itself.

A fresh kernel spends two seconds of processor time on imports, a forked one none. On Linux alone:
elsewhere, forking a process that has loaded graphics libraries is not safe.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

LIBRARIES = (
    "ibis.backends.duckdb",
    "ibis.backends.sql.compilers.duckdb",
    "ipykernel.ipkernel",
    "ipykernel.kernelapp",
    "IPython.core.completer",
    "jinja2",
    "matplotlib.pyplot",
    "matplotlib_inline.backend_inline",
    "pandas",
    "pyarrow.compute",
    "pyarrow.parquet",
    "scipy.optimize",
    "scipy.stats",
    "sklearn.cluster",
    "sklearn.ensemble",
    "sklearn.linear_model",
    "sklearn.metrics",
    "torch",
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

    @staticmethod
    def possible() -> bool:
        """Whether kernels can be forked on this system."""
        return sys.platform == "linux"

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


if __name__ == "__main__":
    if sys.path and (sys.path[0] == "" or os.path.realpath(sys.path[0]) == os.getcwd()):
        del sys.path[0]  # as ipykernel's launcher does
    serve(socket.socket(fileno=int(sys.argv[1])), sys.argv[2:])
