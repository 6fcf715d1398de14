"""Importance on promotions that started after the ones learned from."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from promolab.compare.rolling import chosen_features, model_maker
from promolab.explain import permutation_importance
from promolab.model import ResponseModel
from promolab.model.inputs import split_in_time

if TYPE_CHECKING:
    import pandas as pd

    from promolab.explain import Importance

__all__ = ["importance_out_of_time"]


def importance_out_of_time(
    pairs: pd.DataFrame,
    outcome: str = "redeemed",
    columns: Sequence[str] | None = None,
    model: Any = ResponseModel,
    *,
    since: datetime | None = None,
    **options: Any,
) -> Importance:
    """Fit on the promotions over before a moment, measure on those starting from it on.

    Parameters
    ----------
    pairs : DataFrame
        As `run_backtest` takes them.
    outcome : str
        Label column.
    columns : sequence of str, optional
        Features; by default `pair_features`.
    model : callable, model or str
        Makes a new model, or is an unfitted one or a kind's name.
    since : datetime, optional
        The moment; chosen by `split_in_time` otherwise.
    **options
        Of `permutation_importance`.

    Raises
    ------
    InputError
        As `split_in_time` and `permutation_importance`.
    """
    features = chosen_features(pairs, outcome, columns)
    split = split_in_time(pairs, outcome, since)
    early, late = pairs.iloc[split.before], pairs.iloc[split.after]
    fitted = model_maker(model)().fit(
        early[features],
        split.labels[split.before],
        cluster=early["customer_id"].to_numpy(),
        group=early["promotion_id"].to_numpy(),
        time=early["starts_at"].to_numpy(),
    )
    found = permutation_importance(
        fitted,
        late[features],
        split.labels[split.after],
        cluster=late["customer_id"].to_numpy(),
        group=late["promotion_id"].to_numpy(),
        **options,
    )
    return found.about(split.moment, split.promotions_before, split.promotions_after)
