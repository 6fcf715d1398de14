r"""A customer with a memory: what a promotion brings today it may take from the weeks to come.

The variant ``dynamic`` of the simulated shops is a process, not tables of orders. Each week one of
a few actions is taken, and four things count of a customer:

- s, the stock at home, in weeks of need: who has some buys less, and who buys at a discount fills
  the pantry;
- f, the fatigue (0–1): who was contacted of late heeds a contact less, and may leave for good;
- r, the reference: the share taken off that the customer has come to expect; the full price
  disappoints who waits for the next discount;
- whether the customer has left.

At the depth d, contacted (c = 1) or not (c = 0), a customer buys with the chance

.. math:: p = \sigma(-0.4 + 17 (d - 0.3 r) + 1.7 c (1 - f) - 0.6 s)

what is needed for 1 + 3 d weeks, which brings 12 − 30 d for each. The week uses up the need of one.
Fatigue moves half of the way to 1 where there was a contact and half of the way to 0 without one,
r half of the way up to a larger d and a quarter of the way down to a smaller one, and the customer
leaves with the chance :math:`0.01 + 0.06 c f^2`. What falls between two levels of a grid goes to
either with the chance that keeps the mean.
"""

from __future__ import annotations

import functools
import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse
from scipy.special import expit

from promolab.checks import refuse, seed_of, share, whole_number

MARGIN, PRICE, CONTACT = 12.0, 30.0, 0.3
"""What a week's need brings at the full price, what it costs there, and what a contact costs."""
PARTS = ("stock", "fatigue", "reference")
LARDER = 3.0
"""Weeks of need that can be stored."""
SPREAD = 0.5
"""Standard deviation of the logarithm of what a purchase brings, about its mean."""


