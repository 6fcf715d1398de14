"""Round amounts of money to speak of."""

from __future__ import annotations

import math


def round_amount(budget: float) -> float:
    """Return a round amount of some hundredths of a budget.

    Examples
    --------
    >>> round_amount(42_000.0), round_amount(0.0)
    (1000.0, 0.0)
    """
    return 10.0 ** math.floor(math.log10(budget / 20)) if budget > 0 else 0.0
