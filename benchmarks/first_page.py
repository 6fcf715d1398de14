"""The first page as a browser lays it out: short enough to be read, in weeks unlike one another."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.processes import run_watched
from benchmarks.table import Row

SCREEN = (1280, 900)
STEP_SCREENS = 8
JOURNEY, SIMULATED = "complete_journey", "simulated"
# source, week, screens, words: a quiet week, an early one, several promotions at a time.
CASES = (
    (JOURNEY, "2017-W44", 4, 1000),
    (JOURNEY, "2017-W45", 4, 1000),
    (JOURNEY, "2017-W20", 4, 1000),
    (JOURNEY, "2017-W49", 6, 1500),
    (SIMULATED, "", 6, 1500),
)
_COUNTED = (
    "<script>document.documentElement.dataset.found = JSON.stringify(["
    "document.documentElement.scrollHeight, "
    "document.body.innerText.split(/\\s+/).filter(Boolean).length])</script>"
)
_OFFLINE = "--headless --no-sandbox --disable-gpu --no-first-run --disable-background-networking"


def first_pages(out: Path) -> Iterator[Row]:
    """Yield height and words of each first page of `CASES`, and the height of its tallest step."""
    browser = shutil.which("chromium") or shutil.which("chromium-browser")
    for source, week, screens, words in CASES:
        what = f"first page, {source} {week}".rstrip()
        bar = f"≤ {screens} screens, {words:,} words"
        if browser is None:
            yield Row(what, bar, "chromium is not installed", ok=None)
            continue
        folder = out / f"{source}-{week}"
        options = ["--source", source, "--out", str(folder), *(["--week", week] if week else [])]
        run_watched(["-m", "promolab.cli", "report", *options])
        height, shown = measured(browser, folder / "latest" / "index.html")
        yield Row(
            what,
            bar,
            f"{height / SCREEN[1]:.1f} screens, {shown:,} words",
            height <= screens * SCREEN[1] and shown <= words,
        )
        steps = (folder / "latest").glob("0*.html")
        tallest, name = max((measured(browser, page)[0], page.stem) for page in steps)
        yield Row(
            f"tallest page of a step, {source} {week}".rstrip(),
            f"≤ {STEP_SCREENS} screens",
            f"{tallest / SCREEN[1]:.1f} screens ({name})",
            tallest <= STEP_SCREENS * SCREEN[1],
        )


def measured(browser: str, page: Path) -> tuple[int, int]:
    """Return how tall a browser lays a page out, in pixels, and how many words it shows."""
    text = re.sub(r"<meta[^>]*Content-Security-Policy[^>]*>", "", page.read_text("utf-8"))
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "page.html"
        copy.write_text(text.replace("</body>", f"{_COUNTED}</body>"), encoding="utf-8")
        size = ",".join(map(str, SCREEN))
        options = [*_OFFLINE.split(), f"--user-data-dir={folder}/profile", f"--window-size={size}"]
        line = [browser, *options, "--dump-dom", copy.as_uri()]
        done = subprocess.run(line, check=True, capture_output=True, text=True, timeout=120)
    found = re.search(r'data-found="([^"]*)"', done.stdout)
    assert found, "the page could not be measured"
    height, words = json.loads(html.unescape(found[1]))
    return int(height), int(words)
