"""Whether decisions that come from outside are such as the shop could carry out."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np

from promolab.errors import InputError, nearest
from promolab.simulated.overlap import NONE

if TYPE_CHECKING:
    import pandas as pd

NOTHING = "none"
NEEDED = ("decision_id", "customer_id", "action", "propensity")
NEEDED_CHANCES = ("decision_id", "action", "propensity")
CLOSE = 1e-6
"""By how much chances may miss 1."""


def places_of(actions: pd.Series[str], promotions: Sequence[str], week: str) -> np.ndarray:
    """Return each action's place among the promotions of the week, or `NONE`.

    Raises
    ------
    InputError
        An action that is neither one of them nor ``none``.
    """
    import pandas as pd

    found = pd.Index([*promotions, NOTHING]).get_indexer(pd.Index(actions.astype(object)))
    if (found < 0).any():
        wrong = actions.iloc[int((found < 0).argmax())]
        raise InputError(
            f"action {wrong!r} does not start in {week}; "
            f"{nearest(str(wrong), [*promotions, NOTHING])}"
        )
    return np.where(found == len(promotions), NONE, found)


def numbers_of(customers: pd.Series[int], many: int) -> np.ndarray:
    """Return each customer's position in a shop of so many.

    Raises
    ------
    InputError
        A customer whom the shop does not have, or one twice.
    """
    import pandas as pd

    found = pd.to_numeric(customers, errors="coerce").to_numpy(dtype=float)
    wrong = ~((found >= 1) & (found <= many) & (found == np.floor(found)))
    if wrong.any():
        raise InputError(f"the shop has no customer {customers.iloc[int(wrong.argmax())]}")
    position = found.astype(np.int64) - 1
    twice = np.bincount(position, minlength=many) > 1
    if twice.any():
        raise InputError(f"customer {int(twice.argmax()) + 1} is decided on twice; expected once")
    return position


def check_columns(frame: pd.DataFrame, needed: Sequence[str], table: str) -> None:
    """Raise an InputError where a table lacks a column, or a value of one."""
    for name in needed:
        if name not in frame:
            raise InputError(f"{table} lack the column {name!r}; expected {', '.join(needed)}")
        if frame[name].isna().any():
            raise InputError(f"{table} have rows without {name}; every row needs one")


def check_chances(decisions: pd.DataFrame, chances: pd.DataFrame) -> None:
    """Check that chances are such, sum to 1 in each decision, and are those of the decisions.

    Raises
    ------
    InputError
        They are not.
    """
    import pandas as pd

    ids = pd.Index(decisions["decision_id"])
    if ids.has_duplicates:
        raise InputError(f"decision {ids[ids.duplicated()][0]!r} stands twice; each needs its own")
    own = decisions["propensity"].to_numpy(dtype=float)
    if not ((own > 0) & (own <= 1)).all():
        wrong = decisions.iloc[int((~((own > 0) & (own <= 1))).argmax())]
        raise InputError(
            f"decision {wrong['decision_id']!r} has propensity {wrong['propensity']}; what was "
            "done had a chance above 0 and at most 1"
        )
    which = ids.get_indexer(pd.Index(chances["decision_id"]))
    if (which < 0).any():
        wrong = chances["decision_id"].iloc[int((which < 0).argmax())]
        raise InputError(f"decision_propensities have decision {wrong!r}, which decisions have not")
    value = chances["propensity"].to_numpy(dtype=float)
    if not ((value >= 0) & (value <= 1)).all():
        raise InputError("decision_propensities have a chance below 0 or above 1")
    total = np.bincount(which, weights=value, minlength=len(ids))
    if (np.abs(total - 1) > CLOSE).any():
        at = int((np.abs(total - 1) > CLOSE).argmax())
        raise InputError(
            f"the chances of decision {ids[at]!r} sum to {total[at]:.6g}; expected 1, with every "
            "action that was possible in decision_propensities"
        )
    done = chances["action"].to_numpy() == decisions["action"].to_numpy()[which]
    same = np.abs(value[done] - own[which[done]]) <= CLOSE
    if len(np.unique(which[done])) < len(ids) or done.sum() > len(ids) or not same.all():
        raise InputError(
            "decisions.propensity is not the chance of the same action in decision_propensities; "
            "each decision's action must stand there once, with that chance"
        )


def check_times(decisions: pd.DataFrame, start: datetime) -> None:
    """Raise an InputError where a decision is not taken in the week that begins then (UTC)."""
    if decisions["ts"].dtype.kind != "M" or getattr(decisions["ts"].dtype, "tz", None) is not None:
        raise InputError("decisions have times (ts) with a zone, or none; expected UTC without one")
    end = start + timedelta(weeks=1)
    wrong = ~decisions["ts"].between(start, end, inclusive="left")
    if wrong.any():
        raise InputError(
            f"decision {decisions['decision_id'][wrong].iloc[0]!r} is dated "
            f"{decisions['ts'][wrong].iloc[0]}; expected the week from {start} (UTC) on"
        )
