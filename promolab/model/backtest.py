"""Backtest out of time: each promotion predicted by a model of those that were over before it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from promolab.errors import InputError
from promolab.model.backtest_result import Backtest, assemble
from promolab.model.experience import support
from promolab.model.folds import Fold
from promolab.model.response import ResponseModel
from promolab.model.rolling import (
    Setting,
    model_maker,
    pair_features,
    predict_folds,
    promotion_setting,
)

__all__ = ["Backtest", "backtest_of", "pair_features", "run_backtest"]


def run_backtest(
    pairs: pd.DataFrame,
    outcome: str = "redeemed",
    columns: Sequence[str] | None = None,
    model: Any = ResponseModel,
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
    model : callable, model or str
        Makes a new model: something with ``fit(X, y)`` and ``predict_proba(X)``. Or an unfitted
        model, or a kind's name.
    min_positives, min_promotions : int
        What the training rows need: this many with the outcome, from this many promotions.

    Returns
    -------
    Backtest
        Where nothing could be predicted it is empty, and its summary says why.

    Raises
    ------
    InputError
        A column is missing, a promotion has two starts, a label is neither 0 nor 1, or the model
        refuses the training rows of every promotion; those of one alone are told in ``skipped``.
    """
    setting = promotion_setting(
        pairs, outcome, columns, min_positives=min_positives, min_promotions=min_promotions
    )
    refused: dict[str, str] = {}
    p = predict_folds(setting, model_maker(model), refused=refused)
    if refused and np.isnan(p).all():
        raise InputError(f"no promotion could be learned for: {next(iter(refused.values()))}")
    return backtest_of(setting, p, refused)


def backtest_of(
    setting: Setting, p: np.ndarray, refused: Mapping[str, str] | None = None
) -> Backtest:
    """Compare predictions of `predict_folds` with what came.

    Parameters
    ----------
    setting : Setting
        Of promotions.
    p : ndarray, shape (n,)
        Predicted probability of each row; a fold with nan was not predicted and is skipped.
    refused : mapping of str to str, optional
        Why a model did not learn for a fold, by the fold's name.
    """
    promotions = setting.promotions
    if promotions is None:
        raise InputError("a backtest is of promotions; this table has none with a start and an end")
    promotions = promotions.assign(type=_types(setting.frame).reindex(promotions.index).fillna(""))
    reasons = dict(
        zip(setting.folds.left_out["promotion_id"], setting.folds.left_out["reason"], strict=True)
    )
    parts: list[pd.DataFrame] = []
    trained_on: dict[Any, int] = {}
    for fold in setting.folds.parts:
        if np.isnan(p[fold.test]).any():
            why = (refused or {}).get(fold.name, "a model could not learn for it")
            reasons.update(dict.fromkeys(fold.promotions, why))
            continue
        parts.append(_rows(setting, fold, p))
        trained_on.update(dict.fromkeys(fold.promotions, fold.trained_on))
    return assemble(setting.outcome, setting.features, parts, promotions, trained_on, reasons)


def _types(pairs: pd.DataFrame) -> pd.Series[str]:
    """Return each promotion's type, else its kind, where the pairs tell them."""
    told = pd.Series("", index=pairs.index, dtype=object)
    for name in ("promotion_kind", "promotion_type"):
        if name in pairs:
            said = pairs[name].notna() & (pairs[name].astype(str) != "")
            told = told.where(~said, pairs[name].astype(str))
    return told.groupby(pairs["promotion_id"].to_numpy()).first()


def _rows(setting: Setting, fold: Fold, p: np.ndarray) -> pd.DataFrame:
    rows = setting.frame.iloc[fold.test]
    return pd.DataFrame(
        {
            "customer_id": rows["customer_id"].to_numpy(),
            "promotion_id": rows["promotion_id"].to_numpy(),
            "starts_at": rows["starts_at"].to_numpy(),
            "y": setting.labels[fold.test].astype(np.int64),
            "p": p[fold.test],
            "support": support(setting.frame.iloc[fold.train], rows),
        }
    )
