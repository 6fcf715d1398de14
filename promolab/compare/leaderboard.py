"""Models compared on the same rows, none of which any of them had seen: which one to take."""

from __future__ import annotations

import time as clock
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from promolab.checks import choice
from promolab.compare import leaderboard_curves as curves
from promolab.compare.backtest import backtest_of
from promolab.compare.leaderboard_curves import (
    BOARD_METRICS,
    GAP,
    VALUE,
    higher_is_better,
    in_words,
)
from promolab.compare.rolling import (
    Setting,
    known_outcome,
    make_setting,
    named_models,
    outcome_words,
    predict_folds,
    progress_bar,
)
from promolab.contract import known_beforehand
from promolab.display import Html, table
from promolab.errors import InputError
from promolab.metrics import ALARM_AUC, columns_too_good, leakage_advice, told_too_good
from promolab.metrics import FEWEST_ROWS as FEWEST
from promolab.model.inputs import Fold, Folds
from promolab.results import Estimate, Result
from promolab.wording import count, number, percent, plural

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from promolab.compare.backtest import Backtest


WRITTEN = {
    "auc": partial(number, decimals=2),
    "auc_within": partial(number, decimals=2),
    "average_precision": partial(number, decimals=2),
    "log_loss": partial(number, decimals=3),
    "ece": partial(percent, decimals=1),
}
"""What the table shows, and how."""


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
    basis : str
        How each part of the rows was predicted.
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
    backtests : mapping of str to Backtest
        By model, where there are promotions; else empty.
    leakage : str
        What is too good to be true, in a sentence; empty where nothing is.
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
    backtests: Mapping[str, Backtest] = field(repr=False)
    leakage: str = ""

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
        from promolab.metrics import compare, measure

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
        best = self.best(metric)
        if best == self.models[0]:
            return best
        part = self._compared(metric, best)
        includes = ~((part["difference_low"] > 0) | (part["difference_high"] < 0))
        return str(part["model"][includes | (part["model"] == best)].iloc[0])

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
        d = self.differences
        row = d[(d["metric"] == self._known(metric)) & (d["model"] == model)].iloc[0]
        value, low, high = (float(row[c]) for c in columns)
        return Estimate(value, low, high, len(self.rows))

    def to_dict(self) -> dict[str, Any]:
        """Return every measure of every model with its interval, and what is recommended."""
        models = {
            model: {
                metric: {
                    **self._figure(model, metric, *VALUE).to_dict(),
                    "difference": self.difference(model, metric).to_dict(),
                }
                for metric in self.metrics
            }
            for model in self.models
        }
        return {
            "outcome": self.outcome,
            "metric": self.metric,
            "recommended": self.recommended,
            "best": self.best(),
            "models": models,
            "leakage": self.leakage,
        }

    def to_table(self) -> Html:
        """Return each model's measures and its difference to the simplest, with intervals."""
        simplest = self.models[0]
        shown = [name for name in WRITTEN if name in self.metrics]
        rows = {"model": list(self.models)} | {
            name: [_written(self._figure(model, name, *VALUE), name) for model in self.models]
            for name in shown
        }
        rows["difference"] = [
            "–" if model == simplest else _written(self.difference(model)) for model in self.models
        ]
        heads = {"model": "method", self.metric: BOARD_METRICS[self.metric]}
        heads["difference"] = f"{BOARD_METRICS[self.metric]} less that of {simplest}"
        heads |= {name: BOARD_METRICS[name] for name in shown if name != self.metric}
        return table(
            pd.DataFrame(rows),
            {name: heads[name] for name in heads if name in rows},
            dict.fromkeys([*shown, "difference"], str),
            caption="All on the same contacts, none of which a method had seen; the simplest "
            "first; 95 % intervals by customer. Log-loss and calibration error: less is "
            "better.",
        )

    def summary(self) -> str:
        """Say which model to take and why, on what it was tested, and what is too good."""
        return " ".join(filter(None, [self._tested(), self.leakage, self.verdict()]))

    def _tested(self) -> str:
        n, positives = len(self.rows), int(self.rows["y"].sum())
        left = ""
        if len(self.left_out):
            left = f"; {plural(len(self.left_out), 'promotion')} could not be predicted"
            if "promotion_id" not in self.rows.columns:
                left = f"; {plural(len(self.left_out), 'fold')} could not be predicted"
        return (
            f"{plural(len(self.models), 'model')} on the same {count(n)} {self.unit} "
            f"({count(positives)} {self.outcome}), each {self.basis}{left}."
        )

    def verdict(self) -> str:
        """Say which model is recommended, and by how much the best is better."""
        if self.leakage:
            return "Nothing is recommended while that stands."
        simplest, best, chosen = self.models[0], self.best(), self.recommended
        word = BOARD_METRICS[self.metric]
        value = in_words(self._figure(best, None, *VALUE))
        if len(self.models) == 1:
            return f"{word} of {simplest} {value}."
        first = f"Best {word}: {best}, {value}"
        if best != simplest:
            first += f", {in_words(self.difference(best))} against {simplest}"
        why = (
            "no simpler one comes within noise of it"
            if chosen == best != simplest
            else "which is the simplest as well"
            if chosen == best
            else f"the simplest whose difference to {best} may be 0"
        )
        return f"{first}. Recommended: {chosen}, {why}.{self._beside()}{self._multiple()}"

    def _beside(self) -> str:
        """Say where another measure that matters speaks for another model."""
        others = [m for m in ("auc_within", "log_loss") if m in self.metrics and m != self.metric]
        found = {BOARD_METRICS[m]: self.recommend(m) for m in others}
        differing = [
            f"{name} by {word}" for word, name in found.items() if name != self.recommended
        ]
        return f" The same rule takes {' and '.join(differing)}." if differing else ""

    def _multiple(self) -> str:
        k = len(self.models) - 1
        if k < 2:
            return ""
        part = self.differences[self.differences["metric"] == self.metric]
        left = part["model"][part["p_holm"] < 1 - self.level].tolist()
        told = " and ".join([", ".join(left[:-1]), *left[-1:]][len(left) < 2 :]) or "none"
        return (
            f" With {k} models compared at once (Holm), {told} can be told apart from "
            f"{self.models[0]}."
        )

    def interval_words(self) -> str:
        """Return what the intervals are, for a subtitle."""
        unit = "" if self._customers is None else " clustered by customer"
        return f"{percent(self.level, decimals=0)} intervals{unit}"

    def plot(self, ax: Axes | None = None, metric: str | None = None) -> Axes:
        """Draw each model's difference to the simplest, with its interval; right: the value."""
        return curves.plot_differences(self, self._known(metric), ax)

    def plot_roc(self, ax: Axes | None = None) -> Axes:
        """Draw all ROC curves, and enlarged how they differ from the simplest's."""
        return curves.plot_roc(self, ax)

    def plot_precision_recall(self, ax: Axes | None = None) -> Axes:
        """Draw all precision–recall curves, and enlarged how they differ from the simplest's."""
        return curves.plot_precision_recall(self, ax)

    def plot_reliability(self, axes: Any = None) -> Any:
        """Draw predicted against observed, a panel per model with the same axes."""
        return curves.plot_reliability(self, axes)


