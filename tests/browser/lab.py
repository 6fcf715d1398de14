"""JupyterLab for a test: a server on a notebook, and the page of it that a browser shows."""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nbformat

REPOSITORY = Path(__file__).resolve().parents[2]
SETTINGS = {
    # Every cell is on the page, wherever it is scrolled to; no question about news.
    "notebook-extension/tracker": {"windowingMode": "none"},
    "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
}
KERNEL = {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}
EVERY_CASE = "PROMOLAB_EVERY_CASE"
_WAY = """one => {
  const cell = one.closest('.jp-CodeCell'), now = document.activeElement;
  const before = one.contains(now) || now.compareDocumentPosition(one) & 4;
  if (before && cell.querySelector('.jp-OutputArea').contains(now)) return [];
  const all = [...document.querySelectorAll('.jp-CodeCell')], here = all.indexOf(cell);
  return ['Escape', ...Array(all.length).fill('ArrowUp'), ...Array(here).fill('ArrowDown')];
}"""
WAIT = 120_000  # milliseconds; a clock for busy machines


@contextmanager
def jupyterlab(folder: Path) -> Iterator[str]:
    """Run a JupyterLab server on a folder; its address comes when it answers."""
    for name, told in SETTINGS.items():
        path = folder / "settings" / "@jupyterlab" / f"{name}.jupyterlab-settings"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(told), encoding="utf-8")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = os.environ | {
        "JUPYTERLAB_SETTINGS_DIR": str(folder / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(folder / "workspaces"),
        "JUPYTER_CONFIG_DIR": str(folder / "config"),
        "PYTHONPATH": os.pathsep.join([str(REPOSITORY), os.environ.get("PYTHONPATH", "")]),
    }
    call = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", f"--port={port}"]
    call += [f"--ServerApp.root_dir={folder}", "--ServerApp.ip=127.0.0.1"]
    call += ["--ServerApp.token=", "--ServerApp.password="]
    call += ["--LabApp.expose_app_in_browser=True"]  # themes are changed without its menu
    log = (folder / "server.log").open("w", encoding="utf-8")
    server = subprocess.Popen(call, env=environment, stdout=log, stderr=log, cwd=folder)
    try:
        address = f"http://127.0.0.1:{port}"
        _wait_for(f"{address}/api", server)
        yield address
    finally:
        server.terminate()  # it ends its kernels
        try:
            server.wait(20)
        except subprocess.TimeoutExpired:
            server.kill()
        log.close()


def _wait_for(address: str, server: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + WAIT / 1000
    while time.monotonic() < end and server.poll() is None:
        try:
            urllib.request.urlopen(address, timeout=2).close()
            return
        except OSError:
            time.sleep(0.1)
    raise RuntimeError("JupyterLab does not answer; its server.log says why")


def run_all(page: Any, address: str, folder: Path, cells: Sequence[str], *tags: str) -> None:
    """Open a notebook of these cells, of the folder that the server serves, and run all of them."""
    code = [nbformat.v4.new_code_cell(cell, metadata={"tags": [*tags]}) for cell in cells]
    made = nbformat.v4.new_notebook(cells=code, metadata={"kernelspec": KERNEL})
    nbformat.write(made, folder / "trial.ipynb")
    page.set_default_timeout(WAIT)
    page.goto(f"{address}/lab/tree/trial.ipynb?reset")
    page.locator(".jp-Notebook .jp-CodeCell").first.wait_for()
    # Run before the kernel is there, it would be asked which one to take.
    page.locator("#jp-main-statusbar", has_text="| Idle").wait_for()
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()


class LabPage:
    """A notebook open in JupyterLab, its cells run: one that fails does not keep the next."""

    def __init__(self, browser: Any, address: str, folder: Path, cells: Sequence[str]) -> None:
        self.folder = folder
        self.page = browser.new_page(viewport={"width": 1500, "height": 1100})
        self.errors: list[str] = []
        self.page.on("console", self._heard)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        run_all(self.page, address, folder, cells, "raises-exception")
        self.page.wait_for_function(
            "n => [...document.querySelectorAll('.jp-CodeCell .jp-InputPrompt')]"
            ".filter(e => /^\\[\\d+\\]/.test(e.innerText)).length == n",
            arg=len(cells),
            timeout=3 * WAIT,
        )

    def _heard(self, message: Any) -> None:
        if message.type == "error":
            self.errors.append(message.text)

    def explorer(self, title: str) -> Any:
        """Return the explorer with this title, once its figure is there."""
        has = self.page.locator("h4", has_text=title)
        found = self.page.locator(".widget-vbox.promolab-explorer", has=has).first
        found.locator(".widget-html svg, .widget-html table").first.wait_for()
        return found

    def control(self, explorer: Any, label: str) -> Any:
        """Return a control of an explorer by what stands beside it, or on it."""
        has = self.page.locator(".widget-label, .widget-label-basic", has_text=label)
        named = explorer.locator(".lm-Widget:not(.widget-box)", has=has)
        return named.or_(explorer.get_by_role("button", name=label, exact=True)).last

    def press(self, explorer: Any, label: str, *keys: str) -> None:
        """Go to a control by keys alone, and press some there."""
        self.tab_to(self.control(explorer, label))
        for key in keys:
            self.page.keyboard.press(key)

    def says(self, explorer: Any, words: str) -> None:
        explorer.get_by_text(words).first.wait_for()

    def enter(self, explorer: Any, label: str, words: str) -> None:
        """Go to a field by keys alone, and type words in place of what stands there."""
        self.tab_to(self.control(explorer, label))
        self.page.keyboard.press("Control+A")
        self.page.keyboard.type(words)
        self.page.keyboard.press("Enter")

    def tab_to(self, control: Any, most: int = 80) -> None:
        """Go to a control by keys alone, on from one before it or from the top of its cell."""
        for key in control.evaluate(_WAY):
            self.page.keyboard.press(key)
        self.tab_on_to(control, most)

    def tab_on_to(self, control: Any, most: int = 80) -> None:
        """Go on to a control by the tabulator alone."""
        for _ in range(most):
            if control.evaluate("one => one.contains(document.activeElement)"):
                return
            self.page.keyboard.press("Tab")
        raise AssertionError(f"{most} times Tab do not reach the control")

    def figures(self, explorer: Any) -> str:
        """Return what an explorer draws and says, as it stands in the page."""
        return str(explorer.locator("xpath=./*[last()]").inner_html())

    def at_rest(self, explorer: Any) -> str:
        """Wait until an explorer draws nothing new for a while, and return what is drawn."""
        before = ""
        while before != (now := self.figures(explorer)):
            before = now
            self.page.wait_for_timeout(150)
        return now

    def until_changed(self, explorer: Any, before: str) -> str:
        """Wait until an explorer draws something else than before, and return it."""
        node = explorer.locator("xpath=./*[last()]").element_handle()
        self.page.wait_for_function(
            "([node, before]) => node.innerHTML != before", arg=[node, before]
        )
        return self.figures(explorer)
