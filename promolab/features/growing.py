"""An experiment that grows by a round: what was worked out before is not worked out again."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from promolab.contract import Experiment
from promolab.errors import InputError

ROLES = ("arm", "control", "covariates", "outcomes", "early", "block", "household")


def one_after(earlier: Experiment, later: Experiment) -> Experiment:
    """Return the decisions of an experiment, and behind them those of a later one.

    Parameters
    ----------
    earlier, later : Experiment
        Of the same columns, with known chances; every decision of the first was made before any of
        the second.

    Returns
    -------
    Experiment
        With the arms of both, and the notes of both, each once.

    Raises
    ------
    InputError
        Their columns differ, or their times overlap.

    Examples
    --------
    >>> import pandas as pd
    >>> def of(day, arm):
    ...     rows = pd.DataFrame({"customer_id": [1, 2], "arm": ["none", arm], "spend": [0.0, 1.0]})
    ...     rows["ts"] = pd.Timestamp(day)
    ...     return Experiment(rows, "arm", "none", [], ["spend"], propensity=[[0.5, 0.5]] * 2)
    >>> found = one_after(of("2024-07-01", "coupon"), of("2024-07-08", "mail"))
    >>> found.n, found.arms, found.propensity[3].tolist()
    (4, ('none', 'coupon', 'mail'), [0.5, 0.0, 0.5])
    """
    import pandas as pd

    for name in ROLES:
        if getattr(earlier, name) != getattr(later, name):
            raise InputError(
                f"kept has other {name} than these decisions; give what was made of the same shop "
                "and asked alike, or leave it out"
            )
    if earlier.frame["ts"].max() >= later.frame["ts"].min():
        raise InputError(
            "kept holds decisions later than those that it lacks; give what was made at an earlier "
            "time, or leave it out"
        )
    treatments = sorted({*earlier.treatments, *later.treatments}, key=str)
    arms = (earlier.control, *treatments)
    return replace(
        earlier,
        frame=pd.concat([earlier.frame, later.frame], ignore_index=True),
        propensity=np.vstack([_spread(one, arms) for one in (earlier, later)]),
        arms=arms,
        placebo=max(earlier.placebo, later.placebo, key=len),  # the first round may have none
        notes=tuple(dict.fromkeys((*earlier.notes, *later.notes))),
    )


def _spread(trial: Experiment, arms: tuple[object, ...]) -> np.ndarray:
    """Return the chances of all arms, 0 of one that was not there."""
    found = np.zeros((trial.n, len(arms)))
    found[:, [arms.index(arm) for arm in trial.arms]] = trial.propensity
    return found
