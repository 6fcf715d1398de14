"""Permutation importance: what a model loses in quality when a feature is shuffled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from promolab.errors import InputError, nearest
from promolab.metrics.intervals import normal_quantile
from promolab.model._inputs import check_beside, check_columns, check_labels, check_present
from promolab.model._shuffling import Quality, Shuffles, rescored
from promolab.model.explanation import logits_of, model_features
from promolab.model.families import feature_families
from promolab.model.importance_result import Importance
from promolab.model.learners._base import check_number
from promolab.model.response import ResponseModel
from promolab.model.rolling import chosen_features, model_maker
from promolab.model.time_split import split_in_time
from promolab.results import Estimate

if TYPE_CHECKING:
    from datetime import datetime

    from numpy.typing import ArrayLike

__all__ = ["importance_out_of_time", "permutation_importance"]

METRICS = {
    "auc": "AUC",
    "auc_within": "AUC within promotions",
    "log_loss": "log-loss",
    "brier": "Brier score",
}


def permutation_importance(
    model: ResponseModel,
    X: pd.DataFrame,
    y: ArrayLike,
    cluster: ArrayLike | None = None,
    group: ArrayLike | None = None,
    metric: str = "auc",
    repeats: int = 5,
    columns: Sequence[str] | None = None,
    *,
    families: str | Mapping[str, Sequence[str]] | None = None,
    outcome: str | None = None,
    seed: int = 0,
    level: float = 0.95,
) -> Importance:
    """Shuffle a feature and see by how much the model's quality falls.

    With ``group`` (the promotion), a feature that differs within promotions is shuffled between the
    customers of each, so that no customer gets a value from another promotion; a feature that is
    the same for all of a promotion is exchanged between whole promotions, which few promotions make
    noisy. The table says which. Without it, all rows are shuffled.

    **Correlated features hide each other**: a model that can read the same from a second feature
    loses little when the first is shuffled, and shuffling one alone makes customers that cannot be
    (Hooker, Mentch & Zhou 2021). Shuffle ``families`` together then. It says what this model uses,
    not what would be lost without the feature (`select_features` measures that by fitting again),
    nor what causes a response.

    Parameters
    ----------
    model : ResponseModel
        Fitted, best on other rows than these (`importance_out_of_time`).
    X, y : DataFrame, shape (n, k), and array of 0 and 1, shape (n,)
    cluster, group : array, shape (n,), optional
        Customer and promotion of each row.
    metric : {"auc", "auc_within", "log_loss", "brier"}
        For the last two, importance is by how much the loss rises.
    repeats : int
        Shuffles of each feature; more make the Monte Carlo error smaller.
    columns : sequence of str, optional
        Features to shuffle; all that the model reads by default.
    families : {"prefix", "correlated"} or mapping of str to list of str, optional
        Shuffle together: features whose names begin alike, those with a rank correlation beyond
        ±0.9, or those given. Columns in no family stand alone.
    outcome : str, optional
        Which outcome of a model with several.
    seed : int
        Start of the shuffles.
    level : float
        Confidence level.

    Returns
    -------
    Importance

    Raises
    ------
    InputError
        Unknown metric or column, labels of a single class, lengths that differ.

    Notes
    -----
    The interval is that of a paired comparison on the same rows (DeLong for an AUC, the mean of
    paired losses else), clustered by customer, each row's part averaged over the shuffles, plus the
    shuffles' own variance / repeats. Some of that is in the first as well, so it is a little wide:
    the standard error said was 1.1 times the spread over 300 simulated samples of 1,200 rows. It is
    for this model and these promotions: what another training sample would have made of it is not
    in it, nor, for a feature exchanged between promotions, that there might have been others.

    References
    ----------
    Breiman (2001), Machine Learning 45. Fisher, Rudin & Dominici (2019), JMLR 20(177).

    Examples
    --------
    >>> X = pd.DataFrame({"orders": range(60), "noise": [i * 7 % 11 for i in range(60)]})
    >>> y = [int(i % 4 == 0 or i > 40) for i in range(60)]
    >>> model = ResponseModel().fit(X, y)
    >>> permutation_importance(model, X, y).table["feature"].tolist()
    ['orders', 'noise']
    """
    if metric not in METRICS:
        raise InputError(f"metric={metric!r} is unknown; {nearest(str(metric), METRICS)}")
    if metric == "auc_within" and group is None:
        raise InputError("metric='auc_within' needs group= (the rows' promotions)")
    if isinstance(repeats, bool) or not isinstance(repeats, (int, np.integer)) or repeats < 1:
        raise InputError(f"repeats is {repeats!r}; give at least 1, a whole number")
    check_number({"seed": seed}, "seed", 0, whole=True)
    labels = check_labels(y, X) == 1
    check_present(X, model_features(model))
    used = model_features(model) if columns is None else [str(c) for c in check_columns(columns)]
    check_present(X, used)
    groups = check_beside(group, "group", X)
    codes = None if groups is None else pd.factorize(groups)[0]
    customers = check_beside(cluster, "cluster", X)
    units = None if customers is None else pd.factorize(customers)[0]
    quality = Quality(metric, labels, codes)
    before, parts = quality(logits_of(model, X, outcome))
    shuffles = Shuffles(X, codes, repeats, seed)
    scores = rescored(model, X[list(dict.fromkeys([*model_features(model), *used]))], outcome)
    records = []
    for name, members in _progress(feature_families(X, used, families)):
        found = [quality(says) for says in scores(shuffles.of(members))]
        fall = before - np.array([value for value, _ in found])
        difference = parts - sum(part for _, part in found) / repeats
        variance = quality.variance(difference, units)
        if repeats > 1:
            variance += float(fall.var(ddof=1)) / repeats
        records.append(
            {
                "feature": name,
                "columns": ", ".join(members),
                "importance": float(fall.mean()),
                "std_error": float(np.sqrt(variance)),
                "shuffled": shuffles.words(members),
            }
        )
    half = normal_quantile(level) * quality.variance(parts, units) ** 0.5
    return Importance(
        _table(records, level),
        metric,
        METRICS[metric],
        _whole(metric, before, half, len(X)),
        len(X),
        int(labels.sum()),
        len(X) if units is None else int(units.max()) + 1,
        repeats,
        level,
    )


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


def _table(records: list[dict[str, Any]], level: float) -> pd.DataFrame:
    frame = pd.DataFrame(records)
    half = normal_quantile(level) * frame["std_error"]
    frame.insert(3, "ci_low", frame["importance"] - half)
    frame.insert(4, "ci_high", frame["importance"] + half)
    order = np.lexsort([frame["feature"].to_numpy(dtype=str), -frame["importance"].to_numpy()])
    return frame.iloc[order].reset_index(drop=True)


def _whole(metric: str, value: float, half: float, n: int) -> Estimate:
    # A loss was measured with its sign turned, so that more is better.
    level = value if metric.startswith("auc") else -value
    return Estimate(level, level - half, level + half, n)


def _progress(families: Mapping[str, list[str]]) -> Any:
    from tqdm import tqdm

    words = {"desc": "shuffling", "unit": "feature", "leave": False, "delay": 2, "disable": None}
    return tqdm(list(families.items()), **words)
