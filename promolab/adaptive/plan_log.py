"""A log of decisions over weeks: who was in which state, what was done, what followed."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from promolab.checks import choices_of, columns_there, numbers_of, share
from promolab.errors import DataError, InputError
from promolab.wording import count, plural

NONE = "none"
"""The action that contacts nobody."""
GONE, UNKNOWN = -1, -2
"""In place of a next row: the customer left for good; nobody knows what followed."""
FEW = 12
"""Up to so many different values each value of a state is a bin of its own."""


def discount_of(discount: Any) -> float:
    """Return the factor by which a week's reward counts less than that of the week before."""
    if discount == 1 or (isinstance(discount, (int, float)) and discount > 1):
        raise InputError(
            f"discount = {discount:g}; expected a factor below 1, such as 0.97 a week: otherwise "
            "what is to come has no finite worth"
        )
    return share("discount", discount, one=False)


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
        cut = {
            name: getattr(self, name)[rows]
            for name in (
                "states",
                "action",
                "reward",
                "propensity",
                "customer",
                "first",
                "allowed",
                "order",
            )
        }
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
    if not isinstance(log, pd.DataFrame):
        raise InputError(f"log is a {type(log).__name__}; give a DataFrame, a row per decision")
    states = [states] if isinstance(states, str) else list(states)
    if "propensity" not in log.columns:
        raise DataError(
            "the log has no column propensity; give the chance by which each action was taken: "
            "without it what came of an action cannot be told from whom it was taken with"
        )
    columns_there(log, ["customer_id", "week", "action", "reward", *states], "log")
    if not len(log) or not states:
        raise InputError("log or states is empty; give a row per decision, and a column or more")
    weeks = numbers_of("log.week", log["week"])
    order = np.lexsort((weeks, pd.factorize(log["customer_id"])[0]))
    log, weeks = log.iloc[order].reset_index(drop=True), weeks[order]
    customer, names = pd.factorize(log["customer_id"])
    if (customer < 0).any() or log["action"].isna().any():
        raise DataError("log has rows without a customer_id or an action; leave them out")
    same = np.diff(customer) == 0
    twice = np.flatnonzero(same & (np.diff(weeks) == 0))
    if len(twice):
        raise DataError(
            f"{count(len(twice))} rows of the log repeat a customer and week (such as "
            f"customer {names[customer[twice[0]]]} in week {weeks[twice[0]]:g}): their rewards "
            "would count twice; give each decision once"
        )
    chance = numbers_of("log.propensity", log["propensity"])
    wrong = ~((chance > 0) & (chance <= 1))
    if wrong.any():
        raise DataError(
            f"log.propensity is {chance[wrong][0]:g} in {plural(int(wrong.sum()), 'row')}; an "
            "action that was taken had a chance above 0, up to 1"
        )
    taken = sorted(set(log["action"]), key=lambda label: (label != NONE, str(label)))
    labels = taken if actions is None else choices_of("actions", actions)
    if missing := [label for label in labels if label not in taken]:
        raise DataError(
            f"the log never took {missing[0]!r}, so it cannot tell what comes of it; leave it out "
            "of actions, or try it by chance first"
        )
    if more := [label for label in taken if label not in labels]:
        raise InputError(f"the log took {more[0]!r}, which is not in actions; name all it took")
    may = np.ones((len(log), len(labels)), dtype=bool)
    if allowed is not None:
        may = np.asarray(allowed)
        if may.shape != (len(log), len(labels)) or may.dtype != bool or not may.any(axis=1).all():
            raise InputError(
                f"allowed has shape {may.shape}; expected True or False in shape "
                f"({len(log)}, {len(labels)}), with an action that is allowed in every row"
            )
        may = may[order]
    gone = np.zeros(len(log), dtype=bool)
    if "gone" in log.columns:
        gone = log["gone"].to_numpy(dtype=bool)
    if (gone[:-1] & same).any():
        raise DataError("log has rows of customers after they were gone; leave one of the two out")
    follows = np.append(same & (np.diff(weeks) == 1), False)
    # The last week tells of those alone who left in it: counted, everybody would seem to leave.
    left = gone & (weeks < weeks.max())
    following = np.where(follows, np.arange(1, len(log) + 1), np.where(left, GONE, UNKNOWN))
    if not follows.any():
        raise DataError("no customer of the log has two weeks in a row; a plan needs what followed")
    return PlanLog(
        states=state_columns(log, states, "log"),
        actions=labels,
        action=pd.Categorical(log["action"], categories=labels).codes.astype(np.int64),
        reward=numbers_of("log.reward", log["reward"], finite=True).astype(float),
        propensity=chance.astype(float),
        customer=customer,
        following=following,
        first=np.append(True, ~same),
        allowed=may,
        names=np.asarray(names),
        order=order,
    )


def state_columns(frame: pd.DataFrame, names: Sequence[str], what: str) -> pd.DataFrame:
    """Return the columns that make a state, as numbers."""
    columns_there(frame, names, what)
    return pd.DataFrame(
        {name: numbers_of(f"{what}.{name}", frame[name], finite=True) for name in names},
        dtype=float,
    )


def policy_chances(plan: Any, labels: list[Any], n: int) -> np.ndarray:
    """Return the chances of a plan that gives an action or chances per state, shape (n, K)."""
    given = np.asarray(plan)
    if given.shape == (n, len(labels)) and given.dtype.kind in "fiub":
        chances = given.astype(float)
        if (chances < 0).any() or np.abs(chances.sum(axis=1) - 1).max() > 1e-6:
            raise InputError("plan has chances below 0, or rows that do not sum to 1")
        return chances
    if given.shape != (n,):
        raise InputError(
            f"plan has shape {given.shape}; expected an action per row ({n},), or the chance of "
            f"each action ({n}, {len(labels)})"
        )
    codes = pd.Index(labels).get_indexer(given)
    if (codes < 0).any():
        raise InputError(
            f"plan names {str(given[codes < 0][0])!r}, which is none of the actions "
            f"{', '.join(map(str, labels))}"
        )
    return np.asarray(np.eye(len(labels))[codes])


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
        self._ends: dict[str, tuple[bool, np.ndarray]] = {}
        for name, column in states.items():
            values = np.unique(column)
            exact = len(values) <= FEW
            cuts = values if exact else np.quantile(column, np.linspace(0, 1, most + 1)[1:-1])
            self._ends[str(name)] = exact, np.unique(cuts)
        self._seen, self.of_log = np.unique(self._joint(states), return_inverse=True)

    @property
    def count(self) -> int:
        """How many bins the log has."""
        return len(self._seen)

    def _joint(self, states: pd.DataFrame) -> np.ndarray:
        joint = np.zeros(len(states), dtype=np.int64)
        for name, (exact, ends) in self._ends.items():
            values = states[name].to_numpy()
            code = np.searchsorted(ends, values, side="left" if exact else "right")
            if exact:
                code = np.where(ends[np.minimum(code, len(ends) - 1)] == values, code, -1)
            joint = np.where((joint < 0) | (code < 0), -1, joint * (len(ends) + 1) + code)
        return joint

    def of(self, states: pd.DataFrame) -> np.ndarray:
        """Return the bin of each state, −1 where no row of the log has it, shape (n,)."""
        joint = self._joint(states)
        place = np.minimum(np.searchsorted(self._seen, joint), len(self._seen) - 1)
        return np.where(self._seen[place] == joint, place, -1)
