"""Models compared on the same rows, none of which any of them had seen: which one to take."""

from __future__ import annotations

import time as clock
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from promolab.checks import choice
from promolab.compare.cross_validation import (
    Setting,
    known_outcome,
    make_setting,
    named_models,
    outcome_words,
    predict_folds,
    progress_bar,
)
from promolab.contract import known_beforehand
from promolab.errors import InputError
from promolab.metrics import (
    ALARM_AUC,
    columns_too_good,
    compare,
    leakage_advice,
    measure,
    named_metric,
    roc,
    told_too_good,
)
from promolab.metrics import FEWEST_ROWS as FEWEST
from promolab.model.inputs import Fold, Folds
from promolab.results import Estimate, Result, drawn_by

BOARD_METRICS = ("auc", "auc_within", "average_precision", "log_loss", "brier", "ece")
"""What models are compared by."""
VALUE = ("value", "ci_low", "ci_high")
GAP = ("difference", "difference_low", "difference_high")


def higher_is_better(metric: str) -> bool:
    """Whether more of one of the `BOARD_METRICS` is better."""
    return named_metric(metric.removesuffix("_within")).higher_is_better


@dataclass(frozen=True)
class Leaderboard(Result):
    """Models from the simplest to the most involved, tested on the same rows.

    Parameters
    ----------
    outcome : str
        Label that was predicted.
    features : tuple of str
        Source columns that they could use.
    models : tuple of str
        Their names, the simplest first.
    metric : str
        What decides which is recommended.
    basis : {"promotions", "time", "customers"}
        What each part of the rows, predicted from others, was.
    rows : DataFrame, shape (n, …)
        customer_id, promotion_id, starts_at (those that there are), fold, y.
    scores : DataFrame, shape (n, number of models)
        P(y = 1) of each model, none of which had seen the row.
    seconds : Series
        What fitting and predicting took, by model.
    left_out : DataFrame
        promotion_id (or fold), starts_at, n, reason: not predicted, for any of the models.
    level : float
        Confidence level of every interval.
    leakage : str
        What is too good to be true, in a sentence; empty where nothing is.
    among : int
        Contacts that there were, where some of the customers were drawn; else 0.
    """

    outcome: str
    features: tuple[str, ...]
    models: tuple[str, ...]
    metric: str
    basis: str
    rows: pd.DataFrame = field(repr=False)
    scores: pd.DataFrame = field(repr=False)
    seconds: pd.Series = field(repr=False)
    left_out: pd.DataFrame = field(repr=False)
    level: float
    leakage: str = ""
    among: int = 0

    @property
    def unit(self) -> str:
        """What a row is."""
        return "contacts" if "promotion_id" in self.rows.columns else "rows"

    @cached_property
    def metrics(self) -> tuple[str, ...]:
        """Measures that the rows allow: within promotions only where those have both classes."""
        if "promotion_id" not in self.rows.columns:
            return tuple(m for m in BOARD_METRICS if m != "auc_within")
        classes = self.rows.groupby("promotion_id", observed=True)["y"].nunique()
        return tuple(m for m in BOARD_METRICS if m != "auc_within" or (classes == 2).any())

    @cached_property
    def differences(self) -> pd.DataFrame:
        """Every measure of every model, and its paired difference to the simplest.

        metric, model, value, ci_low, ci_high, difference, difference_low, difference_high,
        p_value, p_holm (after Holm, over the models compared by that measure).
        """
        tables = [self._compared(metric, self.models[0]) for metric in self.metrics]
        return pd.concat(tables, ignore_index=True)

    @cached_property
    def frame(self) -> pd.DataFrame:
        """One row per model: each measure with its interval (``_low``, ``_high``), and seconds."""
        found = pd.DataFrame({"model": list(self.models)})
        for metric, part in self.differences.groupby("metric", sort=False):
            for name, suffix in (("value", ""), ("ci_low", "_low"), ("ci_high", "_high")):
                found[f"{metric}{suffix}"] = part[name].to_numpy()
        found["seconds"] = self.seconds.loc[list(self.models)].to_numpy()
        found["recommended"] = found["model"] == self.recommended
        return found

    def _compared(self, metric: str, reference: str) -> pd.DataFrame:
        y, cluster = self.rows["y"].to_numpy(), self._customers
        group = self.rows["promotion_id"].to_numpy() if metric == "auc_within" else None
        name = "auc" if metric == "auc_within" else metric
        names = ["model", "value", "ci_low", "ci_high", *GAP, "p_value", "p_holm"]
        if len(self.models) == 1:
            p = self.scores[self.models[0]].to_numpy()
            one = measure(y, p, name, cluster=cluster, group=group, level=self.level)
            row = [self.models[0], one.value, one.ci_low, one.ci_high, *[np.nan] * 5]
            return pd.DataFrame([[metric, *row]], columns=["metric", *names])
        table = compare(
            y,
            self.scores,
            name,
            cluster=cluster,
            group=group,
            reference=reference,
            level=self.level,
        ).frame
        return table[names].assign(metric=metric)[["metric", *names]]

    @property
    def _customers(self) -> np.ndarray | None:
        return self.rows["customer_id"].to_numpy() if "customer_id" in self.rows.columns else None

    def best(self, metric: str | None = None) -> str:
        """Return the model of the best value, the simplest of equals."""
        metric = self._known(metric)
        part = self.differences[self.differences["metric"] == metric]
        values = part["value"].to_numpy() * (1 if higher_is_better(metric) else -1)
        return str(part["model"].iloc[int(np.argmax(values))])

    def recommend(self, metric: str | None = None) -> str:
        """Return the simplest model within noise of the best, by a measure.

        That is the first, in the order given, whose paired difference to the best has an interval
        that includes 0.
        """
        metric = self._known(metric)
        if metric not in self._taken:
            best = self.best(metric)
            taken = best
            if best != self.models[0]:
                part = self._compared(metric, best)
                includes = ~((part["difference_low"] > 0) | (part["difference_high"] < 0))
                taken = str(part["model"][includes | (part["model"] == best)].iloc[0])
            self._taken[metric] = taken
        return self._taken[metric]

    @cached_property
    def _taken(self) -> dict[str, str]:
        return {}  # what is recommended by measure: dear to work out, and asked for again and again

    @cached_property
    def recommended(self) -> str:
        """The simplest model within noise of the best by `metric` (`recommend`); none in alarm."""
        return "" if self.leakage else self.recommend()

    def _known(self, metric: str | None) -> str:
        return choice("metric", metric or self.metric, self.metrics)

    def difference(self, model: str, metric: str | None = None) -> Estimate:
        """Return a model's paired difference to the simplest one."""
        return self._figure(model, metric, *GAP)

    def _figure(self, model: str, metric: str | None, *columns: str) -> Estimate:
        part = self._of(metric)
        row = part.loc[part["model"] == model, list(columns)].to_numpy(dtype=float)
        return Estimate.of(row[0], len(self.rows))

    def _of(self, metric: str | None = None) -> pd.DataFrame:
        d = self.differences
        return d[d["metric"] == self._known(metric)].reset_index(drop=True)

    def facts(self) -> dict[str, Any]:
        """Return what is best, what is recommended and why, and each model's figures and curves."""
        simplest, best, chosen = self.models[0], self.best(), self.recommend()
        rivals = len(self.models) - 1
        part = self._of()
        if best == simplest:
            finding = "first" if rivals else "alone"
        else:
            finding = "best" if chosen == best else "within"
        apart = part["model"][part["p_holm"] < 1 - self.level].tolist()
        return {
            "finding": finding,
            "case": "alarm" if self.leakage else "recommended",
            "simplest": simplest,
            "chosen": chosen,
            "several": rivals,
            "alone": not rivals,
            "positives": int(self.rows["y"].sum()),
            "lost": self.unit if len(self.left_out) else "",
            "value": self._figure(best, None, *VALUE),
            "gap": self.difference(best) if best != simplest else None,
            "rivals": rivals,
            "apart": apart,
            "holm": "" if rivals < 2 else "some" if apart else "none",
            "gaps": part.assign(chosen=part["model"] == chosen),
            "shown": lambda: self.frame.join(part[list(GAP)].iloc[1:]),
            "by_model": self._by_model,
            "auc_low": lambda: self.frame["auc"].min(),
            "auc_high": lambda: self.frame["auc"].max(),
            "roc_curves": self._roc_curves,
        }

    def _by_model(self) -> dict[str, Any]:
        """Return every measure of every model with its interval and its difference."""
        return {
            model: {
                metric: {
                    **self._figure(model, metric, *VALUE).to_dict(),
                    "difference": self.difference(model, metric).to_dict(),
                }
                for metric in self.metrics
            }
            for model in self.models
        }

    def _roc_curves(self) -> pd.DataFrame:
        """Return the ROC curve of each model: model, x, y, and its area."""
        y, parts = self.rows["y"].to_numpy(), []
        for name in self.models:
            found = roc(y, self.scores[name].to_numpy(), self._customers, self.level)
            ends = zip(("area", "area_low", "area_high"), found.estimate.ends, strict=True)
            curve = {"x": found.fpr, "y": found.tpr}
            parts.append(pd.DataFrame({"model": name, **curve, **dict(ends)}))
        return pd.concat(parts, ignore_index=True)

    plot_roc = drawn_by("plot_roc", "Draw all ROC curves.")


