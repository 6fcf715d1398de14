"""Pages on paper: printed to PDF by a browser that is there, without a network."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from promolab.errors import InputError, StepError

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
_SECONDS = 180  # of one page
# Nothing is looked up, nothing is fetched: a page stands alone, and so does who prints it.
_OPTIONS = (
    "--headless",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND",
    "--no-pdf-header-footer",
)


def find_browser() -> str:
    """Return the browser that prints.

    Raises
    ------
    InputError
        If none is on the PATH.
    """
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        raise InputError(
            f"--pdf needs a browser to print with, and none of {', '.join(BROWSERS)} is on the "
            "PATH; install one (on Debian: apt install chromium), or leave --pdf out and print "
            "the page from any browser"
        )
    return found


def print_pages(browser: str, week: Path, which: str = "first") -> list[Path]:
    """Print pages of a week to PDF files beside them.

    Parameters
    ----------
    browser : str
        By `find_browser`.
    week : Path
        The week's folder.
    which : str
        ``first`` for the report itself, ``all`` for the pages of its steps as well.

    Returns
    -------
    list of Path
        The files.

    Raises
    ------
    StepError
        If the browser does not print one.
    """
    steps = sorted(week.glob("[0-9]*.html")) if which == "all" else []
    return [_printed(browser, page) for page in (week / "index.html", *steps)]


def _printed(browser: str, page: Path) -> Path:
    file = page.with_suffix(".pdf")
    with tempfile.TemporaryDirectory(prefix="promolab-pdf-") as folder:
        made = Path(folder) / file.name
        line = [browser, *_OPTIONS, f"--user-data-dir={folder}/profile", f"--print-to-pdf={made}"]
        if hasattr(os, "geteuid") and os.geteuid() == 0:
            line.append("--no-sandbox")  # root has no other way
        try:
            done = subprocess.run(
                [*line, page.resolve().as_uri()], capture_output=True, text=True, timeout=_SECONDS
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise StepError(f"{browser} did not print {page}: {error}") from error
        if done.returncode or not made.exists():
            last = done.stderr.strip().rpartition("\n")[2]
            raise StepError(f"{browser} did not print {page}: {last or 'it says nothing'}")
        shutil.copyfile(made, file)
    return file
