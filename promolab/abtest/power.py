"""How often an effect is found at a size, which one is found often enough, and the size it needs.

Of a holdout before anything is sent, and of one comparison of a planned experiment: clusters and
earlier figures change its variance, several arms and daily looks its level.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
from scipy.optimize import brentq

from promolab.abtest.comparison import SHARE
from promolab.abtest.sequential import multiplier
from promolab.checks import real_number, refuse, share, whole_number
from promolab.errors import InputError
from promolab.results import Result
from promolab.stats import t_quantile, welch_degrees


@dataclass(frozen=True)
class HoldoutShare(Result):
    """How much to hold back so that an effect shows; by `share_to_see`.

    Parameters
    ----------
    share : float or None
        Smallest share of the customers, at most a half; None where not even a half would do.
    control : int or None
        The customers that this is.
    customers : int
        Customers in both arms.
    effect : float
        The difference that is to be seen, in the unit of ``sd``.
    sd : float
        Standard deviation of the outcome in both arms.
    power, alpha : float
        How often such an effect is found, and how often one is found that is none.
    """

    share: float | None
    control: int | None
    customers: int
    effect: float
    sd: float
    power: float
    alpha: float

    def facts(self) -> dict[str, Any]:
        """Return whether it shows."""
        return {"shows": "nothing" if self.share is None else "difference"}


def smallest_effect(
    treated: int, control: int, *, sd: float, power: float = 0.8, alpha: float = 0.05
) -> float:
    r"""Smallest difference of two means that a two-sided test finds with the given power.

    (z₁₋α⸝₂ + z_power) · sd · √(1/n₁ + 1/n₀): the normal approximation for independent units. Of
    clusters, give their number, and the standard deviation of a cluster's mean; of a share p the
    standard deviation is √(p(1 − p)).

    Parameters
    ----------
    treated, control : int
        Units in the two arms, at least 1 and 1.
    sd : float
        Standard deviation of the outcome, over 0.
    power, alpha : float
        How often such an effect is found, and how often one is found that is none.

    Returns
    -------
    float
        In the unit of ``sd``.

    Raises
    ------
    InputError
        Sizes that are no counts, or values out of their range.

    References
    ----------
    Cohen (1988), Statistical Power Analysis, 2nd ed., ch. 2.

    Examples
    --------
    >>> round(smallest_effect(1080, 120, sd=20), 2)
    5.39
    """
    n1, n0 = whole_number("treated", treated, 1), whole_number("control", control, 1)
    return _errors_to_see(sd, power, alpha) * math.sqrt(1 / n1 + 1 / n0)


def share_to_see(
    customers: int, effect: float, *, sd: float, power: float = 0.8, alpha: float = 0.05
) -> HoldoutShare:
    """Smallest share to hold back so that an effect of this size is found with the given power.

    Parameters
    ----------
    customers : int
        Customers in both arms, at least 2.
    effect : float
        The difference to be seen, over 0, in the unit of ``sd``.
    sd, power, alpha : float
        As in `smallest_effect`, by whose formula the answer is found.

    Returns
    -------
    HoldoutShare
        ``share`` is None where not even half of the customers would do.

    Raises
    ------
    InputError
        As `smallest_effect`; an effect that is not over 0.

    Examples
    --------
    >>> share_to_see(1200, 5.0, sd=20).control
    143
    >>> print(share_to_see(1200, 2.0, sd=20).summary())
    Not even holding back half of all 1,200 would show a difference of 2.00.
    """
    n = whole_number("customers", customers, 2, hint=", one for each arm at least")
    real_number("effect", effect, above=0)
    reach = _errors_to_see(sd, power, alpha)

    def shows(control: int) -> bool:
        return effect >= reach * math.sqrt(1 / (n - control) + 1 / control)

    # The more are held back, up to half, the smaller what shows.
    control = 1 + bisect_left(range(1, n // 2 + 1), True, key=shows)
    if control > n // 2:
        return HoldoutShare(None, None, n, effect, sd, power, alpha)
    return HoldoutShare(control / n, control, n, effect, sd, power, alpha)


def _errors_to_see(sd: float, power: float, alpha: float) -> float:
    """Return how large what shows is, as a multiple of √(1/n₁ + 1/n₀)."""
    real_number("sd", sd, above=0)
    share("alpha", alpha, zero=False, one=False, hint=", such as 0.05")
    # At a power of alpha / 2 there is nothing left to be seen; below it the formulas turn around.
    if share("power", power, zero=False, one=False, hint=", such as 0.8") <= alpha:
        raise refuse("power", power, f"a share above alpha ({alpha:g})", ", such as 0.8")
    return (_z(1 - alpha / 2) + _z(power)) * sd


def _room(effect: Any, n1: Any, n0: Any, rate: float, power: float, alpha: float) -> Any:
    """Return the rise of a share less what Fleiss, Levin & Paik need of it; 0 at the smallest.

    d = z₁₋α⸝₂ · √(p̄ q̄ (1/n₁ + 1/n₀)) + z_power · √(p₁ q₁/n₁ + p₀ q₀/n₀), where p₁ = p₀ + d and p̄ is
    the share of both arms together (Statistical Methods for Rates and Proportions, 3rd ed., ch. 4).
    """
    null, apart = _errors(effect, n1, n0, rate)
    return effect - _z(1 - alpha / 2) * null - _z(power) * apart


def _errors(effect: Any, n1: Any, n0: Any, rate: float) -> tuple[Any, Any]:
    """Return the standard errors of two shares without a difference, and with this one."""
    risen = np.clip(rate + effect, 0.0, 1.0)
    pooled = (n1 * risen + n0 * rate) / (n1 + n0)
    null = np.sqrt(np.clip(pooled * (1 - pooled), 0, None) * (1 / n1 + 1 / n0))
    return null, np.sqrt(risen * (1 - risen) / n1 + rate * (1 - rate) / n0)


def share_power(effect: Any, n1: Any, n0: Any, rate: float, alpha: float) -> np.ndarray:
    """Return how often a difference of two shares is found: the other side of `_room`.

    Examples
    --------
    >>> float(share_power(smallest_rise(1080, 120, 0.05, 0.8, 0.05), 1080, 120, 0.05, 0.05))
    0.8...
    """
    from scipy.special import ndtr

    null, apart = _errors(effect, n1, n0, rate)
    with np.errstate(divide="ignore"):
        return np.asarray(ndtr((np.abs(effect) - _z(1 - alpha / 2) * null) / apart))


def smallest_rise(n1: float, n0: float, rate: float, power: float, alpha: float) -> float:
    """Return the smallest rise of a share that shows; nan where not even one to 1 would."""

    def room(effect: float) -> float:
        return float(_room(effect, n1, n0, rate, power, alpha))

    # Not from 0, where a rate of 0 leaves no spread: nothing would look like enough.
    highest = 1 - rate
    if highest <= 0 or room(highest) < 0:
        return math.nan
    return float(brentq(room, 1e-15, highest, xtol=1e-14, rtol=1e-12))


FEWEST, MOST = 4, 1e12
"""Customers in an arm at least, in all at most."""
SURE, LARGE = 10.0, 1000
"""Standard errors past the bar that are always seen; customers of the smaller arm from which t is
normal."""


@dataclass(frozen=True)
class PlannedTest:
    """One comparison with the control: how often it finds an effect, and the inverses of that.

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
        """Return how often an effect is found with so many customers in the two arms.

        Of means by Welch's test, both arms with the same variance: by the noncentral t
        distribution, as tea-tasting and statsmodels have it, from `LARGE` on and for daily looks
        (whose boundary is in normal standard errors) by the normal.
        """
        from scipy.special import ndtr, ndtri
        from scipy.stats import nct

        if effect == 0:
            return self.alpha_at_end
        if self.kind == SHARE:
            n1, n0 = treated / self.inflation, control / self.inflation
            return float(share_power(effect, n1, n0, self.centre, self.alpha_at_end))
        shift = abs(effect) / self._error(treated, control)
        if self.sequential or min(treated, control) >= LARGE:
            strict = float(ndtri(1 - self.alpha_at_end / 2))
            return float(ndtr(shift - strict) + ndtr(-shift - strict))
        degrees = welch_degrees([1 / treated, 1 / control], [treated, control])
        strict = float(t_quantile(1 - self.alpha_at_end, degrees))
        if shift > SURE + strict:  # where the noncentral distribution has no figures
            return 1.0
        far = float(nct.cdf(-strict, degrees, shift))  # nan where it is next to nothing
        return float(nct.sf(strict, degrees, shift)) + (0.0 if math.isnan(far) else far)

    def smallest(self, treated: float, control: float) -> float:
        """Return the smallest effect that is found with `power`; nan where there is none."""
        if self.kind == SHARE:
            n1, n0 = treated / self.inflation, control / self.inflation
            return smallest_rise(n1, n0, self.centre, self.power, self.alpha_at_end)
        error, most = self._error(treated, control), 2 * SURE

        def short(shift: float) -> float:
            return self.power_of(shift * error, treated, control) - self.power

        while short(most) < 0:  # of a few customers
            most *= 2
        return error * float(brentq(short, 0.0, most, xtol=1e-13))

    def customers(self, effect: float, treated: float, control: float) -> float:
        """Return all customers of an experiment whose two arms have these shares of them."""

        def short(log_n: float) -> float:
            n = math.exp(log_n)
            return self.power - self.power_of(effect, treated * n, control * n)

        # Not below a few customers in an arm, where the formulas mean nothing.
        low, high = math.log(FEWEST / min(treated, control)), math.log(MOST)
        if short(low) <= 0:
            return math.exp(low)
        if short(high) > 0:
            raise InputError(
                f"effect = {effect:g} is too small to be found with {MOST:,.0f} customers"
            )
        return math.exp(float(brentq(short, low, high, xtol=1e-12)))

    def _error(self, treated: float, control: float) -> float:
        return self.sd * math.sqrt(self.inflation * (1 / treated + 1 / control))


def _z(part: float) -> float:
    return NormalDist().inv_cdf(part)
