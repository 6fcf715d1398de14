"""Choosing by what is believed: as expected, by its upper end, or as drawn from it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from promolab.checks import choice, refuse, seed_of, whole_number
from promolab.policy import Allocation, allocate

GREEDY, UCB, TS = "greedy", "ucb", "ts"
BANDITS = (GREEDY, UCB, TS)
WIDTH = {UCB: 1.0, TS: 0.3}
"""Standard errors by which values are raised, or of which draws are made: with all of its spread
Thompson sampling earned less than what is expected alone."""
DRAWS = 20
"""Of what may be true: of them one decides for each customer, each as likely: chances are known."""


def allocate_by(
    policy: str,
    value: Any,
    value_se: Any,
    cost: Any,
    *,
    draws: int = DRAWS,
    seed: int = 0,
    **options: Any,
) -> Allocation:
    """Allocate a budget by what is believed of each promotion, and how surely.

    Parameters
    ----------
    policy : {"greedy", "ucb", "ts"}
        By expected values; by values raised by a standard error (upper confidence bounds: Auer
        2002); for each customer by one of some draws of what may be true (Thompson sampling:
        Agrawal & Goyal 2013; many decisions at once: Kandasamy et al. 2018), all customers' effects
        of a promotion together, with 0.3 of the spread.
    value, value_se : array-like of shape (n, P)
        Net incremental profit of each customer and promotion, and its standard error, in money.
    cost : array-like of shape (n, P)
        What it charges to the budget.
    draws : int
        Of ``ts``.
    seed : int
    **options
        As `promolab.policy.allocate` takes them.

    Returns
    -------
    Allocation
        Frontier and bound are those of expected values, whatever decided. The chances of ``ts`` are
        exact: each draw is as likely. Whichever of them decides for one customer tells nothing of
        the next: were it the same for all, arms would come otherwise than their chances say.

    Raises
    ------
    InputError
        There is no such policy; standard errors of another shape, or below 0; limits beside the
        budget for ``ts``; all that `allocate` refuses.

    Examples
    --------
    >>> value, error, cost = [[2.0, 1.9]] * 4, [[0.0, 0.5]] * 4, [[1.0, 1.0]] * 4
    >>> by = lambda policy: allocate_by(policy, value, error, cost, budget=2)
    >>> by("greedy").choice.tolist(), by("ucb").choice.tolist()
    ([0, 0, -1, -1], [1, 1, -1, -1])
    >>> by("ts").drawn.propensities[0].round(2).tolist()
    [0.9, 0.1, 0.0]
    """
    choice("policy", policy, BANDITS)
    if policy == GREEDY:
        return allocate(value, cost, seed=seed, **options)
    values, errors = np.asarray(value, dtype=float), np.asarray(value_se, dtype=float)
    if errors.shape != values.shape or not (errors >= 0).all():
        raise refuse("value_se", errors.shape, f"numbers from 0 on in shape {values.shape}")
    spread = WIDTH[policy] * errors
    if policy == TS:
        if options.get("explore") is None:  # chances are wanted, though nothing else is drawn
            options |= {"explore": 0.0, "p_min": 0.0}
        rng = np.random.default_rng([seed_of(seed), whole_number("draws", draws, 1)])
        shifts = rng.standard_normal((draws, values.shape[1]))
        options["among"] = [values + spread * each for each in shifts]
        return allocate(value, cost, seed=seed, **options)
    expected = allocate(value, cost, seed=seed, **options)
    found = allocate(values + spread, cost, seed=seed, **options)
    gained = np.where(found.choice >= 0, values[np.arange(len(values)), found.choice], 0.0)
    return replace(
        found, expected_value=gained, value=float(gained.sum()),
        upper_bound=expected.upper_bound, frontier=expected.frontier,
    )  # fmt: skip
