"""The holdouts of several promotions read together: what one alone is too small to show."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from promolab.campaign.randomised import HoldoutComparison
from promolab.metrics.two_arms import welch_degrees
from promolab.results import Estimate, Result
from promolab.wording import money, plural

__all__ = ["PooledHoldouts", "pool_holdouts"]


@dataclass(frozen=True)
class PooledHoldouts(Result):
    """Extra net sales per customer over several promotions; made by `pool_holdouts`.

    Parameters
    ----------
    difference : Estimate
        Their mean, the better known weighing more; ``n`` is the customers of all of them.
    promotions : int
        Promotions with a holdout that could be read.
    currency : str
        Of the difference.
    """

    difference: Estimate
    promotions: int
    currency: str = ""

    def to_frame(self) -> pd.DataFrame:
        """Return one row."""
        fields = self.difference.to_dict() | {"promotions": self.promotions}
        return pd.DataFrame([fields])

    def summary(self) -> str:
        """Return what they show together, in a sentence."""
        e = self.difference
        text = money(e.value, e.ci_low, e.ci_high, currency=self.currency)
        chance = "" if e.ci_low > 0 or e.ci_high < 0 else ", which chance alone could have made"
        return (
            f"The holdouts of {plural(self.promotions, 'promotion')}, read together: extra net "
            f"sales of {text} per customer{chance} (randomised; the better known weigh more)."
        )


def pool_holdouts(
    comparisons: Iterable[HoldoutComparison], level: float = 0.95, currency: str = ""
) -> PooledHoldouts | None:
    r"""Read the holdouts of several promotions together.

    The mean of their differences in sales, each weighted by the inverse of its variance. Customers
    (or households) who are in several enter once, with all that they add: the variance is that of
    the summed influence.

    Parameters
    ----------
    comparisons : iterable of HoldoutComparison
        Of different promotions; those without a difference in sales are left out.
    level : float
        Confidence level.
    currency : str
        Of the sales.

    Returns
    -------
    PooledHoldouts or None
        None with fewer than two.

    References
    ----------
    Borenstein, Hedges, Higgins & Rothstein (2009), Introduction to Meta-Analysis, ch. 11 (fixed
    effects: the mean of these promotions, not of all that could be run).
    """
    known = [c for c in comparisons if c.sales is not None and c.sales.scores @ c.sales.scores > 0]
    if len(known) < 2:
        return None
    found = [c.sales for c in known if c.sales is not None]
    squares = np.array([float(s.scores @ s.scores) for s in found])
    weight = (1 / squares) / (1 / squares).sum()
    value = float(weight @ [s.difference.value for s in found])
    parts = [
        pd.Series(w * s.scores, index=c.units) for w, s, c in zip(weight, found, known, strict=True)
    ]
    added = pd.concat(parts)
    together = added.groupby(level=0).sum().to_numpy()
    units = len(together)
    variance = float(together @ together) * units / (units - 1)
    # The smaller group of each tells how well its part of the variance is known.
    few = [float(min(s.treated.n, s.control.n)) for s in found]
    degrees = welch_degrees(list(weight**2 * squares), few)
    from scipy.special import stdtrit

    half = float(stdtrit(degrees, 0.5 + level / 2)) * variance**0.5
    n = sum(s.difference.n for s in found)
    return PooledHoldouts(Estimate(value, value - half, value + half, n), len(known), currency)
