"""Models compared on the same rows, none of which any of them had seen."""

from __future__ import annotations

import time as clock
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from promolab.compare.backtest import backtest_of
from promolab.compare.leaderboard_result import BOARD_METRICS as METRICS
from promolab.compare.leaderboard_result import Leaderboard
from promolab.compare.rolling import (
    Setting,
    make_setting,
    named_models,
    predict_folds,
    progress_bar,
)
from promolab.errors import InputError, nearest
from promolab.metrics import ALARM_AUC, columns_too_good, told_too_good
from promolab.metrics import FEWEST_ROWS as FEWEST
from promolab.model.inputs import Folds

__all__ = ["compare_models", "leakage_alarm"]


def leakage_alarm(setting: Setting, scores: Mapping[str, np.ndarray]) -> str:
    """Say that an AUC is above 0.90, of a model or of a column by itself; empty where none is.

    Parameters
    ----------
    setting : Setting
        Its folds' rows are those that count.
    scores : mapping of str to ndarray of shape (n,)
        Predictions by model; nan where there is none.
    """
    from promolab.metrics import measure

    rows = setting.folds.tested
    y = setting.labels[rows]
    if min((y == 1).sum(), (y == 0).sum()) < FEWEST:
        return ""
    aucs = {name: measure(y, p[rows], "auc").value for name, p in scores.items()}
    high = {name: auc for name, auc in aucs.items() if auc > ALARM_AUC}
    alone = columns_too_good(setting.frame.iloc[rows], setting.features, y)
    if not high and not alone:
        return ""
    said = []
    if high:
        best = max(high, key=lambda name: high[name])
        said.append(f"{best} has an AUC of {high[best]:.2f}")
    if alone:
        said.append(told_too_good(alone, setting.outcome))
    return (
        f"Alarm: {'; '.join(said)}. Above {ALARM_AUC:.2f} something that came later is, as a rule, "
        "among the features: take out what was not known beforehand."
    )


def compare_models(
    pairs: pd.DataFrame,
    models: Mapping[str, Any] | Sequence[str] = ("logistic", "tree", "forest", "boosting"),
    outcome: str = "redeemed",
    columns: Sequence[str] | None = None,
    *,
    metric: str = "auc",
    time: str | None = None,
    folds: int | None = None,
    min_positives: int = 20,
    min_promotions: int = 1,
    draws: int = 1000,
    seed: int = 0,
    level: float = 0.95,
) -> Leaderboard:
    """Test models on rows that they had not seen, all on the same, and say which to take.

    With promotions that have a start and an end, each is predicted from those over before it
    started (`run_backtest`); a table with ``time`` is cut into blocks, each predicted from the rows
    before it; else folds of whole customers are predicted from the other customers. What one of the
    models could not predict is left out for all, and counted.

    Parameters
    ----------
    pairs : DataFrame
        Pairs (`build_pairs`) or a labelled table (`load_labelled`).
    models : mapping of str to model, or sequence of str
        From the simplest to the most involved: kinds' names, unfitted models, or what makes one.
        The first is the one that all others are compared with.
    outcome : str
        Label column.
    columns : sequence of str, optional
        Features; by default `pair_features`.
    metric : {"auc", "auc_within", "average_precision", "log_loss", "brier", "ece"}
        What decides which is recommended: the simplest whose paired difference to the best has an
        interval that includes 0.
    time : str, optional
        Column of the moment of each row, of a table without promotions.
    folds : int, optional
        At most this many; by default one per start of promotions, or five.
    min_positives, min_promotions : int
        What training rows need: this many with the outcome, from this many promotions.
    draws : int
        Bootstrap draws of customers behind the intervals that have no formula.
    seed : int
        Of the draws, and of the deal of customers to folds.
    level : float
        Confidence level.

    Returns
    -------
    Leaderboard

    Raises
    ------
    InputError
        No row could be predicted, a model could learn in no fold, an unknown kind or metric.

    Examples
    --------
    >>> from promolab.model import ResponseModel
    >>> rng = np.random.default_rng(0)
    >>> rows = pd.DataFrame({"customer_id": range(300), "orders": rng.poisson(3.0, 300)})
    >>> rows["click"] = (rows["orders"] + rng.normal(size=300) > 4).astype(int)
    >>> stumps = {f"depth {d}": ResponseModel("tree", depth=d, min_leaf=20) for d in (1, 3)}
    >>> board = compare_models(rows, stumps, "click", draws=100)
    >>> board.frame["model"].tolist(), board.recommended in stumps
    (['depth 1', 'depth 3'], True)
    """
    makers = named_models(models)
    if metric not in METRICS:
        raise InputError(f"metric={metric!r} is unknown; {nearest(str(metric), METRICS)}")
    setting = make_setting(
        pairs,
        outcome,
        columns,
        time=time,
        folds=folds,
        min_positives=min_positives,
        min_promotions=min_promotions,
        seed=seed,
    )
    if not setting.folds.parts:
        why = "; ".join(setting.folds.left_out["reason"].unique()[:2]) or (
            f"no fold leaves {min_positives} rows with {outcome} = 1 to learn from"
        )
        raise InputError(f"there is nothing to compare models on: {why}")
    scores, seconds, refused = _predict_all(setting, makers)
    setting, scores = _in_common(setting, scores, refused)
    rows = _rows(setting)
    if rows["y"].nunique() < 2:
        raise InputError(
            f"all {len(rows):,} rows predicted have {outcome} = {rows['y'].iloc[0]}; models can be "
            "compared where some respond and some do not"
        )
    tested = setting.folds.tested
    return Leaderboard(
        outcome,
        tuple(setting.features),
        tuple(makers),
        metric,
        setting.folds.words,
        rows,
        pd.DataFrame({name: p[tested] for name, p in scores.items()}),
        pd.Series(seconds, name="seconds"),
        setting.folds.left_out,
        draws,
        seed,
        level,
        {name: backtest_of(setting, p) for name, p in scores.items()}
        if setting.promotions is not None
        else {},
        leakage_alarm(setting, scores),
    )


