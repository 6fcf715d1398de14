"""Which rows a model that learns step by step is watched on: the latest promotions, whole."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from promolab.model.learners import Training


SHARE = 0.15  # of the rows, at least …
MOST = 0.5  # … and at most: a model should not learn from less than half
FEWEST = 5  # rows of either class in the slice, below which its loss says little


@dataclass(frozen=True)
class HeldOut:
    """A slice of the training rows that is not learned from.

    Parameters
    ----------
    rows : ndarray of bool, shape (n,)
        True for the rows in the slice; none where there is no usable one.
    how : str
        What the slice is, or why there is none.
    """

    rows: np.ndarray
    how: str

    @property
    def usable(self) -> bool:
        """Whether there is a slice."""
        return bool(self.rows.any())


def hold_out_latest(training: Training) -> HeldOut:
    """Choose the slice: the latest promotions, else the last groups, else some of the customers.

    Parameters
    ----------
    training : Training
        With ``time``: whole moments are held out (whole groups, if there are some), the latest
        first, until they are 15 % of the rows. Without: the last groups in sorted order. With
        neither, or if that would take more than half of the rows: customers in the order of a
        hash of their id (rows, in that of their number).

    Returns
    -------
    HeldOut
        Empty where one side of the split would have fewer than five rows of either class.
    """
    found = _by_order(training)
    if found is None:
        who = np.arange(len(training.labels)) if training.cluster is None else training.cluster
        codes, ids = pd.factorize(who)
        what = "rows" if training.cluster is None else "customers"
        found = HeldOut(_last(codes, pd.util.hash_array(ids)), f"some of the {what}, by a hash")
    for side, which in ((found.rows, "in"), (~found.rows, "outside")):
        if _scarcest(training.labels[side]) < FEWEST:
            nobody = np.zeros(len(training.labels), dtype=bool)
            return HeldOut(
                nobody,
                f"no slice was held out ({found.how}): fewer than {FEWEST} rows of either class "
                f"{which} it; all epochs were used",
            )
    return found


def _by_order(training: Training) -> HeldOut | None:
    """Return the latest moments or the last groups; None if they would be too many rows."""
    if training.group is None:
        if training.time is None:
            return None
        codes, values = pd.factorize(training.time, sort=True)
        order, how = np.arange(len(values)), "the latest rows"
    else:
        codes, values = pd.factorize(training.group, sort=True)
        order, how = np.arange(len(values)), "the last groups"
        if training.time is not None:
            ranks = pd.factorize(training.time, sort=True)[0]
            latest = np.zeros(len(values), dtype=np.int64)
            np.maximum.at(latest, codes, ranks)
            order, how = latest, "the latest groups"
    rows = _last(codes, order)
    return HeldOut(rows, how) if rows.mean() <= MOST else None


def _last(codes: np.ndarray, order: np.ndarray) -> np.ndarray:
    """Return the rows of the units that come last, as few whole units as make up the share."""
    sizes = np.bincount(codes, minlength=len(order))
    # Units of equal order (promotions that started together) go together.
    _, level = np.unique(order, return_inverse=True)
    from_end = np.cumsum(np.bincount(level, weights=sizes)[::-1])[::-1]
    enough = np.flatnonzero(from_end >= SHARE * len(codes))
    first = enough[-1] if len(enough) else 0
    return np.asarray((level >= first)[codes])


def _scarcest(labels: np.ndarray) -> int:
    """Return the rows of the rarer class, of the outcome that has most of them."""
    # Soft labels (chances to imitate) count with what they are worth.
    ones = np.nansum(labels, axis=0)
    known = np.sum(~np.isnan(labels), axis=0)
    return int(np.max(np.minimum(ones, known - ones), initial=0))
