"""How many draws a simulation takes, and the shares of them that chance alone leaves."""

from __future__ import annotations

import os

from scipy.stats import binom


def draws(usual: int = 200, most: int | None = None) -> int:
    """Return the draws of a simulation: `usual`, or as many as ``PROMOLAB_DRAWS`` says.

    ``make bench`` says 2,000. Where a draw fits models, `most` bounds what it asks for.
    """
    asked = int(os.environ.get("PROMOLAB_DRAWS", usual))
    return asked if most is None else min(asked, most)


def bounds(share: float, n: int, slack: float = 0.0) -> tuple[float, float]:
    """Return between which ends a share of `n` draws lies, but for one time in 370 (3 σ).

    `slack` is what an approximation may be off by itself. With 200 draws, 95 % intervals that cover
    85 % are caught 97 times of 100; with a slack of .01, 93 times.
    """
    low, high = binom.ppf([0.00135, 0.99865], n, share) / n
    return float(low) - slack, float(high) + slack