def _predict_all(
    setting: Setting, makers: Mapping[str, Any]
) -> tuple[dict[str, np.ndarray], dict[str, float], dict[str, dict[str, str]]]:
    """Return each model's predictions, its seconds, and the folds it refused, with the reason."""
    scores: dict[str, np.ndarray] = {}
    seconds: dict[str, float] = {}
    refused: dict[str, dict[str, str]] = {}
    parts = setting.folds.parts
    with progress_bar(len(makers) * len(parts), "comparing models") as bar:
        for name, make in makers.items():
            bar.set_postfix_str(name)
            started = clock.perf_counter()
            refused[name] = {}
            scores[name] = predict_folds(
                setting, make, done=lambda fold: bar.update(), refused=refused[name]
            )
            seconds[name] = clock.perf_counter() - started
            if len(refused[name]) == len(parts):
                why = next(iter(refused[name].values()))
                raise InputError(f"the model {name!r} could learn in no fold: {why}")
    return scores, seconds, refused


def _in_common(
    setting: Setting, scores: dict[str, np.ndarray], refused: dict[str, dict[str, str]]
) -> tuple[Setting, dict[str, np.ndarray]]:
    """Leave out for all models what one of them could not predict."""
    reasons: dict[str, str] = {}
    for name, folds in refused.items():
        for fold, why in folds.items():
            reasons.setdefault(fold, f"{name} could not learn for it: {why}")
    if not reasons:
        return setting, scores
    parts = [fold for fold in setting.folds.parts if fold.name not in reasons]
    if not parts:
        raise InputError("no fold was predicted by all models: " + next(iter(reasons.values())))
    lost = [
        {
            "promotion_id": promotion,
            "starts_at": pd.NaT if setting.promotions is None else _start(setting, promotion),
            "n": len(fold.test) if not fold.promotions else _size(setting, promotion),
            "reason": reasons[fold.name],
        }
        for fold in setting.folds.parts
        if fold.name in reasons
        for promotion in (fold.promotions or (fold.name,))
    ]
    left_out = pd.DataFrame([*setting.folds.left_out.to_dict("records"), *lost])
    kept = np.concatenate([fold.test for fold in parts])
    blank = np.ones(len(setting.frame), dtype=bool)
    blank[kept] = False
    common = {name: np.where(blank, np.nan, p) for name, p in scores.items()}
    folds_left = Folds(tuple(parts), setting.folds.words, left_out)
    return replace(setting, folds=folds_left), common


def _start(setting: Setting, promotion: Any) -> Any:
    assert setting.promotions is not None
    return setting.promotions.loc[promotion, "starts_at"]


def _size(setting: Setting, promotion: Any) -> int:
    assert setting.promotions is not None
    return int(setting.promotions.loc[promotion, "n"])


def _rows(setting: Setting) -> pd.DataFrame:
    tested = setting.folds.tested
    names = [c for c in ("customer_id", "promotion_id", "starts_at") if c in setting.frame.columns]
    rows = setting.frame.iloc[tested][names].reset_index(drop=True)
    fold = np.empty(len(setting.frame), dtype=object)
    for part in setting.folds.parts:
        fold[part.test] = part.name
    rows["fold"] = fold[tested]
    rows["y"] = setting.labels[tested].astype(np.int64)
    return rows
