"""What a test costs against what it can teach: the expected value of sample information."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from promolab.checks import real_number
from promolab.results import Estimate, Result

if TYPE_CHECKING:
    import pandas as pd

LOG2_DRAWS = 12
SPAN, STEP = 30.0, 8
"""Sizes looked at go from so many times fewer to so many times more; a table has each eighth."""


@dataclass(frozen=True)
class Stakes:
    """What is believed of a profit before the test, and how many customers the decision is for.

    Parameters
    ----------
    prior_mean, prior_sd : float
        The profit that an arm adds per customer, all its costs taken off, is believed to be normal
        with this mean and standard deviation, in money; the same for each arm.
    customers_after : float
        Customers who will get what the test shows to be best, once each.
    setup_cost : float
        Money that the test costs whatever its size.
    currency : str
        What it is in.

    Examples
    --------
    >>> Stakes(prior_mean=0.1, prior_sd=0.5, customers_after=200_000).currency
    ''
    """

    prior_mean: float
    prior_sd: float
    customers_after: float
    setup_cost: float = 0.0
    currency: str = ""

    def __post_init__(self) -> None:
        real_number("prior_mean", self.prior_mean)
        real_number("prior_sd", self.prior_sd, above=0)
        real_number("customers_after", self.customers_after, above=0)
        real_number("setup_cost", self.setup_cost, least=0)


@dataclass(frozen=True)
class Learning(Result):
    """What a test costs against what it can teach; part of an `ExperimentPlan`.

    Parameters
    ----------
    stakes : Stakes
        What was believed.
    customers : float
        In the test.
    cost : float
        Expected cost in money: set-up, and what customers of the test lose by not getting what
        seems best before it.
    gain : float
        Expected worth in money of the better decision after it.
    without : float
        Expected worth of deciding now.
    best_customers : float
        The size of test at which gain less cost is largest; 0 where none pays.
    best_net : float
        What is left there.
    frame : DataFrame
        customers, gain, cost, net: sizes around the planned one.
    """

    stakes: Stakes
    customers: float
    cost: float
    gain: float
    without: float
    best_customers: float
    best_net: float
    frame: pd.DataFrame = field(repr=False)

    @property
    def net(self) -> float:
        """What the test is expected to be worth, its cost taken off."""
        return self.gain - self.cost

    def facts(self) -> dict[str, Any]:
        """Return the prior as an interval, and what pays, as codes."""
        s, half = self.stakes, 1.645 * self.stakes.prior_sd
        planned = (self.frame["customers"] == self.customers).to_numpy()
        rows = self.frame[planned | (np.arange(len(self.frame)) % STEP == 0)]
        return {
            "believed": Estimate(s.prior_mean, s.prior_mean - half, s.prior_mean + half),
            "sends": s.prior_mean > 0,
            "pays": self.net > 0,
            "any_pays": self.best_net > 0,
            "after": s.customers_after,
            "size": round(self.customers),
            "best_size": round(self.best_customers),
            "currency": s.currency,
            "shown": rows.reset_index(drop=True),
        }


def worth_of_test(
    stakes: Stakes, shares: Mapping[str, float], control: str, variance: float, customers: float
) -> Learning:
    r"""Weigh a test by the expected value of sample information.

    Each arm's true profit per customer over the control's is normal, N(m, s²), independently. After
    a test with n_j customers per arm the arms' posterior means are normal around m with covariance
    s² (s² I + Σ)⁻¹ s², where Σ = diag(v / n_j) + v / n₀ is the error of the test. Whoever then
    takes the best of the arms, or none of them, gets E[max(0, posterior means)] per customer
    instead of max(0, m): the difference, times the customers after, is the gain. For one arm and
    w its standard deviation that is w φ(m / w) + m Φ(m / w) − max(0, m); for more, a mean over
    Sobol points. The cost: those in the control lose max(0, m) each, those in an arm max(0, −m).

    Parameters
    ----------
    stakes : Stakes
        The prior, and what hangs on the decision.
    shares : mapping of str to float
        Arm → share of the customers in the test.
    control : str
        The arm that gets nothing.
    variance : float
        Of a customer's profit, in money², clusters and earlier figures taken into account.
    customers : float
        In the test.

    Returns
    -------
    Learning

    References
    ----------
    Raiffa & Schlaifer (1961), Applied Statistical Decision Theory, ch. 5; Willan & Pinto (2005),
    Statistics in Medicine 24 (size of a trial by its value of information).

    Examples
    --------
    >>> found = worth_of_test(
    ...     Stakes(prior_mean=-0.05, prior_sd=0.3, customers_after=100_000),
    ...     {"none": 0.5, "coupon": 0.5}, "none", variance=400.0, customers=20_000,
    ... )
    >>> round(found.cost), round(found.gain)
    (500, 6436)
    """
    import pandas as pd

    one = [share for arm, share in shares.items() if arm != control]
    m = stakes.prior_mean
    per_customer = shares[control] * max(0.0, m) + sum(one) * max(0.0, -m)
    sizes = np.unique(np.append(np.geomspace(customers / SPAN, customers * SPAN, 61), customers))
    worth = np.array([_expected_best(stakes, one, shares[control], variance, n) for n in sizes])
    gain = stakes.customers_after * (worth - max(0.0, m))
    cost = stakes.setup_cost + per_customer * sizes
    net = gain - cost
    at, best = int(np.flatnonzero(sizes == customers)[0]), int(np.argmax(net))
    pays = bool(net[best] > 0)
    return Learning(
        stakes,
        customers,
        float(cost[at]),
        float(gain[at]),
        stakes.customers_after * max(0.0, m),
        float(sizes[best]) if pays else 0.0,
        float(net[best]) if pays else 0.0,
        pd.DataFrame({"customers": sizes, "gain": gain, "cost": cost, "net": net}),
    )


def _expected_best(
    stakes: Stakes, arms: Sequence[float], control: float, variance: float, customers: float
) -> float:
    """Return the expected profit per customer of the best arm, or none, after the test."""
    from scipy.special import ndtr
    from scipy.stats import norm, qmc

    m, prior = stakes.prior_mean, stakes.prior_sd**2
    error = np.diag([variance / (share * customers) for share in arms])
    error += variance / (control * customers)
    spread = prior**2 * np.linalg.inv(prior * np.eye(len(arms)) + error)
    if len(arms) == 1:
        w = math.sqrt(spread[0, 0])
        return w * float(norm.pdf(m / w)) + m * float(ndtr(m / w))
    # Always the same points: nothing here is chance, and sizes are compared on the same ones.
    points = qmc.Sobol(len(arms), scramble=False).random_base2(LOG2_DRAWS) + 0.5 / 2**LOG2_DRAWS
    means = m + norm.ppf(points) @ np.linalg.cholesky(spread).T
    return float(np.maximum(means.max(axis=1), 0.0).mean())
