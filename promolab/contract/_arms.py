"""The checks of an experiment: its columns, its arms, their chances."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from promolab.errors import DataError, InputError, nearest
from promolab.wording import count, plural

if TYPE_CHECKING:
    import pandas as pd

    from promolab.contract.experiment import Experiment

MOST_ARMS = 50
NEAR = 1e-6
"""By how much the chances of a row may miss 1: they come written with some digits."""


def check_columns(experiment: Experiment) -> None:
    """Raise an error where a column is not there, has two roles, or misses values."""
    frame = experiment.frame
    known = [str(c) for c in frame.columns]
    roles = {
        "arm": (experiment.arm,),
        "customer_id": (experiment.customer_id,),
        "outcomes": experiment.outcomes,
        "placebo": experiment.placebo,
        "covariates": experiment.covariates,
        "block": () if experiment.block is None else (experiment.block,),
        "household": () if experiment.household is None else (experiment.household,),
    }
    if not experiment.outcomes:
        raise InputError("outcomes names no column; give at least one")
    if not len(frame):
        raise DataError(f"{experiment.name} has no decisions")
    taken: dict[str, str] = {}
    for role, names in roles.items():
        for name in names:
            if name not in known:
                raise InputError(f"{role}: there is no column {name!r}; {nearest(name, known)}")
            # A customer may be the household, and a round may be known before the decision.
            free = role in ("block", "household") and taken.get(name) != "outcomes"
            if name in taken and not free:
                raise InputError(_two_roles(name, taken[name], role))
            taken.setdefault(name, role)
    for name in experiment.assumed:
        if name not in experiment.covariates:
            raise InputError(f"assumed names {name!r}, which is not among the covariates")
    for name in (experiment.arm, experiment.customer_id):
        _complete(frame[name], "take those rows out")
    for name in experiment.outcomes:
        _numeric(frame[name])
        _complete(frame[name], "an outcome must be known for every decision; take those rows out")
    for name in experiment.placebo:
        _numeric(frame[name])


def _two_roles(name: str, one: str, other: str) -> str:
    if one == other:
        return f"{one} names {name!r} twice"
    if other == "covariates" and one in ("outcomes", "placebo"):
        return (
            f"{name!r} is an outcome and cannot be a covariate: it was not known when the decision "
            "was made"
        )
    return f"{name!r} is named as {one} and among {other}; a column has one role"


def _complete(column: pd.Series, advice: str) -> None:
    gone = column.isna().to_numpy()
    if gone.any():
        raise DataError(
            f"the column {column.name!r} has {plural(int(gone.sum()), 'missing value')} of "
            f"{count(len(column))}, first in row {int(gone.argmax()) + 1}; {advice}"
        )


def _numeric(column: pd.Series) -> None:
    import pandas as pd

    if not pd.api.types.is_numeric_dtype(column.dtype):
        raise DataError(
            f"the outcome {column.name!r} holds {str(column.iloc[0])!r}; expected numbers, or true "
            "and false"
        )
    if np.isinf(column.to_numpy(dtype=float, na_value=np.nan)).any():
        raise DataError(f"the outcome {column.name!r} holds infinity; expected finite numbers")


def arms_of(column: pd.Series, control: Any, stated: Sequence[Any]) -> tuple[Any, ...]:
    """Return the arms, the control first.

    Raises
    ------
    InputError
        If the control is none of them, or there is nothing to compare it with.
    DataError
        If a row has an arm that is not among those stated, or there are too many.
    """
    found = sorted(column.unique().tolist(), key=str)
    if stated:
        strange = [arm for arm in found if arm not in stated]
        if strange:
            raise DataError(
                f"the column {column.name!r} holds the arm {strange[0]!r}; "
                f"{nearest(str(strange[0]), map(str, stated))}"
            )
    everything = list(dict.fromkeys(stated)) or found
    if len(everything) > MOST_ARMS:
        raise DataError(
            f"the column {column.name!r} has {plural(len(everything), 'arm')}; expected at most "
            f"{MOST_ARMS}. Is it the right column?"
        )
    if control not in everything:
        raise InputError(
            f"control is {control!r}, which no row of {column.name!r} has; "
            f"{nearest(str(control), map(str, everything))}"
        )
    if len(everything) < 2:
        raise InputError(f"every row has the arm {control!r}: there is nothing to compare")
    return (control, *(arm for arm in everything if arm != control))


def chances_for(given: Any, codes: np.ndarray, arms: Sequence[Any]) -> np.ndarray:
    """Return stated chances as a read-only array of shape (n, K), rows summing to 1.

    Raises
    ------
    DataError
        If they are of another shape, no chances, do not sum to 1, or an arm was given that had
        none.
    """
    chances = np.array(given, dtype=float)
    if chances.shape != (len(codes), len(arms)):
        raise DataError(
            f"propensity has the shape {chances.shape}; expected ({len(codes)}, {len(arms)}): a "
            f"row per decision, a column per arm ({', '.join(map(str, arms))})"
        )
    if not ((chances >= 0) & (chances <= 1 + NEAR)).all():
        raise DataError("propensity holds values that are missing or no chance between 0 and 1")
    total = chances.sum(axis=1)
    off = np.abs(total - 1) > NEAR
    if off.any():
        row = int(off.argmax())
        raise DataError(
            f"the propensities of {plural(int(off.sum()), 'row')} do not sum to 1, first in row "
            f"{row + 1} ({total[row]:.6g}); state the chance of every arm that was possible"
        )
    got = chances[np.arange(len(codes)), codes]
    if (got <= 0).any():
        row = int((got <= 0).argmax())
        raise DataError(
            f"{plural(int((got <= 0).sum()), 'row')} got an arm whose propensity is 0, first row "
            f"{row + 1} ({arms[codes[row]]!r}); the chances are not those it was drawn with"
        )
    chances /= total[:, None]
    chances.flags.writeable = False
    return chances


def shares_in(codes: np.ndarray, k: int, blocks: pd.Series | None) -> np.ndarray:
    """Return the share of each arm, of each block, as chances of shape (n, k)."""
    block = np.zeros(len(codes), dtype=np.int64)
    if blocks is not None:
        block = np.asarray(blocks.factorize(use_na_sentinel=False)[0], dtype=np.int64)
    counts = np.zeros((block.max() + 1, k))
    np.add.at(counts, (block, codes), 1)
    chances: np.ndarray = (counts / counts.sum(axis=1, keepdims=True))[block]
    chances.flags.writeable = False
    return chances
