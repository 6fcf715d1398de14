"""A log of decisions over weeks: who was in which state, what was done, what followed."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from promolab.checks import choice, choices_of, columns_there, numbers_of, real_number, refuse
from promolab.errors import DataError, InputError

NONE = "none"
"""The action that contacts nobody."""
GONE, UNKNOWN = -1, -2
"""In place of a next row: the customer left for good; nobody knows what followed."""
FEW = 8
"""Up to so many different values each value of a state is a bin of its own."""


def discount_of(discount: Any) -> float:
    """Return the factor by which a week's reward counts less than that of the week before."""
    hint = ", such as 0.97 a week: at 1 what is to come has no finite worth"
    return real_number("discount", discount, least=0, below=1, hint=hint)


@dataclass(frozen=True)
class PlanLog:
    """A log that was checked, a row per customer and week.

    Parameters
    ----------
    states : DataFrame of shape (n, columns)
        What was known of the customer before the decision, numbers.
    actions : list
        What there is to do.
    action : ndarray of int of shape (n,)
        Which was done.
    reward, propensity : ndarray of shape (n,)
    customer : ndarray of int of shape (n,)
        Codes, 0 to ``customers`` − 1.
    following : ndarray of int of shape (n,)
        The customer's row of the week after, `GONE` or `UNKNOWN`.
    first : ndarray of bool of shape (n,)
        Each customer's first row.
    allowed : ndarray of bool of shape (n, K)
        What rights and limits allowed.
    names : ndarray of shape (customers,)
        The customers' ids.
    order : ndarray of int of shape (n,)
        Which row of what was given each one is.
    """

    states: pd.DataFrame
    actions: list[Any]
    action: np.ndarray
    reward: np.ndarray
    propensity: np.ndarray
    customer: np.ndarray
    following: np.ndarray
    first: np.ndarray
    allowed: np.ndarray = field(repr=False)
    names: np.ndarray = field(repr=False)
    order: np.ndarray = field(repr=False)

    @property
    def known(self) -> np.ndarray:
        """Rows of which is known what followed."""
        return np.asarray(self.following != UNKNOWN)

    @property
    def contact(self) -> np.ndarray:
        """Which actions are contacts, shape (K,)."""
        return np.array([action != NONE for action in self.actions])

    def part(self, rows: np.ndarray) -> PlanLog:
        """Return the log of some customers, who keep their codes.

        Parameters
        ----------
        rows : ndarray of bool of shape (n,)
            All rows of each.
        """
        place = np.append(np.cumsum(rows) - 1, [UNKNOWN, GONE])  # of the codes below 0 at the end
        whole = ("actions", "names", "following")
        names = [field.name for field in dataclasses.fields(self) if field.name not in whole]
        cut = {name: getattr(self, name)[rows] for name in names}
        return dataclasses.replace(self, **cut, following=place[self.following[rows]])


