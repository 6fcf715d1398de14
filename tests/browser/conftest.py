"""A real browser, and a real JupyterLab in it; skipped with a reason where either is missing."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from promolab.folder import RunFolder
from tests.browser.lab import jupyterlab

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    """Debian's Chromium, driven by Playwright."""
    playwright = pytest.importorskip(
        "playwright.sync_api", reason="the extra test is not installed: there is no playwright"
    )
    if CHROMIUM is None:
        pytest.skip("chromium is not installed")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def lab_server(
    explored_week: RunFolder, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, Path]]:
    """One JupyterLab for all notebooks: its address, and its folder, which holds a week."""
    pytest.importorskip("jupyterlab", reason="the extra lab is not installed")
    folder = tmp_path_factory.mktemp("lab")
    shutil.copytree(explored_week.reports.path, folder / "reports", symlinks=True)
    with jupyterlab(folder) as address:
        yield address, folder
