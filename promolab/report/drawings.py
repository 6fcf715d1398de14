"""Small drawings inside a line of a page, as SVG: a histogram, a strip of rows over time, a bar."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from promolab.errors import InputError
from promolab.report.page import Html

__all__ = ["share_bar", "small_bars"]


def small_bars(
    counts: Sequence[int], says: str, *, width: int = 150, height: int = 30, css: str = ""
) -> Html:
    """Return upright bars side by side, the tallest as high as the drawing.

    Parameters
    ----------
    counts : sequence of int
        Height of each bar; 0 draws none.
    says : str
        What is drawn, for those who cannot see it and as a tip.
    width, height : int
        Size in pixels; the drawing shrinks with its column.
    css : str
        Class of the drawing.

    Raises
    ------
    InputError
        If there is no bar.

    Examples
    --------
    >>> small_bars([1, 2], "one and two").text.count("<rect")
    2
    """
    if not counts:
        raise InputError("there is nothing to draw: counts is empty")
    top = max(*counts, 1)
    step = width / len(counts)
    gap = 1.0 if step >= 3 else 0.0
    bars = []
    for i, n in enumerate(counts):
        if n:
            # A bar of one row among millions is still seen.
            tall = max(1.0, (height - 1) * n / top)
            bars.append(
                f'<rect x="{i * step:.1f}" y="{height - tall:.1f}" '
                f'width="{max(step - gap, 0.5):.1f}" height="{tall:.1f}"/>'
            )
    name = escape(says)
    return Html(
        f'<svg class="bars {escape(css)}" viewBox="0 0 {width} {height}" width="{width}" '
        f'height="{height}" preserveAspectRatio="none" role="img" aria-label="{name}">'
        f"<title>{name}</title>{''.join(bars)}</svg>"
    )


def share_bar(share: float, *, width: int = 220) -> Html:
    """Return a lying bar whose length is a share (0–1) of the drawing.

    Examples
    --------
    >>> 'width="110.0"' in share_bar(0.5).text
    True
    """
    long = max(0.5, width * min(max(share, 0.0), 1.0))
    return Html(
        f'<svg class="bars" viewBox="0 0 {width} 12" width="{width}" height="12" '
        f'aria-hidden="true"><rect width="{long:.1f}" height="12"/></svg>'
    )
