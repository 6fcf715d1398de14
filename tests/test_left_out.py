"""Where `CI` is set no test is left out for want of a package or a program."""

import os
import subprocess
import sys

TESTS = """
import pytest

def test_package():
    pytest.importorskip("no_such_package")

def test_program():
    pytest.skip("chromium is not installed")

def test_rights():
    pytest.skip("only root may mount a small file system")

@pytest.mark.xfail
def test_known():
    assert False
"""


def test_what_is_missing_fails_in_ci_and_is_skipped_elsewhere(repository, tmp_path):
    (tmp_path / "test_some.py").write_text(TESTS)
    (tmp_path / "test_whole.py").write_text("import pytest\npytest.importorskip('no_such_one')\n")
    line = [sys.executable, "-m", "pytest", "-q", "-p", "tests.conftest"]
    line += ["--continue-on-collection-errors", "--rootdir", str(tmp_path), str(tmp_path)]
    said = []
    for ci in ("1", ""):
        env = os.environ | {"CI": ci, "PYTHONPATH": str(repository)}
        env["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
        done = subprocess.run(line, cwd=tmp_path, env=env, capture_output=True, text=True)
        said.append(done.stdout.splitlines()[-1].partition(" in ")[0])
    assert said == ["2 failed, 1 skipped, 1 xfailed, 1 error", "4 skipped, 1 xfailed"]
