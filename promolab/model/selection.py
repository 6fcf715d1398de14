"""Which features to keep, and what it costs in AUC to do without the others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from promolab.errors import InputError, nearest
from promolab.metrics.comparison import AucComparison, compare_auc
from promolab.model.backtest import run_backtest
from promolab.model.importance import importance_out_of_time
from promolab.model.response import ResponseModel
from promolab.model.rolling import chosen_features
from promolab.model.selection_result import Selection
from promolab.model.stability import Stability, stability_selection
from promolab.model.time_split import TimeSplit, split_in_time

if TYPE_CHECKING:
    from datetime import datetime

    from promolab.model.importance_result import Importance

__all__ = ["select_features"]

RULES = ("either", "both", "stable", "important")


def select_features(
    pairs: pd.DataFrame,
    outcome: str = "redeemed",
    columns: Sequence[str] | None = None,
    model: Any = ResponseModel,
    *,
    rule: str = "either",
    since: datetime | None = None,
    threshold: float = 0.75,
    expected_false: float = 1.0,
    halvings: int = 25,
    repeats: int = 5,
    seed: int = 0,
    level: float = 0.95,
) -> Selection:
    """Choose features on earlier promotions and measure the choice on later ones.

    The promotions are cut in time at ``since``. Those over before it choose: a feature is *stable*
    where `stability_selection` picks it, and *important* where shuffling it makes the AUC of a
    model fall beyond noise, out of time once more (fitted on the first of these promotions,
    measured on the later ones). Those that start from ``since`` on have no say in the choice. They
    measure it: each is predicted from the promotions over before it (`run_backtest`), with all
    features and with those kept, and the two AUCs are compared on the same rows. Nothing comes from
    after a row's own prediction; for a report week give the pairs as known then.

    Of useless features at most ``expected_false`` are expected to be stable, and (1 − level) / 2 of
    them to be important. A penalised model bears useless features well, so that the cost may be
    above what the few features left are easier to read: look before dropping any.

    Parameters
    ----------
    pairs : DataFrame
        As `run_backtest` takes them.
    outcome : str
        Label column.
    columns : sequence of str, optional
        Features to choose from; by default `pair_features`.
    model : callable, model or str
        Makes the models that importance and cost are measured with; or an unfitted one, or a
        kind's name.
    rule : {"either", "both", "stable", "important"}
        What keeps a feature.
    since : datetime, optional
        The cut; by default `split_in_time`'s.
    threshold, expected_false, halvings : float, float, int
        Of `stability_selection`.
    repeats : int
        Of `permutation_importance`.
    seed : int
        Start of every random number.
    level : float
        Confidence level.

    Returns
    -------
    Selection
        ``kept`` names the features. Where no feature passes, the one picked most often is kept.

    Raises
    ------
    InputError
        Too few responses on either side of the cut, an unknown rule, or a missing column.
    """
    if rule not in RULES:
        raise InputError(f"rule={rule!r} is unknown; {nearest(str(rule), RULES)}")
    features = chosen_features(pairs, outcome, columns)
    split = split_in_time(pairs, outcome, since)
    early = pairs.iloc[split.before]
    stability = stability_selection(
        early[features],
        split.labels[split.before],
        early["customer_id"].to_numpy(),
        threshold=threshold,
        expected_false=expected_false,
        halvings=halvings,
        seed=seed,
    )
    importance, why = _importance(early, outcome, features, model, repeats, seed, level)
    table = _decided(stability, importance, rule)
    kept = table.loc[table["kept"], "feature"].tolist()
    pooled, within = _cost(pairs, outcome, features, kept, model, split, level)
    return Selection(
        table,
        rule,
        stability,
        importance,
        why,
        pooled,
        within,
        split.moment,
        split.promotions_before,
        split.promotions_after,
    )


def _importance(
    early: pd.DataFrame,
    outcome: str,
    features: list[str],
    model: Any,
    repeats: int,
    seed: int,
    level: float,
) -> tuple[Importance | None, str]:
    """Return the importance among the promotions that choose, or why there is none."""
    try:
        split_in_time(early, outcome)
    except InputError as error:  # too short a history to cut twice
        return None, str(error)
    found = importance_out_of_time(
        early, outcome, features, model, repeats=repeats, seed=seed, level=level
    )
    return found, ""


def _decided(stability: Stability, importance: Importance | None, rule: str) -> pd.DataFrame:
    """Return the table of features with what each was found to be, and whether it is kept."""
    columns = ["importance", "ci_low", "ci_high"]
    table = stability.table.copy()
    if importance is None:
        table[columns] = np.nan
    else:
        table = table.merge(importance.table[["feature", *columns]], on="feature", how="left")
    # Exchanged between a handful of promotions, a feature's importance has no honest interval.
    table["important"] = (table["ci_low"] > 0) & ~_between(table["feature"], importance)
    decide: dict[str, Any] = {
        "either": table["stable"] | table["important"],
        "both": table["stable"] & table["important"],
        "stable": table["stable"],
        "important": table["important"],
    }
    if importance is None:
        decide["both"] = decide["important"] = table["stable"]
    table["kept"] = decide[rule].to_numpy(dtype=bool)
    if not table["kept"].any():
        table.loc[0, "kept"] = True  # the table begins with the one picked most often
    order = np.lexsort(
        [
            table["feature"].to_numpy(dtype=str),
            -table["importance"].fillna(0).to_numpy(),
            -table["frequency"].to_numpy(),
            ~table["kept"].to_numpy(),
        ]
    )
    return table.iloc[order].reset_index(drop=True)


def _between(feature: pd.Series, importance: Importance | None) -> np.ndarray:
    if importance is None:
        return np.zeros(len(feature), dtype=bool)
    how = importance.table.set_index("feature")["shuffled"]
    return feature.map(how).str.startswith("between").fillna(False).to_numpy(dtype=bool)


def _cost(
    pairs: pd.DataFrame,
    outcome: str,
    features: list[str],
    kept: list[str],
    model: Any,
    split: TimeSplit,
    level: float,
) -> tuple[AucComparison, AucComparison | None]:
    """Compare kept features with all on promotions from the cut on, pooled and within them."""
    keys = ["promotion_id", "customer_id"]
    tested = set(pairs["promotion_id"].iloc[split.after])
    # Promotions of before the cut, which chose, are not predicted where that is easily spared.
    least = split.promotions_before
    rows = []
    for used in (kept, features):
        found = run_backtest(pairs, outcome, used, model, min_promotions=least).rows
        mine = found[found["promotion_id"].isin(tested)]
        # A customer may stand in a promotion more than once: rows of equal keys are alike here.
        rows.append(mine.sort_values([*keys, "y", "p"], kind="stable", ignore_index=True))
    first, second = rows
    y, a, b, customer = first["y"], first["p"], second["p"], first["customer_id"]
    pooled = compare_auc(y, a, b, cluster=customer, level=level)
    both = first.groupby("promotion_id")["y"].nunique().max() == 2
    within = (
        compare_auc(y, a, b, cluster=customer, group=first["promotion_id"], level=level)
        if both
        else None
    )
    return pooled, within
