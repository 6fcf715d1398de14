"""The report as a browser draws it."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
from pathlib import Path

import matplotlib.image
import numpy as np
import pytest

from benchmarks.first_page import measured

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
OFFLINE = (
    "--headless --no-sandbox --disable-gpu --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --hide-scrollbars"
)


def drawn(page: Path, folder: Path, width: int, height: int) -> np.ndarray:
    """Return the page's picture, shape (height, width, 3), 0 to 1."""
    picture = folder / f"{page.stem}-{width}.png"
    subprocess.run(
        [
            str(CHROMIUM),
            *OFFLINE.split(),
            f"--user-data-dir={folder / 'profile'}",
            f"--window-size={width},{height}",
            f"--screenshot={picture}",
            page.as_uri(),
        ],
        check=True,
        capture_output=True,
        timeout=120,
    )
    return matplotlib.image.imread(picture)[..., :3]


@pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")
def test_the_first_page_is_four_screens_and_a_thousand_words(journey_report):
    height, words = measured(str(CHROMIUM), journey_report / "index.html")
    assert height <= 4 * 900 and words <= 1000, (height, words)


@pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")
def test_so_is_that_of_other_weeks_and_of_a_shop_without_promotions(small_reports):
    for name, made in small_reports.items():
        for page in sorted(made.out.glob("2*/index.html")):
            height, words = measured(str(CHROMIUM), page)
            assert height <= 4 * 900 and words <= 1000, (name, page, height, words)


@pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")
def test_a_step_page_is_twelve_screens_at_most(journey_report):
    pages = sorted(journey_report.glob("[0-9]*.html"))
    assert len(pages) == 8
    for page in pages:
        height, _ = measured(str(CHROMIUM), page)
        assert height <= 12 * 900, (page, height)


PHONE = 400  # pixels; chromium's own window is never narrower than 500, a frame in it is
_WIDTHS = """<script>addEventListener("load", () => {
  const found = [...document.querySelectorAll("iframe")].map(frame => {
    const page = frame.contentDocument, wide = page.documentElement.scrollWidth;
    const frames = [...page.querySelectorAll(".scroll")].filter(e => e.scrollWidth > e.clientWidth);
    return [wide, frames.length, frames.every(e => e.tabIndex === 0)];
  });
  document.body.dataset.found = JSON.stringify(found);
})</script>"""


def on_a_phone(pages: list[Path], folder: Path) -> list[tuple[int, int, bool]]:
    """Return each page's width on a phone, its tables that scroll, and whether keys reach them."""
    frames = [
        f'<iframe width={PHONE} height=800 srcdoc="{html.escape(unguarded(page))}"></iframe>'
        for page in pages
    ]
    sheet = folder / "phone.html"
    sheet.write_text(f"<body>{''.join(frames)}{_WIDTHS}</body>", encoding="utf-8")
    line = [str(CHROMIUM), *OFFLINE.split(), f"--user-data-dir={folder / 'phone'}", "--dump-dom"]
    done = subprocess.run(
        [*line, sheet.as_uri()], check=True, capture_output=True, text=True, timeout=120
    )
    found = re.search(r'data-found="([^"]*)"', done.stdout)
    assert found
    return [tuple(each) for each in json.loads(html.unescape(found[1]))]


_DOT = "data:image/gif;base64,R0lGODlhAQABAAAAACH5BAEKAAEALAAAAAABAAEAAAICTAEAOw=="


def unguarded(page: Path) -> str:
    """Return a page without the policy that forbids scripts, its pictures a dot as wide."""
    text = re.sub(r"<meta[^>]*Content-Security-Policy[^>]*>", "", page.read_text("utf-8"))
    return re.sub(r"data:image/png;base64,[\w+/=]+", _DOT, text)


@pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")
def test_no_page_is_wider_than_a_phone_and_wide_tables_scroll(journey_report, tmp_path):
    found = on_a_phone(sorted(journey_report.glob("*.html")), tmp_path)
    assert len(found) == 9
    assert all(width <= PHONE for width, _, _ in found), found
    assert sum(scrolling for _, scrolling, _ in found) > 5
    assert all(by_keys for _, _, by_keys in found)


@pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")
@pytest.mark.parametrize("name", ["index", "01_data", "02_customers", "03_segments", "04_response"])
def test_a_page_is_drawn_from_top_to_bottom_inside_its_margins(journey_report, tmp_path, name):
    picture = drawn(journey_report / f"{name}.html", tmp_path, 1150, 2400)
    blank = np.asarray((picture > 0.99).all(axis=2))
    ink = ~blank
    assert ink.any(axis=1).mean() > 0.4, "most of the page is empty"
    # Nothing is cut off at the right: the outermost columns of pixels stay white.
    assert blank[:, -8:].all()
    assert blank[:, :8].all()
    # Figures are in colour: somewhere the channels differ by much.
    coloured = np.ptp(picture, axis=2) > 0.3
    assert coloured.sum() > 2_000