def _written(e: Estimate, metric: str = "log_loss") -> str:
    if e.value != e.value:
        return "–"
    return WRITTEN[metric](e.value, e.ci_low, e.ci_high)


def leakage_alarm(setting: Setting, scores: Mapping[str, np.ndarray]) -> str:
    """Say that a model has an AUC above 0.90, or which column is too good; empty where none is.

    Parameters
    ----------
    setting : Setting
        Its folds' rows are those that count.
    scores : mapping of str to ndarray of shape (n,)
        Predictions by model; nan where there is none.
    """
    from promolab.metrics import measure

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
        outcome_words(pairs, outcome),
        tuple(setting.features),
        tuple(makers),
        metric,
        setting.folds.words,
        rows,
        pd.DataFrame({name: p[tested] for name, p in scores.items()}),
        pd.Series(seconds, name="seconds"),
        setting.folds.left_out,
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
        _left(setting, fold, reasons[fold.name])
        for fold in setting.folds.parts
        if fold.name in reasons
    ]
    left_out = pd.concat([setting.folds.left_out, *lost], ignore_index=True)
    kept = np.concatenate([fold.test for fold in parts])
    blank = np.ones(len(setting.frame), dtype=bool)
    blank[kept] = False
    common = {name: np.where(blank, np.nan, p) for name, p in scores.items()}
    folds_left = Folds(tuple(parts), setting.folds.words, left_out)
    return replace(setting, folds=folds_left), common


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
