"""Limits as rows of numbers: how many of each promotion, how many of each group, and the budget."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np


@dataclass(frozen=True)
class Limits:
    """The budget, and limits on how many customers get certain options.

    A limit counts customers of one group, or of all, who get an option, each by ``usage``.

    Parameters
    ----------
    budget : float
        Most that all may cost; infinite for none.
    names : tuple of (str, str)
        Scope and unit of each limit: ``("promotion", "mail")``, ``("group", "north")``.
    usage : ndarray of shape (rows, P)
        How much of each limit an option uses up.
    of_group : ndarray of int of shape (rows,)
        The group whose customers count; −1 for all customers.
    least, most : ndarray of shape (rows,)
        Bounds; 0 or −∞, and infinite, for none.
    group : ndarray of int of shape (n,) or None
        Each customer's group, 0, 1, …; −1 for none.
    """

    budget: float = np.inf
    names: tuple[tuple[str, str], ...] = ()
    usage: np.ndarray = field(default_factory=lambda: np.empty((0, 1)))
    of_group: np.ndarray = field(default_factory=lambda: np.empty(0, dtype=int))
    least: np.ndarray = field(default_factory=lambda: np.empty(0))
    most: np.ndarray = field(default_factory=lambda: np.empty(0))
    group: np.ndarray | None = None

    @property
    def groups(self) -> int:
        """How many groups there are."""
        if self.group is None:
            return 0
        return int(max(self.group.max(initial=-1), self.of_group.max(initial=-1))) + 1

    def of(self, rows: np.ndarray, share: float = 1.0) -> Limits:
        """Return the limits on some customers: such a share of the limits on all."""
        group = None if self.group is None else self.group[rows]
        scaled = self.budget * share, self.least * share, self.most * share
        return replace(self, budget=scaled[0], least=scaled[1], most=scaled[2], group=group)

    def without(self, spend: float, used: np.ndarray) -> Limits:
        """Return what others leave of the limits who spend and use so much."""
        return replace(
            self, budget=self.budget - spend, least=self.least - used, most=self.most - used
        )

    def use(self, customer: np.ndarray, option: np.ndarray) -> np.ndarray:
        """Return what each pair of customer and option uses of each limit: (rows, pairs)."""
        used: np.ndarray = self.usage[:, option]
        if self.group is not None:
            counts = (self.of_group[:, None] < 0) | (
                self.of_group[:, None] == self.group[customer][None]
            )
            used = np.where(counts, used, 0.0)
        return used

    def used(self, choice: np.ndarray) -> np.ndarray:
        """Return what a choice uses of each limit, of shape (rows,)."""
        if not self.names:
            return np.empty(0)
        p, groups = self.usage.shape[1], self.groups
        place = choice.astype(np.intp) + 1
        if self.group is not None:
            place = (self.group.astype(np.intp) + 1) * (p + 1) + place
        counts = np.bincount(place, minlength=(groups + 1) * (p + 1)).reshape(-1, p + 1)[:, 1:]
        of_all = counts.sum(axis=0)
        of = [of_all if g < 0 else counts[g + 1] for g in self.of_group]
        return np.array([row @ n for row, n in zip(self.usage, of, strict=True)])

    def missed(self, spend: float, used: np.ndarray) -> np.ndarray:
        """Return by how much budget and limits are missed: above 0 too much, below 0 too little."""
        over, under = np.maximum(used - self.most, 0), np.minimum(used - self.least, 0)
        return np.insert(over + under, 0, max(spend - self.budget, 0.0))

    def charges(self, prices: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        """Return what prices charge for each option, and beyond that for each option by group.

        Parameters
        ----------
        prices : ndarray of shape (rows,)

        Returns
        -------
        of_all : ndarray of shape (P,)
        by_group : ndarray of shape (1 + groups, P) or None
            The first row is of customers without a group.
        """
        mine = prices[:, None] * self.usage
        of_all = mine[self.of_group < 0].sum(axis=0)
        if self.group is None or not (self.of_group >= 0).any():
            return of_all, None
        by_group = np.zeros((1 + self.groups, self.usage.shape[1]))
        np.add.at(by_group, self.of_group[self.of_group >= 0] + 1, mine[self.of_group >= 0])
        return of_all, by_group