def read_log(
    log: pd.DataFrame, states: Sequence[str], actions: Sequence[Any] | None, allowed: Any
) -> PlanLog:
    """Check a log and find what followed each row.

    Parameters
    ----------
    log : DataFrame
        customer_id, week, action, propensity, reward, the columns of ``states``, perhaps gone.
    states : sequence of str
    actions : sequence, optional
        What there is to do; by default what the log did.
    allowed : array-like of bool of shape (n, K), optional
        What rights and limits allow in each row, in the order of ``actions``.
    """
    if not isinstance(log, pd.DataFrame) or not len(log):
        raise InputError("log is empty or no DataFrame; give a row per customer and week")
    if "propensity" not in log.columns:
        raise DataError(
            "the log has no column propensity; give the chance by which each action was taken: "
            "without it what came of an action cannot be told from whom it was taken with"
        )
    columns_there(log, ["customer_id", "week", "action", "reward"], "log")
    weeks = numbers_of("log.week", log["week"])
    order = np.lexsort((weeks, pd.factorize(log["customer_id"])[0]))
    log, weeks = log.iloc[order].reset_index(drop=True), weeks[order]
    customer, names = pd.factorize(log["customer_id"])
    same, step = np.diff(customer, prepend=-1) == 0, np.diff(weeks, prepend=np.nan)
    chance = numbers_of("log.propensity", log["propensity"])
    gone = log.get("gone", pd.Series(False, log.index)).to_numpy(dtype=bool)
    no_name, no_chance = (customer < 0) | log["action"].isna(), (chance <= 0) | (chance > 1)
    once = "repeat a customer and week, whose rewards would count twice; give each decision once"
    for wrong, sentence in (
        (no_name, "name no customer or no action; leave them out"),
        (same & (step == 0), once),
        (no_chance, "have a propensity of 0, or above 1; what was done had a chance"),
        (same & np.roll(gone, 1), "come after their customer was gone; leave one of the two out"),
    ):
        if wrong.any():
            raise DataError(f"{np.sum(wrong):,} of {len(log):,} rows of the log {sentence}")
    taken = sorted(set(log["action"]), key=lambda label: (label != NONE, str(label)))
    labels = taken if actions is None else choices_of("actions", actions)
    if apart := sorted(set(labels) ^ set(taken), key=str):
        raise DataError(
            f"{apart[0]!r} is in one of actions and the log alone; name all that the log took: of "
            "an action that it never took it cannot tell what comes"
        )
    shape = (len(log), len(labels))
    may = np.ones(shape, dtype=bool) if allowed is None else np.asarray(allowed)
    if may.shape != shape or may.dtype != bool or not may.any(axis=1).all():
        raise refuse("allowed", may.shape, f"True or False in shape {shape}, True once in each row")
    follows = np.append((same & (step == 1))[1:], False)
    if not follows.any():
        raise DataError("no customer of the log has two weeks in a row; a plan needs what followed")
    # The last week tells of those alone who left in it: counted, everybody would seem to leave.
    left = np.where(gone & (weeks < weeks.max()), GONE, UNKNOWN)
    return PlanLog(
        states=state_columns(log, states, "log"),
        actions=labels,
        action=pd.Index(labels).get_indexer(log["action"]),
        reward=numbers_of("log.reward", log["reward"], finite=True).astype(float),
        propensity=chance.astype(float),
        customer=customer,
        following=np.where(follows, np.arange(1, len(log) + 1), left),
        first=~same,
        allowed=may[order],
        names=np.asarray(names),
        order=order,
    )


def state_columns(frame: pd.DataFrame, names: Sequence[str], what: str) -> pd.DataFrame:
    """Return the columns that make a state, as numbers."""
    named = choices_of("states", names)
    columns_there(frame, named, what)
    columns = {name: numbers_of(f"{what}.{name}", frame[name], finite=True) for name in named}
    return pd.DataFrame(columns, dtype=float)


def policy_chances(plan: Any, labels: list[Any], n: int) -> np.ndarray:
    """Return the chances of a plan that gives an action or chances per state, shape (n, K)."""
    given, k = np.asarray(plan), len(labels)
    if given.shape == (n, k) and given.dtype.kind in "fiub":
        if (given < 0).any() or np.abs(given.sum(axis=1) - 1).max() > 1e-6:
            raise InputError("plan has chances below 0, or rows that do not sum to 1")
        return given.astype(float)
    if given.shape != (n,):
        raise refuse("plan", given.shape, f"an action per row ({n},), or chances ({n}, {k})")
    codes = pd.Index(labels).get_indexer(given)
    if (codes < 0).any():
        choice("plan", str(given[codes < 0][0]), map(str, labels))
    return np.asarray(np.eye(k)[codes])


class Bins:
    """Which bin each state lies in: by value where a column has few, else between quantiles.

    Parameters
    ----------
    states : DataFrame
        The log's.
    most : int
        Bins of a column that has more values than `FEW`.
    """

    def __init__(self, states: pd.DataFrame, most: int) -> None:
        self._ends: dict[Any, tuple[bool, np.ndarray]] = {}
        for name, column in states.items():
            values = np.unique(column)
            cuts = np.unique(np.quantile(column, np.linspace(0, 1, most + 1)[1:-1]))
            self._ends[name] = (True, values) if len(values) <= FEW else (False, cuts)
        self._seen, self.of_log = np.unique(self._joint(states), return_inverse=True)

    @property
    def count(self) -> int:
        """How many bins the log has."""
        return len(self._seen)

    def _joint(self, states: pd.DataFrame) -> np.ndarray:
        joint = np.zeros(len(states), dtype=np.int64)
        for name, (exact, ends) in self._ends.items():
            found = pd.Index(ends).get_indexer(states[name])
            code = found if exact else np.searchsorted(ends, states[name], side="right")
            joint = np.where((joint < 0) | (code < 0), -1, joint * (len(ends) + 1) + code)
        return joint

    def of(self, states: pd.DataFrame) -> np.ndarray:
        """Return the bin of each state, −1 where no row of the log has it, shape (n,)."""
        return np.asarray(pd.Index(self._seen).get_indexer(self._joint(states)))
