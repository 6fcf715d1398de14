"""A promotion's course in a cell of a table: so far, expected, and its band."""

from __future__ import annotations

from html import escape

import numpy as np

from promolab.campaign.running_result import RunningPromotion
from promolab.plots import COLOURS
from promolab.report.page import Html

__all__ = ["sparkline"]

_WIDTH, _HEIGHT = 150, 34


def sparkline(row: RunningPromotion) -> Html:
    """Return the responses so far (solid) and those expected (dotted, with band) as a small figure.

    Parameters
    ----------
    row : RunningPromotion
        One promotion that runs.
    """
    c = row.curve
    shown = c[["expected", "ci_high", "observed"]].to_numpy(dtype=float)
    top = float(np.nanmax(shown)) if np.isfinite(shown).any() else 1.0
    x = c["day"].to_numpy(dtype=float) / max(float(row.days), 1.0) * (_WIDTH - 2) + 1

    def at(name: str) -> str:
        y = _HEIGHT - 2 - c[name].to_numpy(dtype=float) / (top or 1.0) * (_HEIGHT - 4)
        points = zip(x[np.isfinite(y)], y[np.isfinite(y)], strict=True)
        return " ".join(f"{a:.1f},{b:.1f}" for a, b in points)

    band = f"{at('ci_low')} {' '.join(reversed(at('ci_high').split()))}"
    solid = f'fill="none" stroke="{COLOURS[0]}"'
    return Html(
        f'<svg role="img" width="{_WIDTH}" height="{_HEIGHT}" viewBox="0 0 {_WIDTH} {_HEIGHT}">'
        f"<title>{escape(row.summary())}</title>"
        f'<polygon points="{band}" fill="{COLOURS[0]}" fill-opacity="0.15"/>'
        f'<polyline points="{at("expected")}" {solid} stroke-dasharray="2 3"/>'
        f'<polyline points="{at("observed")}" {solid} stroke-width="2"/></svg>'
    )
