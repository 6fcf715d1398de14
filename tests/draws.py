"""How many draws a simulation takes, and the shares of them that chance alone leaves."""

import os
from collections.abc import Iterable
from typing import Any

import numpy as np
from scipy.stats import binom, norm


def draws(usual: int = 200, most: int | None = None) -> int:
    """Return the draws of a simulation: `usual`, or as many as ``PROMOLAB_DRAWS`` says.

    ``make bench`` says 2,000. Where a draw fits models, `most` bounds what it asks for.
    """
    asked = int(os.environ.get("PROMOLAB_DRAWS", usual))
    return asked if most is None else min(asked, most)


def bounds(share: float, n: int, slack: float = 0.0) -> tuple[float, float]:
    """Return between which ends a share of `n` draws lies, but for one time in 370 (3 σ).

    `slack` is what an approximation may be off by itself, twice that upwards. With 200 draws, 95 %
    intervals that cover 85 % are caught 97 times of 100; with a slack of .01, 93 times.
    """
    low, high = binom.ppf([0.00135, 0.99865], n, share) / n
    return float(low) - slack, float(high) + 2 * slack


def noise(n: int) -> float:
    """Return how far a standard deviation of `n` draws may be off by chance, as a share (3 σ)."""
    return float(3 / (2 * n) ** 0.5)


def check_cover(
    ends: Any,
    truth: Any,
    share: float = 0.95,
    *,
    slack: float = 0.01,
    narrow: float = 0.05,
    wide: float = 0.1,
    biased: bool = False,
) -> None:
    """Check that intervals hold the truth as often as they say, and are as wide as values vary.

    ``ends``, of shape (draws, 3), has of each draw the value and the two ends of its interval;
    ``share`` is how often they say that they hold the truth; ``slack``, ``narrow``, ``wide`` are
    what an approximation may be off by itself, in share and width; ``biased`` leaves out that the
    values' mean is the truth.
    """
    value, low, high = np.asarray(ends, dtype=float).T
    n = len(value)
    least, most = bounds(share, n, slack)
    inside = ((low <= truth) & (truth <= high)).mean()
    assert least <= inside <= most, f"{inside:.1%} of {n} hold the truth"
    away = value - truth
    ratio = (high - low).mean() / (2 * norm.ppf(0.5 + share / 2) * away.std(ddof=1))
    assert 1 - narrow - noise(n) <= ratio <= 1 + wide + noise(n), f"{ratio:.2f} of what it takes"
    assert biased or abs(away.mean()) < 4 * away.std() / n**0.5, f"{away.mean():.3g} off"


def ends_of(estimates: Iterable[Any]) -> np.ndarray:
    """Return value and ends of estimates, one in a row."""
    return np.array([(e.value, e.ci_low, e.ci_high) for e in estimates])
