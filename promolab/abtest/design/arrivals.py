"""How customers come into an experiment, day by day."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from promolab.checks import columns_there, is_number, real_number
from promolab.errors import InputError

LONGEST = 36_500
"""Days after which nobody waits for an experiment any more."""


@dataclass(frozen=True)
class Arrivals:
    """New customers on each day of a round that repeats.

    Parameters
    ----------
    per_day : tuple of float
        Of the round's days in order.
    """

    per_day: tuple[float, ...]

    def until(self, days: float) -> float:
        """Return how many came in so many days; a part of a day counts in part."""
        rounds, rest = divmod(days, len(self.per_day))
        whole = int(rest)
        part = (rest - whole) * self.per_day[whole] if whole < len(self.per_day) else 0.0
        return rounds * sum(self.per_day) + sum(self.per_day[:whole]) + part

    def days_until(self, customers: float) -> int:
        """Return after how many whole days so many have come."""
        total = sum(self.per_day)
        rounds = max(math.ceil(customers / total * (1 - 1e-12)) - 1, 0)
        left = (customers - rounds * total) * (1 - 1e-12)
        upto = np.cumsum(self.per_day)
        last = min(int(np.searchsorted(upto, left)), len(upto) - 1)
        days = rounds * len(upto) + last + 1
        if days > LONGEST:
            raise InputError(
                f"at this rate of arrivals the experiment takes {days:,} days; look for a larger "
                "effect, or take in more customers"
            )
        return days


def read_arrivals(given: Any) -> Arrivals:
    """Return arrivals from a number per day, or from a table with date and customers.

    A day that the table leaves out between its first and last had nobody.

    Raises
    ------
    InputError
        A number that is not above 0; a table without these columns, with a day twice, or with
        numbers below 0 or nobody at all.

    Examples
    --------
    >>> read_arrivals(500).days_until(1200)
    3
    """
    import pandas as pd

    if is_number(given):
        return Arrivals((real_number("arrivals", given, above=0, hint=" customers per day"),))
    if not isinstance(given, pd.DataFrame):
        raise InputError(
            f"arrivals is a {type(given).__name__}; give the new customers per day, or a table "
            "with date and customers"
        )
    columns_there(given, ["date", "customers"], "arrivals")
    try:
        dates = pd.DatetimeIndex(pd.to_datetime(given["date"])).normalize()
        counts = given["customers"].to_numpy(dtype=float)
    except (TypeError, ValueError) as error:
        raise InputError(f"arrivals has a date or number that is none ({error})") from None
    if dates.has_duplicates or dates.hasnans:
        raise InputError("arrivals has a date more than once or none; give one row per day")
    if not len(counts) or not np.isfinite(counts).all() or (counts < 0).any() or not counts.any():
        raise InputError("arrivals has days with less than 0 customers or none in all; give counts")
    daily = pd.Series(counts, index=dates).sort_index().asfreq("D", fill_value=0.0)
    return Arrivals(tuple(map(float, daily)))