@dataclass(frozen=True)
class CustomerProcess:
    """A customer's weeks as a Markov decision process, whose best plan can be worked out.

    Parameters
    ----------
    levels : int
        Levels of stock, of fatigue and of reference, 2 or more: levels³ + 1 states.
    depths : tuple of float
        Shares taken off by the discounts there are (0–1), each an action beside ``none`` and
        ``recommendation``.

    Raises
    ------
    InputError
        Fewer than two levels; a depth that is no share.

    Examples
    --------
    >>> process = CustomerProcess()
    >>> len(process.states), process.actions["action"].tolist()
    (65, ['none', 'recommendation', 'discount 15 %', 'discount 30 %'])
    >>> log = process.log(customers=2, weeks=3, seed=1)
    >>> log[["customer_id", "week", "action", "propensity", "gone"]].head(2)
       customer_id  week         action  propensity   gone
    0            0     0           none        0.25  False
    1            1     0  discount 30 %        0.25  False
    """

    levels: int = 4
    depths: tuple[float, ...] = (0.15, 0.3)

    def __post_init__(self) -> None:
        whole_number("levels", self.levels, 2)
        for depth in self.depths:
            share("depths", depth, zero=False, one=False)

    @property
    def _highest(self) -> tuple[float, float, float]:
        """The highest level of each part of a state; the lowest is 0."""
        return LARDER, 1.0, max(self.depths, default=1.0)

    @functools.cached_property
    def states(self) -> pd.DataFrame:
        """The states, a row each: stock, fatigue, reference; the last one has ``gone``."""
        grids = [np.linspace(0, top, self.levels) for top in self._highest]
        rows = [*itertools.product(*grids), (0.0,) * len(grids)]
        frame = pd.DataFrame(rows, columns=[*PARTS])
        return frame.assign(gone=frame.index == len(frame) - 1)

    @functools.cached_property
    def actions(self) -> pd.DataFrame:
        """The actions, a row each: action, depth, contact (whether there is one)."""
        named = [f"discount {100 * depth:g} %" for depth in self.depths]
        frame = pd.DataFrame({"action": ["none", "recommendation", *named]})
        return frame.assign(depth=[0.0, 0.0, *self.depths], contact=frame["action"] != "none")

    @functools.cached_property
    def start(self) -> np.ndarray:
        """Chances of the states that customers begin in, shape (S,): any but gone alike."""
        there = ~self.states["gone"].to_numpy()
        return np.asarray(there / there.sum())

    @functools.cached_property
    def _outcomes(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """What may come of each action in each state: next state, chance, reward, (S, K, J)."""
        stock, fatigue, expected = self.states[[*PARTS]].to_numpy().T[..., None]
        depth, contact = self.actions[["depth", "contact"]].to_numpy(dtype=float).T
        heed = 17 * (depth - 0.3 * expected) + 1.7 * contact * (1 - fatigue)
        buys = expit(-0.4 + heed - 0.6 * stock)
        leaves = np.where(self.states["gone"].to_numpy()[:, None], 1.0, 0.01)
        leaves = np.minimum(leaves + 0.06 * contact * fatigue**2, 1.0)
        weeks = 1 + 3 * depth
        tired = fatigue + 0.5 * (contact - fatigue)
        away = depth - expected
        used_to = expected + np.where(away > 0, 0.5, 0.25) * away
        gone, there = len(self.states) - 1, ~self.states["gone"].to_numpy()[:, None]
        found: list[tuple[Any, Any, Any]] = []
        for bought, chance in ((0.0, 1 - buys), (1.0, buys)):
            left = np.clip(stock + bought * weeks - 1, 0, LARDER)
            reward = there * (bought * weeks * (MARGIN - PRICE * depth) - CONTACT * contact)
            parts = zip((left, tired, used_to), self._highest, strict=True)
            for ends in itertools.product(*(self._between(x, top) for x, top in parts)):
                places, chances = zip(*ends, strict=True)
                place = np.ravel_multi_index(places, (self.levels,) * len(places))
                found.append((place, chance * (1 - leaves) * np.prod(chances, axis=0), reward))
            found.append((np.full_like(place, gone), chance * leaves, reward))
        following, chances, rewards = (np.stack(part, axis=-1) for part in zip(*found, strict=True))
        return following, chances, rewards

    def _between(self, values: Any, top: float) -> list[tuple[np.ndarray, np.ndarray]]:
        """Return the two levels that values lie between, and with which chance each is reached."""
        rows = (len(self.states), len(self.actions))
        at = np.broadcast_to(values / top * (self.levels - 1), rows)
        low = np.minimum(at.astype(np.int64), self.levels - 2)
        return [(low, 1 - (at - low)), (low + 1, at - low)]

    @functools.cached_property
    def transitions(self) -> sparse.csr_array:
        """Chances of the next state, shape (S · K, S): row s · K + a for action a in state s."""
        following, chances, _ = self._outcomes
        n, actions, each = following.shape
        rows = np.repeat(np.arange(n * actions), each)
        there = chances.ravel() > 0
        places = (rows[there], following.ravel()[there])
        return sparse.csr_array((chances.ravel()[there], places), (n * actions, n))

    @functools.cached_property
    def rewards(self) -> np.ndarray:
        """Expected margin of the week, less discounts and the contact, shape (S, K)."""
        _, chances, rewards = self._outcomes
        return np.asarray((chances * rewards).sum(axis=-1))

    def step(
        self, state: np.ndarray, action: np.ndarray, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        """Draw a week.

        Parameters
        ----------
        state, action : ndarray of int of shape (n,)
            Rows of `states` and of `actions`.
        rng : Generator

        Returns
        -------
        state : ndarray of int of shape (n,)
            The next ones.
        reward : ndarray of shape (n,)
        """
        following, chances, rewards = (part[state, action] for part in self._outcomes)
        drawn = (rng.random(len(state))[:, None] > chances.cumsum(axis=1)).sum(axis=1)
        at = np.arange(len(state)), np.minimum(drawn, chances.shape[1] - 1)
        varied = np.exp(SPREAD * rng.standard_normal(len(state)) - SPREAD**2 / 2)
        reward = rewards[at]
        return following[at], np.where(reward > 0, reward * varied, reward)

    def log(
        self, customers: int = 5_000, weeks: int = 26, chances: Any = None, seed: int = 0
    ) -> pd.DataFrame:
        """Draw a log of decisions.

        Parameters
        ----------
        customers, weeks : int
        chances : array-like of shape (K,) or (S, K), optional
            Of each action, in every state or by state; by default all alike.
        seed : int

        Returns
        -------
        DataFrame of one row per customer and week
            customer_id, week, stock, fatigue, reference, action, propensity, reward, gone (whether
            the customer left for good in the week: there is no later row).

        Raises
        ------
        InputError
            Chances of another shape, below 0, or that do not sum to 1.
        """
        number, rng = len(self.actions), np.random.default_rng(seed_of(seed))
        shape = (len(self.states), number)
        asked = np.full(number, 1 / number) if chances is None else np.asarray(chances, dtype=float)
        if asked.shape not in ((number,), shape) or (asked < 0).any():
            raise refuse("chances", chances, f"{number} chances of 0 or more, or so many per state")
        if (np.abs(asked.sum(axis=-1) - 1) > 1e-9).any():
            raise refuse("chances", chances, "chances that sum to 1")
        policy = np.broadcast_to(asked, shape)
        who = np.arange(whole_number("customers", customers, 1))
        state = rng.choice(len(self.start), len(who), p=self.start)
        rows: list[tuple[np.ndarray, ...]] = []
        for week in range(whole_number("weeks", weeks, 1)):
            drawn = (rng.random(len(who))[:, None] > policy[state].cumsum(axis=1)).sum(axis=1)
            action = np.minimum(drawn, number - 1)
            later, reward = self.step(state, action, rng)
            gone = later == shape[0] - 1
            rows.append((who, np.full_like(who, week), state, action, reward, gone))
            who, state = who[~gone], later[~gone]
        who, at, state, action, reward, gone = map(np.concatenate, zip(*rows, strict=True))
        frame = pd.DataFrame({"customer_id": who, "week": at})
        frame[[*PARTS]] = self.states[[*PARTS]].to_numpy()[state]
        frame["action"] = self.actions["action"].to_numpy()[action]
        return frame.assign(propensity=policy[state, action], reward=reward, gone=gone)
