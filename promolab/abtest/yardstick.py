"""How often an effect is found at a size, and its two inverses: shares here, means by tea-tasting.

Clusters and earlier figures change the variance; several arms and daily looks the level.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import brentq
from scipy.special import ndtr, ndtri

from promolab.abtest.power import share_power, smallest_rise
from promolab.abtest.sequential import multiplier
from promolab.errors import InputError

SHARE, MEAN, RATIO = KINDS = ("share", "mean", "ratio")
FEWEST, MOST = 4, 1e12
"""Customers in an arm at least, in all at most."""
SURE, LARGE = 10.0, 1000
"""Standard errors that are always seen; customers of the smaller arm from which t is normal."""


def _normal_power(shift: float, alpha: float) -> float:
    """Return how often an effect of so many standard errors is found."""
    strict = float(ndtri(1 - alpha / 2))
    return float(ndtr(shift - strict) + ndtr(-shift - strict))


@functools.cache
def _shift(alpha: float, power: float) -> float:
    """Return how many standard errors are found so often."""
    return float(brentq(lambda shift: _normal_power(shift, alpha) - power, 0.0, 2 * SURE))


@dataclass(frozen=True)
class Yardstick:
    """What one comparison with the control is measured by.

    Parameters
    ----------
    kind : {"share", "mean", "ratio"}
        Of outcome.
    centre : float
        The share, mean or ratio without the promotion.
    sd : float
        Standard deviation of a customer's outcome.
    inflation : float
        What clusters and earlier figures make of the variance: design effect × (1 − r²).
    alpha : float
        Level of a single comparison.
    power : float
        How often the effect is to be found.
    sequential : bool
        Looked at every day: at the horizon the interval is wider.
    """

    kind: str
    centre: float
    sd: float
    inflation: float
    alpha: float
    power: float
    sequential: bool

    @property
    def alpha_at_end(self) -> float:
        """The level of a single fixed test that is as strict as the comparison at the end."""
        if not self.sequential:
            return self.alpha
        return math.erfc(float(multiplier(1.0, self.alpha)) / math.sqrt(2))

    def power_of(self, effect: float, treated: float, control: float) -> float:
        """Return how often an effect is found with so many customers in the two arms."""
        if effect == 0:
            return self.alpha_at_end
        if self.kind == SHARE:
            sizes = treated / self.inflation, control / self.inflation
            return float(share_power(effect, *sizes, self.centre, self.alpha_at_end))
        error = self.sd * math.sqrt(self.inflation * (1 / treated + 1 / control))
        if abs(effect) > SURE * error:
            return 1.0
        if self._is_normal(treated, control):
            # tea-tasting's own formula, without its distributions made anew for each effect.
            return _normal_power(abs(effect) / error, self.alpha_at_end)
        return self._solved("power", treated + control, treated / control, effect)

    def _is_normal(self, treated: float, control: float) -> bool:
        """Tell whether the comparison is in normal standard errors.

        The boundary of the daily looks is; and the noncentral t distribution has no figures where
        many customers see a large effect.
        """
        return self.sequential or min(treated, control) >= LARGE

    def smallest(self, treated: float, control: float) -> float:
        """Return the smallest effect that is found with `power`; nan where there is none."""
        if self.kind == SHARE:
            n1, n0 = treated / self.inflation, control / self.inflation
            return smallest_rise(n1, n0, self.centre, self.power, self.alpha_at_end)
        if self._is_normal(treated, control):
            error = self.sd * math.sqrt(self.inflation * (1 / treated + 1 / control))
            return error * _shift(self.alpha_at_end, self.power)
        return self._solved("effect_size", treated + control, treated / control, None)

    def customers(self, effect: float, treated: float, control: float) -> float:
        """Return all customers of an experiment whose two arms have these shares of them."""

        def short(log_n: float) -> float:
            n = math.exp(log_n)
            return self.power - self.power_of(effect, treated * n, control * n)

        # Not below a few customers in an arm, where the formulas mean nothing. tea-tasting's own
        # search begins with three in both arms, where one of unequal arms has less than one.
        low, high = math.log(FEWEST / min(treated, control)), math.log(MOST)
        if short(low) <= 0:
            return math.exp(low)
        if short(high) > 0:
            raise InputError(
                f"effect = {effect:g} is too small to be found with {MOST:,.0f} customers"
            )
        return math.exp(float(brentq(short, low, high, xtol=1e-12)))

    def _solved(self, what: str, customers: float, ratio: float, effect: float | None) -> float:
        """Ask tea-tasting; the variance holds what clusters and earlier figures make of it."""
        import tea_tasting as tt
        import tea_tasting.aggr

        metric = tt.Mean(
            "outcome",
            alternative="two-sided",
            equal_var=False,
            use_t=not self._is_normal(customers * ratio / (1 + ratio), customers / (1 + ratio)),
            alpha=self.alpha_at_end,
            ratio=ratio,
            power=self.power,
            effect_size=None if effect is None else abs(effect),
        )
        sample = tea_tasting.aggr.Aggregates(
            count_=max(round(customers), 4),
            mean_={"outcome": self.centre or 1.0},
            var_={"outcome": self.sd**2 * self.inflation},
            cov_={},
        )
        found: Any = metric.solve_power_from_aggregates(sample, what)[0]  # type: ignore[arg-type]
        return float(getattr(found, what))

    def curve(self, effects: np.ndarray, treated: float, control: float) -> np.ndarray:
        """Return `power_of` of each effect."""
        return np.array([self.power_of(float(e), treated, control) for e in effects])
