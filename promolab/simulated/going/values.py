"""What assignments of a round truly bring, given all that was assigned before it."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np

from promolab.simulated.overlap import course, outcomes_of
from promolab.simulated.people import Customers
from promolab.simulated.world import World


@dataclass(frozen=True)
class OracleValues:
    """What each promotion of a round adds to each customer and costs, for an allocator.

    Parameters
    ----------
    kind : {"latent", "attainable"}
        Known exactly, or predicted from what can be seen.
    customers : ndarray of int, shape (n,)
        Ids of those who may be contacted.
    promotions : tuple of str
        Those that start in the week.
    value : ndarray, shape (n, promotions)
        Margin added over none, window and horizon, less the contact's cost.
    cost : ndarray, shape (n, promotions)
        Cost of the contact and of what the promotion is expected to take off in its window.
    """

    kind: str
    customers: np.ndarray
    promotions: tuple[str, ...]
    value: np.ndarray
    cost: np.ndarray


def part_of(customers: Customers, which: np.ndarray) -> Customers:
    """Return some of the customers."""
    fields = dataclasses.fields(customers)
    return Customers(**{f.name: getattr(customers, f.name)[which] for f in fields})


def moved(
    world: World,
    customers: Customers,
    which: np.ndarray,
    action: np.ndarray,
    own: np.ndarray,
    number: int | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Return by how much what each is assigned in a round moves what is expected of them.

    Parameters
    ----------
    world : World
        Whose last week is that of the last round of ``action``, or of the one after it.
    customers : Customers
        A chunk.
    which : ndarray of int, shape (n,)
        Whom of them it is asked for.
    action : ndarray of int, shape (n, rounds)
        What they were assigned in other rounds.
    own : ndarray of int, shape (n,)
        A place in the round each; none is `NONE`.
    number : int, optional
        Which round; by default the one after all of ``action``. Where rounds overlap, those after
        it are as ``action`` has them.

    Returns
    -------
    gain, discount : ndarray, shape (n,)
        Margin in window and horizon, and what is taken off in the window.
    """
    people = part_of(customers, which)
    number = action.shape[1] if number is None else number
    if world.overlaps:
        return _differences(outcomes_of(world, people, action, number, own))
    gain, given = np.zeros((2, len(own)))
    for place in np.unique(own):
        one, off = _differences(outcomes_of(world, people, action, number, int(place)))
        gain, given = np.where(own == place, one, gain), np.where(own == place, off, given)
    return gain, given


def _differences(found: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    return (
        np.asarray(found["margin_with"] - found["margin_without"]),
        np.asarray(found["discount_with"] - found["discount_without"]),
    )


def option_values(
    world: World, customers: Customers, past: np.ndarray, *, lucky: bool = True
) -> tuple[np.ndarray, np.ndarray]:
    """Return the margin that each promotion of the round adds to each customer, and its discount.

    Parameters
    ----------
    world, customers, past
        As in `moved`, of all customers of the chunk.
    lucky : bool
        Whether with the promotions' own luck and the weeks' seasons and shocks, or without.

    Returns
    -------
    gain, discount : ndarray, shape (n, promotions of a round)
        The discount is what is taken off in the window more than without it.
    """
    number = past.shape[1]
    given: Any = {"promotions": world.promotions, "lucky": lucky}
    without = course(world, customers, past, number, **given) if world.overlaps else None
    found = [
        _differences(outcomes_of(world, customers, past, number, place, without=without, **given))
        for place in range(world.per_round)
    ]
    gains, discounts = zip(*found, strict=True)
    return np.column_stack(gains), np.column_stack(discounts)
