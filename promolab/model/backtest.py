"""Backtest out of time: each promotion predicted by a model of those that were over before it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from promolab.errors import InputError, nearest
from promolab.model._inputs import TIME_NAMES, feature_columns
from promolab.model.backtest_result import Backtest, assemble
from promolab.model.experience import support
from promolab.model.response import ResponseModel
from promolab.wording import plural

__all__ = ["LABELS", "Backtest", "pair_features", "run_backtest"]

LABELS = ("redeemed", "purchased")
KEYS = ("customer_id", "promotion_id", "starts_at", "ends_at", "label_complete")


def pair_features(pairs: pd.DataFrame, outcome: str = "redeemed") -> list[str]:
    """Return the columns of pairs that can be features: all but ids, times and labels.

    Examples
    --------
    >>> pairs = pd.DataFrame(columns=["customer_id", "orders", "starts_at", "redeemed"])
    >>> pair_features(pairs)
    ['orders']
    """
    out = {*LABELS, *KEYS, *TIME_NAMES, outcome}
    return sorted(
        str(c)
        for c in pairs.columns
        if c not in out
        and not str(c).endswith("_id")
        and not pd.api.types.is_datetime64_any_dtype(pairs[c].dtype)
    )


def run_backtest(
    pairs: pd.DataFrame,
    outcome: str = "redeemed",
    columns: Sequence[str] | None = None,
    model: Callable[[], Any] = ResponseModel,
    *,
    min_positives: int = 20,
    min_promotions: int = 1,
) -> Backtest:
    """Predict each promotion from those that had ended when it started, and compare.

    A promotion whose label is not complete is neither predicted nor learned from; one that ends
    exactly when another is predicted is learned from.

    Parameters
    ----------
    pairs : DataFrame
        One row per exposure: customer_id, promotion_id, starts_at, ends_at, label_complete, the
        outcome (0/1) and the features as of the promotion's start (`build_pairs`), or as of an
        earlier ``as_of`` where that column is there: then it is the moment of the prediction.
    outcome : str
        Label column.
    columns : sequence of str, optional
        Features; by default `pair_features`.
    model : callable
        Makes a new model: something with ``fit(X, y)`` and ``predict_proba(X)``.
    min_positives, min_promotions : int
        What the training rows need: this many with the outcome, from this many promotions.

    Returns
    -------
    Backtest
        Where nothing could be predicted it is empty, and its summary says why.

    Raises
    ------
    InputError
        A column is missing, a promotion has two starts, a label is neither 0 nor 1.
    """
    promotions = _promotions(pairs, outcome)
    if len(pairs):
        features = feature_columns(pairs, columns or pair_features(pairs, outcome))
    else:
        features = sorted(columns or pair_features(pairs, outcome))
    usable = pairs[pairs["promotion_id"].isin(promotions.index[promotions["complete"]])]
    labels = _complete_labels(usable, outcome)
    parts: list[pd.DataFrame] = []
    trained_on: dict[Any, int] = {}
    reasons = dict.fromkeys(
        promotions.index[~promotions["complete"]],
        "its window is not over, so its label is not known",
    )
    fitted: tuple[list[Any], Any] = ([], None)
    complete = promotions[promotions["complete"]]
    for moment, tests in complete.groupby("predicted_at", sort=True):
        past = complete.index[complete["ends_at"] <= moment].tolist()
        train = usable["promotion_id"].isin(past)
        reason = _too_little(labels[train.to_numpy()], len(past), min_positives, min_promotions)
        if reason:
            reasons.update(dict.fromkeys(tests.index, reason))
            continue
        if fitted[0] != past:  # starts with the same past share a model
            fitted = past, _fit(model(), usable[train], labels[train.to_numpy()], features)
        rows = usable["promotion_id"].isin(tests.index)
        parts.append(
            _predict(fitted[1], usable[train], usable[rows], labels[rows.to_numpy()], features)
        )
        trained_on.update(dict.fromkeys(tests.index, len(past)))
    return assemble(outcome, features, parts, promotions, trained_on, reasons)


def _promotions(pairs: pd.DataFrame, outcome: str) -> pd.DataFrame:
    for name in (*KEYS, outcome):
        if name not in pairs.columns:
            known = [str(c) for c in pairs.columns]
            raise InputError(f"the pairs lack column {name!r}; {nearest(name, known)}")
    for name in ("starts_at", "ends_at"):
        if len(pairs) and not pd.api.types.is_datetime64_any_dtype(pairs[name].dtype):
            raise InputError(f"pairs.{name} has type {pairs[name].dtype}, expected a time")
        if pairs[name].isna().any():
            raise InputError(f"pairs.{name} has missing values; a promotion has a start and an end")
    grouped = pairs.groupby("promotion_id", observed=True)
    table = pd.DataFrame(
        {
            "starts_at": grouped["starts_at"].min(),
            "ends_at": grouped["ends_at"].max(),
            "predicted_at": _predicted_at(pairs, grouped),
            "complete": grouped["label_complete"]
            .min()
            .astype("boolean")
            .fillna(False)
            .astype(bool),
            "n": grouped.size(),
        }
    )
    several = table.index[grouped["starts_at"].min() < grouped["starts_at"].max()].tolist()
    if several:
        raise InputError(f"promotions {several[:5]} have more than one starts_at in the pairs")
    return table.sort_index().sort_values("starts_at", kind="stable")


def _predicted_at(pairs: pd.DataFrame, grouped: Any) -> pd.Series[Any]:
    """Return when each promotion is predicted: as of its features, at its start at the latest."""
    starts = grouped["starts_at"].min()
    if "as_of" not in pairs.columns or not len(pairs):
        return starts
    return pd.concat([starts, grouped["as_of"].min()], axis=1).min(axis=1)


def _complete_labels(usable: pd.DataFrame, outcome: str) -> np.ndarray:
    labels = usable[outcome].to_numpy(dtype=np.float64, na_value=np.nan)
    wrong = int((~np.isin(labels, (0.0, 1.0))).sum())
    if wrong:
        raise InputError(
            f"pairs.{outcome} has {plural(wrong, 'value')} other than 0 and 1 in promotions whose "
            "label is complete"
        )
    return labels


def _too_little(
    labels: np.ndarray, promotions: int, min_positives: int, min_promotions: int
) -> str | None:
    positives = int(labels.sum())
    if promotions < max(min_promotions, 1):
        least = plural(max(min_promotions, 1), "promotion")
        return f"{promotions or 'none'} had ended before it started (at least {least} needed)"
    if positives < max(min_positives, 1):
        return (
            f"the promotions that had ended before it started hold {plural(positives, 'response')} "
            f"(at least {max(min_positives, 1)} needed)"
        )
    if positives == len(labels):
        return "everyone responded to the promotions that had ended before it started"
    return None


def _fit(model: Any, train: pd.DataFrame, labels: np.ndarray, features: list[str]) -> Any:
    if isinstance(model, ResponseModel):
        cluster, group = train["customer_id"].to_numpy(), train["promotion_id"].to_numpy()
        return model.fit(train[features], labels, cluster=cluster, group=group)
    return model.fit(train[features], labels)


def _predict(
    model: Any, train: pd.DataFrame, rows: pd.DataFrame, labels: np.ndarray, features: list[str]
) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "customer_id": rows["customer_id"].to_numpy(),
            "promotion_id": rows["promotion_id"].to_numpy(),
            "starts_at": rows["starts_at"].to_numpy(),
            "y": labels.astype(np.int64),
            "p": np.asarray(model.predict_proba(rows[features]))[:, 1],
            "support": support(train, rows),
        }
    )
