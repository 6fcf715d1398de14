"""What promotions add in each segment, and the rows that tell it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from promolab.effects.averages import GroupEffects, group_tables
from promolab.effects.identification import Withheld
from promolab.effects.targeting import pooled

if TYPE_CHECKING:
    from promolab.contract import Experiment
    from promolab.effects.model import UpliftModel


ALL_ARMS = "any promotion"
FEWEST = 30
"""Customers that a segment must have for its effect to be shown."""
MOST_LEVELS = 8
NO_SEGMENTS = (
    "No segments: the RFM grid needs recency_days, orders and amount, and no other column puts "
    "customers into two to eight groups of 30 or more."
)
GROUP_COLUMNS = (
    *("by", "arm", "group", "effect", "ci_low", "ci_high", "std_error", "n", "customers"),
    "identification",
)


def segments_of(experiment: Experiment) -> tuple[str, np.ndarray, list[str]] | None:
    """Return a name, the group of each row and what the groups are called, or None.

    The RFM grid as of each decision; where the columns for it lack, the first covariate that is no
    number and has two to eight values.

    Parameters
    ----------
    experiment : Experiment

    Examples
    --------
    >>> from promolab.contract import Experiment
    >>> rows = pd.DataFrame({"customer_id": [1, 2, 3], "arm": ["a", "b", "a"], "y": [0.0, 1, 1]})
    >>> rows["city"] = ["York", "Bath", "York"]
    >>> found = segments_of(Experiment(rows, "arm", "a", ["city"], ["y"], design="constant"))
    >>> found[0], found[1].tolist(), found[2]
    ('city', [1, 0, 1], ['Bath', 'York'])
    """
    from promolab.segmentation import NO_PURCHASES, RFM_COLUMNS, RFM_ORDER, rfm_names

    frame = experiment.X
    if all(name in frame for name in RFM_COLUMNS):
        groups = [*RFM_ORDER, NO_PURCHASES]
        codes = pd.Index(groups).get_indexer(pd.Index(rfm_names(frame)))
        return "RFM segment at the decision", codes, groups
    for name in experiment.covariates:
        values = frame[name]
        number = pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values)
        if not number and 2 <= values.nunique() <= MOST_LEVELS:
            codes, names = pd.factorize(values.astype("string"), sort=True)
            return name, np.asarray(codes), [str(text) for text in names]
    return None


def segment_effects(model: UpliftModel, level: float = 0.95) -> GroupEffects | Withheld:
    """Return what all arms together add in each segment; small ones are left out.

    Parameters
    ----------
    model : UpliftModel
    level : float
    """
    found = segments_of(model.experiment_)
    if found is None:
        return Withheld(NO_SEGMENTS)
    by, codes, names = found
    gamma = pooled(model).gamma
    known = np.isfinite(gamma)
    mine = pd.DataFrame({"group": codes, "customer": model.cluster_})[known]
    customers = mine.groupby("group")["customer"].nunique().reindex(range(len(names)), fill_value=0)
    kept = np.flatnonzero(customers.to_numpy() >= FEWEST)
    if len(kept) < 2:
        return Withheld(NO_SEGMENTS)
    renumbered = np.full(len(names) + 1, -1)
    renumbered[kept] = np.arange(len(kept))
    groups = [(renumbered[codes], [names[place] for place in kept])]
    arm = ALL_ARMS if len(model.treatments_) > 1 else model.treatments_[0]
    rows, tests = group_tables(
        gamma[:, None], known[:, None], model.cluster_, (arm,), groups, level
    )
    control, right = model.arms_[0], model.identification_
    return GroupEffects(rows, model.outcome_, control, level, right, tests, by)


def group_rows(model: UpliftModel) -> pd.DataFrame:
    """Return the rows of ``tables/uplift_groups.parquet``: segments, and tenths by arm.

    Parameters
    ----------
    model : UpliftModel
        One that a check refuses has no row.
    """
    found = (model.by_segment(), model.by_group(10))
    frames = [e.to_frame().assign(by=e.by) for e in found if isinstance(e, GroupEffects)]
    if not frames:
        return pd.DataFrame(columns=list(GROUP_COLUMNS))
    rows = pd.concat(frames, ignore_index=True)[list(GROUP_COLUMNS)]
    return rows.astype({"arm": str, "group": str})