def leakage_alarm(setting: Setting, scores: Mapping[str, np.ndarray]) -> str:
    """Say that a model has an AUC above 0.90, or which column is too good; empty where none is.

    Parameters
    ----------
    setting : Setting
        Its folds' rows are those that count.
    scores : mapping of str to ndarray of shape (n,)
        Predictions by model; nan where there is none.
    """
    rows = setting.folds.tested
    y, known = setting.labels[rows], setting.frame.attrs.get("known", ())
    if known is True or min((y == 1).sum(), (y == 0).sum()) < FEWEST:
        return ""
    said = []
    aucs = {name: measure(y, p[rows], "auc").value for name, p in scores.items()}
    best = max(aucs, key=lambda name: aucs[name])
    if aucs[best] > ALARM_AUC and not known:  # a column that may tell much lets a model tell more
        said.append(f"{best} has an AUC of {aucs[best]:.2f}")
    alone = columns_too_good(setting.frame, setting.features, setting.labels, setting.times)
    if alone:
        said.append(told_too_good(alone, setting.outcome))
    return f"Alarm: {'; '.join(said)}. {leakage_advice(alone)}" if said else ""


def compare_models(
    pairs: pd.DataFrame,
    models: Mapping[str, Any] | Sequence[str] = ("logistic", "tree", "forest", "boosting"),
    outcome: str | None = None,
    columns: Sequence[str] | None = None,
    *,
    known: Mapping[str, bool] | bool | None = None,
    metric: str = "auc",
    time: str | None = None,
    folds: int | None = None,
    min_positives: int = 20,
    min_promotions: int = 1,
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
    outcome : str, optional
        Label column; by default that of `load_labelled`, else ``redeemed``.
    columns : sequence of str, optional
        Features; by default `pair_features`.
    known : mapping of str to bool, or True, optional
        Whether a feature was known before the outcome, such as ``{"duration": False}``: that takes
        it out; True says that it was. One that tells the outcome too well is named, and nothing is
        recommended while that stands.
    metric : {"auc", "auc_within", "average_precision", "log_loss", "brier", "ece"}
        What decides which is recommended: the simplest whose paired difference to the best has an
        interval that includes 0.
    time : str, optional
        Column of the moment of each row, of a table without promotions.
    folds : int, optional
        At most this many; by default one per start of promotions, or five.
    min_positives, min_promotions : int
        What training rows need: this many with the outcome, from this many promotions.
    seed : int
        Of the deal of customers to folds.
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
    >>> rows["click"] = (rows["orders"] + 2 * rng.normal(size=300) > 4).astype(int)
    >>> stumps = {f"depth {d}": ResponseModel("tree", depth=d, min_leaf=20) for d in (1, 3)}
    >>> board = compare_models(rows, stumps, "click")
    >>> board.frame["model"].tolist(), board.recommended in stumps
    (['depth 1', 'depth 3'], True)
    """
    makers = named_models(models)
    choice("metric", metric, BOARD_METRICS)
    pairs, outcome = known_beforehand(pairs, known), known_outcome(pairs, outcome)
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
    scores, seconds, reasons = _predict_all(setting, makers)
    setting = _in_common(setting, scores, reasons)
    rows = _rows(setting)
    if rows["y"].nunique() < 2:
        raise InputError(
            f"all {len(rows):,} rows predicted have {outcome} = {rows['y'].iloc[0]}; models can be "
            "compared where some respond and some do not"
        )
    tested = setting.folds.tested
    return Leaderboard(
        outcome_words(pairs, outcome),
        tuple(setting.features),
        tuple(makers),
        metric,
        setting.basis,
        rows,
        pd.DataFrame({name: p[tested] for name, p in scores.items()}),
        pd.Series(seconds, name="seconds"),
        setting.folds.left_out,
        level,
        leakage_alarm(setting, scores),
    )


def _predict_all(
    setting: Setting, makers: Mapping[str, Any]
) -> tuple[dict[str, np.ndarray], dict[str, float], dict[str, str]]:
    """Return each model's predictions, its seconds, and why some folds were refused."""
    scores: dict[str, np.ndarray] = {}
    seconds: dict[str, float] = {}
    reasons: dict[str, str] = {}
    parts = setting.folds.parts
    with progress_bar(len(makers) * len(parts), "comparing models") as bar:
        for name, make in makers.items():
            bar.set_postfix_str(name)
            started, refused = clock.perf_counter(), dict[str, str]()
            scores[name] = predict_folds(
                setting, make, done=lambda fold: bar.update(), refused=refused
            )
            seconds[name] = clock.perf_counter() - started
            told = {fold: f"{name} could not learn for it: {why}" for fold, why in refused.items()}
            reasons = told | reasons
            if len(refused) == len(parts):
                why = next(iter(refused.values()))
                raise InputError(f"the model {name!r} could learn in no fold: {why}")
    return scores, seconds, reasons


def _in_common(setting: Setting, scores: dict[str, np.ndarray], reasons: dict[str, str]) -> Setting:
    """Leave out for all models what one of them could not predict."""
    lost = [fold for fold in setting.folds.parts if fold.name in reasons]
    parts = tuple(fold for fold in setting.folds.parts if fold.name not in reasons)
    if not parts:
        raise InputError("no fold was predicted by all models: " + next(iter(reasons.values())))
    told = [_left(setting, fold, reasons[fold.name]) for fold in lost]
    for fold in lost:
        for p in scores.values():
            p[fold.test] = np.nan
    left_out = pd.concat([setting.folds.left_out, *told], ignore_index=True)
    return replace(setting, folds=Folds(parts, left_out))


def _left(setting: Setting, fold: Fold, why: str) -> pd.DataFrame:
    if setting.promotions is None:
        told = {"promotion_id": [fold.name], "starts_at": [pd.NaT], "n": [len(fold.test)]}
        return pd.DataFrame(told).assign(reason=why)
    of = setting.promotions.loc[list(fold.promotions), ["starts_at", "n"]]
    return of.reset_index(names="promotion_id").assign(reason=why)


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
