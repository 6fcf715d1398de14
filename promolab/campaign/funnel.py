"""From the active customers to those to contact: where each one leaves, and whose list is whose."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd

__all__ = ["LEFT", "STEPS", "allot", "count_steps", "step_of"]

STEPS: Mapping[str, str] = MappingProxyType(
    {
        "no_right": "no right to contact",
        "status": "status is never contacted",
        "over_limit": "over the contact limit, or quiet after a complaint",
        "excluded": "excluded by another promotion",
        "not_planned": "not among the likeliest",
        "held_out_standing": "held out for the long run",
        "held_out_promotion": "held out of this promotion",
        "to_contact": "to contact",
    }
)
"""Where a customer leaves the funnel, in order, and in words; the last one is its end."""

LEFT = ("no_right", "status", "over_limit", "excluded")
"""Steps at which a customer is not eligible."""
_CODE = {step: code for code, step in enumerate(STEPS)}


def allot(probability: np.ndarray, eligible: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Give each customer at most one action, the likeliest pairs first, until the lists are full.

    All eligible pairs of a customer and an action are gone through from the likeliest on (equal
    ones: the earlier action, then the earlier customer); a pair is taken if the customer has no
    action yet and the action's list is not full. So every list holds the likeliest of the customers
    whom no other list holds, and whoever is eligible for several is planned where the chance is
    highest, or next highest where that list was full with likelier ones.

    Parameters
    ----------
    probability : array, shape (n, k)
        Of each customer and action.
    eligible : array of bool, shape (n, k)
        Which pairs may be taken.
    sizes : array of int, shape (k,)
        How long each list may get.

    Returns
    -------
    array of int, shape (n,)
        Number of the customer's action; −1 for none.

    Examples
    --------
    >>> p = np.array([[0.9, 0.8], [0.7, 0.1], [0.6, 0.5]])
    >>> allot(p, np.ones((3, 2), bool), np.array([1, 1])).tolist()
    [0, -1, 1]
    """
    taken = np.full(len(probability), -1)
    room = np.asarray(sizes, dtype=np.int64).copy()
    customer, action = np.nonzero(eligible & (room > 0))
    order = np.lexsort((customer, action, -probability[customer, action]))
    customer, action = customer[order], action[order]
    while len(customer):
        # Until a list is full, everybody gets the first of their pairs that are left. Each round
        # fills a list or is the last one.
        first = np.sort(np.unique(customer, return_index=True)[1])
        end = len(customer)
        for k in np.flatnonzero(room > 0):
            mine = first[action[first] == k]
            if len(mine) >= room[k]:
                end = min(end, int(mine[room[k] - 1]) + 1)
        got = first[first < end]
        taken[customer[got]] = action[got]
        room -= np.bincount(action[got], minlength=len(room))
        customer, action = customer[end:], action[end:]
        left = (taken[customer] < 0) & (room[action] > 0)
        customer, action = customer[left], action[left]
    return taken


def step_of(
    bars: Mapping[str, np.ndarray], planned: np.ndarray, elsewhere: np.ndarray, held: np.ndarray
) -> np.ndarray:
    """Return the step at which each customer leaves one promotion's funnel.

    Parameters
    ----------
    bars : mapping of str to array of bool, shape (n,)
        For each of `LEFT`, whom it bars.
    planned, elsewhere : array of bool, shape (n,)
        Who is planned for the promotion, and who for another one.
    held : array of text, shape (n,)
        ``none``, ``standing`` or ``promotion``.

    Returns
    -------
    array of int8, shape (n,)
        Places in `STEPS`.
    """
    conditions = [bars[step] for step in LEFT]
    conditions += [elsewhere, ~planned, held == "standing", held == "promotion"]
    steps = [*LEFT, "excluded", "not_planned", "held_out_standing", "held_out_promotion"]
    codes = [np.int8(_CODE[step]) for step in steps]
    return np.select(conditions, codes, np.int8(_CODE["to_contact"])).astype(np.int8)


def count_steps(steps: pd.DataFrame, promotions: pd.DataFrame) -> pd.DataFrame:
    """Count the customers that leave at each step, per promotion and channel.

    Parameters
    ----------
    steps : DataFrame
        promotion_id, step (categorical): a row per active customer and promotion.
    promotions : DataFrame
        promotion_id, channel, action, in the order of the rows.

    Returns
    -------
    DataFrame
        promotion_id, channel, action, active, each of `STEPS`, and planned (held out or to
        contact). The steps of a row add up to active.
    """
    found: dict[str, Any] = {c: promotions[c] for c in ("promotion_id", "channel", "action")}
    counts = {
        promotion: np.bincount(part["step"].cat.codes, minlength=len(STEPS))
        for promotion, part in steps.groupby("promotion_id", observed=True)
    }
    nobody = np.zeros(len(STEPS), dtype=np.int64)
    table = np.array([counts.get(p, nobody) for p in promotions["promotion_id"]], dtype=np.int64)
    table = table.reshape(len(promotions), len(STEPS))
    found["active"] = table.sum(axis=1)
    found |= {step: table[:, code] for step, code in _CODE.items()}
    found["planned"] = table[:, _CODE["held_out_standing"] :].sum(axis=1)
    return pd.DataFrame(found).reset_index(drop=True)
