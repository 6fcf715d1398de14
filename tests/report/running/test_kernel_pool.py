"""Kernels are forked from one warm process, die with it, and do without it."""

import os
import signal

import pytest

from promolab.report.running.execute import FORKS, WarmProcess, kernels
from tests.report.conftest import ended, forked

pytestmark = pytest.mark.skipif(not FORKS, reason="kernels are forked on Linux")

COMMAND = [".", "-m", "ipykernel_launcher", "-f", "connection.json"]


def test_the_kernels_of_a_killed_run_end(tmp_path):
    def run():
        with kernels() as made:
            made.warm = WarmProcess(made.environment())
            kernel = made.warm.fork(COMMAND, str(tmp_path), dict(os.environ))
            assert kernel.poll() is None and os.getpgid(kernel.pid) == kernel.pid
            (tmp_path / "pid").write_text(str(kernel.pid))
            os.kill(os.getpid(), signal.SIGKILL)

    assert forked(run) == -signal.SIGKILL
    assert ended(int((tmp_path / "pid").read_text()), within=60)


def test_a_kernel_that_was_killed_is_over_and_another_one_starts(warm, tmp_path):
    for _ in range(2):
        kernel = warm().fork(COMMAND, str(tmp_path), dict(os.environ))
        assert kernel.poll() is None
        kernel.kill()
        assert kernel.wait() == 1 and kernel.poll() == 1
        kernel.terminate()  # nobody is there any more


def test_a_report_is_made_where_the_warm_process_is_gone(toy, tmp_path, monkeypatch):
    asked = []

    class Gone(WarmProcess):
        def __init__(self, *given):
            super().__init__(*given)
            self._process.kill()

        def fork(self, *given):
            asked.append(given)
            return super().fork(*given)

    monkeypatch.setattr("promolab.report.running.execute.WarmProcess", Gone)
    assert toy(tmp_path / "out", week="2017-W44").exists()
    assert len(asked) == 2
