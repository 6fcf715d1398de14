"""Effects by segment, and the tables of effects that page 05 leaves behind."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from promolab.campaign.past import known_at
from promolab.effects import group_tables

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from promolab.contract import Experiment, Shop
    from promolab.effects import GroupEffects, UpliftModel
    from promolab.report.pages.uplift_targeting import Pooled

__all__ = ["ALL_ARMS", "group_table", "segment_effects", "segments_of", "starting", "week_table"]

ALL_ARMS = "any promotion"
FEWEST = 30
"""Customers that a segment must have for its effect to be shown."""
MOST_LEVELS = 8
WEEK, PAST = "what starts this week", "past decisions, out of fold"
COLUMNS = ("arm", "promotion_id", "customer_id", "decision", "effect", "ci_low", "ci_high", "basis")
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


def segment_effects(model: UpliftModel, together: Pooled) -> GroupEffects | None:
    """Return what all arms together add in each segment; small ones are left out.

    Parameters
    ----------
    model : UpliftModel
    together : Pooled
    """
    from promolab.effects import GroupEffects

    found = segments_of(model.experiment_)
    if found is None:
        return None
    by, codes, names = found
    known = np.isfinite(together.gamma)
    mine = pd.DataFrame({"group": codes, "customer": model.cluster_})[known]
    customers = mine.groupby("group")["customer"].nunique().reindex(range(len(names)), fill_value=0)
    kept = np.flatnonzero(customers.to_numpy() >= FEWEST)
    if len(kept) < 2:
        return None
    renumbered = np.full(len(names) + 1, -1)
    renumbered[kept] = np.arange(len(kept))
    groups = [(renumbered[codes], [names[place] for place in kept])]
    arm = ALL_ARMS if len(model.treatments_) > 1 else model.treatments_[0]
    tables = group_tables(
        together.gamma[:, None], known[:, None], model.cluster_, (arm,), groups, 0.95
    )
    control = model.arms_[0]
    return GroupEffects(*tables, model.outcome_, control, 0.95, model.identification_, by)


def group_table(model: UpliftModel | None, segments: GroupEffects | None) -> pd.DataFrame:
    """Return the rows of ``tables/uplift_groups.parquet``: segments, and tenths by arm.

    Parameters
    ----------
    model : UpliftModel or None
    segments : GroupEffects or None
    """
    found = [] if segments is None else [segments]
    if model is not None:
        found.append(model.by_group(10))
    frames = [each.to_frame().assign(by=each.by) for each in found]
    if not frames:
        return pd.DataFrame(columns=list(GROUP_COLUMNS))
    table = pd.concat(frames, ignore_index=True)[list(GROUP_COLUMNS)]
    return table.astype({"arm": str, "group": str})


def starting(shop: Shop, arms: Sequence[Any], starts_at: datetime, until: datetime) -> pd.DataFrame:
    """Return promotion_id and kind of the promotions that start in the week and are of an arm."""
    if not shop.has("promotions"):
        return pd.DataFrame(columns=["promotion_id", "kind"])
    table = shop.promotions.select("promotion_id", "kind", "starts_at").execute()
    mine = (table["starts_at"] >= starts_at) & (table["starts_at"] < until)
    table = table[mine & table["kind"].isin(list(arms))].drop(columns="starts_at")
    return table.sort_values("promotion_id", ignore_index=True)


def week_table(
    model: UpliftModel | None, shop: Shop, as_of: Any, promotions: pd.DataFrame
) -> pd.DataFrame:
    """Return the rows of ``tables/uplift.parquet``: the effect per customer and arm.

    Parameters
    ----------
    model : UpliftModel or None
        Without one there is no row.
    shop : Shop
    as_of : datetime
        When what starts is decided.
    promotions : DataFrame
        `starting`; without any, the past decisions' effects, each by a model of other customers.

    Returns
    -------
    DataFrame
        arm, promotion_id (text; empty for past decisions), customer_id, decision (place in the
        experiment, −1 for what starts), effect, ci_low, ci_high (nan where the kind of model has
        none), basis.
    """
    if model is None:
        return pd.DataFrame(columns=list(COLUMNS))
    if promotions.empty:
        return _past(model)
    known = known_at(shop, as_of)
    effect = model.effect(known.reindex(columns=list(model.experiment_.covariates)))
    frames = [
        pd.DataFrame(
            {
                "arm": str(row.kind),
                "promotion_id": str(row.promotion_id),
                "customer_id": known["customer_id"],
                "decision": -1,
                **{name: effect[(row.kind, name)].to_numpy() for name in COLUMNS[4:7]},
                "basis": WEEK,
            }
        )
        for row in promotions.itertuples()
    ]
    return pd.concat(frames, ignore_index=True)[list(COLUMNS)]


def _past(model: UpliftModel) -> pd.DataFrame:
    experiment = model.experiment_
    who = experiment.frame[experiment.customer_id]
    effects = model.effects_
    frames = [
        pd.DataFrame(
            {
                "arm": str(arm),
                "promotion_id": "",
                "customer_id": who,
                "decision": np.arange(experiment.n),
                "effect": effects.iloc[:, place].to_numpy(),
                "ci_low": np.nan,
                "ci_high": np.nan,
                "basis": PAST,
            }
        )
        for place, arm in enumerate(model.treatments_)
    ]
    return pd.concat(frames, ignore_index=True)[list(COLUMNS)]
