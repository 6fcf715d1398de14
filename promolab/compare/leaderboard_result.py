"""What a comparison of models found: how good each is, and which to take."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from promolab.errors import InputError, nearest
from promolab.results import Result, plain
from promolab.wording import count, decimals_for, number, percent, plural

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from promolab.compare.backtest import Backtest
    from promolab.compare.segment_quality import SegmentQuality

__all__ = ["BOARD_METRICS", "Leaderboard", "higher_is_better", "in_words"]

BOARD_METRICS: Mapping[str, str] = {
    "auc": "AUC",
    "auc_within": "AUC within promotions",
    "average_precision": "average precision",
    "log_loss": "log-loss",
    "brier": "Brier score",
    "ece": "calibration error",
}
"""What models are compared by, and its name in words."""


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
    draws, seed : int
        Bootstrap draws of customers, and their seed.
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
    draws: int
    seed: int
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
        if len(self.models) == 1:
            p = self.scores[self.models[0]].to_numpy()
            one = measure(y, p, name, cluster=cluster, group=group, level=self.level)
            plain_row: dict[str, Any] = {
                "metric": metric,
                "model": self.models[0],
                "value": one.value,
                "ci_low": one.ci_low,
                "ci_high": one.ci_high,
            }
            absent = ("difference", "difference_low", "difference_high", "p_value", "p_holm")
            return pd.DataFrame([{**plain_row, **dict.fromkeys(absent, np.nan)}])
        table = compare(
            y,
            self.scores,
            name,
            cluster=cluster,
            group=group,
            reference=reference,
            draws=self.draws,
            seed=self.seed,
            level=self.level,
        ).frame
        names = ["model", "value", "ci_low", "ci_high", "difference", "difference_low"]
        names += ["difference_high", "p_value", "p_holm"]
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
        """The simplest model within noise of the best by `metric`: see `recommend`."""
        return self.recommend()

    def _known(self, metric: str | None) -> str:
        name = metric or self.metric
        if name not in self.metrics:
            raise InputError(f"there is no measure {name!r} here; {nearest(name, self.metrics)}")
        return name

    def by_segment(
        self, segments: pd.Series | pd.DataFrame, model: str | None = None
    ) -> SegmentQuality:
        """Return how good a model (the recommended one) is in each segment.

        Parameters
        ----------
        segments : Series or DataFrame
            As `quality_by_segment` takes them; known before the promotions started.
        model : str, optional
        """
        from promolab.compare.segment_quality import quality_by_segment

        name = model or self.recommended
        if name not in self.models:
            raise InputError(f"there is no model {name!r}; {nearest(name, self.models)}")
        rows = self.rows.assign(p=self.scores[name].to_numpy())
        return quality_by_segment(rows, segments, level=self.level)

    def to_frame(self) -> pd.DataFrame:
        """Return the table: a row per model, the simplest first."""
        return self.frame

    def to_dict(self) -> dict[str, Any]:
        """Return every measure of every model with its interval, and what is recommended."""
        n = len(self.rows)
        models: dict[str, Any] = {name: {} for name in self.models}
        for row in self.differences.to_dict("records"):
            models[row["model"]][row["metric"]] = {
                **{c: plain(row[c]) for c in ("value", "ci_low", "ci_high")},
                "n": n,
                "difference": {
                    "value": plain(row["difference"]),
                    "ci_low": plain(row["difference_low"]),
                    "ci_high": plain(row["difference_high"]),
                    "n": n,
                },
            }
        return {
            "outcome": self.outcome,
            "metric": self.metric,
            "recommended": self.recommended,
            "best": self.best(),
            "models": models,
            "leakage": self.leakage,
        }

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
        simplest, best, chosen = self.models[0], self.best(), self.recommended
        word = BOARD_METRICS[self.metric]
        one = self._row(self.metric, best)
        value = in_words(one["value"], one["ci_low"], one["ci_high"])
        if len(self.models) == 1:
            return f"{word} of {simplest} {value}."
        first = f"Best {word}: {best}, {value}"
        if best != simplest:
            gain = in_words(one["difference"], one["difference_low"], one["difference_high"])
            first += f", {gain} against {simplest}"
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

    def _row(self, metric: str, model: str) -> dict[Any, Any]:
        d = self.differences
        return dict(d[(d["metric"] == metric) & (d["model"] == model)].iloc[0])

    def interval_words(self) -> str:
        """Return what the intervals are, for a subtitle."""
        unit = "" if self._customers is None else " clustered by customer"
        return f"{percent(self.level, decimals=0)} intervals{unit}"

    def plot(self, ax: Axes | None = None, metric: str | None = None) -> Axes:
        """Draw each model's difference to the simplest, with its interval; right: the value."""
        from promolab.compare.leaderboard_curves import plot_differences

        return plot_differences(self, self._known(metric), ax)

    def plot_roc(self, ax: Axes | None = None) -> Axes:
        """Draw all ROC curves, and enlarged how they differ from the simplest's."""
        from promolab.compare.leaderboard_curves import plot_roc

        return plot_roc(self, ax)

    def plot_precision_recall(self, ax: Axes | None = None) -> Axes:
        """Draw all precision–recall curves, and enlarged how they differ from the simplest's."""
        from promolab.compare.leaderboard_curves import plot_precision_recall

        return plot_precision_recall(self, ax)

    def plot_reliability(self, axes: Any = None) -> Any:
        """Draw predicted against observed, a panel per model with the same axes."""
        from promolab.compare.leaderboard_curves import plot_reliability

        return plot_reliability(self, axes)


def in_words(value: float, low: float, high: float) -> str:
    """Write a measure with two decimals or more: 0.5 [0.4, 0.5] would say too little."""
    return number(value, low, high, decimals=max(2, decimals_for(low, high)))


def higher_is_better(metric: str) -> bool:
    """Whether more of one of the `BOARD_METRICS` is better."""
    from promolab.metrics import named_metric

    return named_metric(metric.removesuffix("_within")).higher_is_better
