"""How much would more history help? The same promotions predicted from fewer of those before."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from promolab.checks import refuse, whole_number
from promolab.compare.rolling import (
    Setting,
    model_maker,
    outcome_words,
    predict_folds,
    progress_bar,
    promotion_setting,
)
from promolab.errors import InputError
from promolab.model.inputs import Fold, Folds
from promolab.results import Estimate, Result, plain
from promolab.wording import count, number, percent, plural

if TYPE_CHECKING:
    from matplotlib.axes import Axes


MEASURES = {
    "auc": "AUC",
    "auc_within": "AUC within promotions",
    "log_loss": "log-loss",
}
ENOUGH = 2 / 3  # of the promotions to test have to be learnable from m, else m is not shown
DRAWS = 1000


@dataclass(frozen=True)
class HistoryCurve(Result):
    """Quality by the number of past promotions learned from, on the same rows.

    Parameters
    ----------
    outcome : str
    which : {"last", "first"}
        Which of the promotions over before were learned from.
    counts : tuple of str
        Numbers of promotions, the last one ``all``.
    rows : DataFrame
        customer_id, promotion_id, y of the rows predicted.
    scores : DataFrame
        P(y = 1) by the number of promotions learned from, a column each.
    trained_on : Series
        Mean number of promotions learned from, by column of ``scores``.
    left_out : DataFrame
        promotion_id, reason.
    too_few : tuple of str
        Numbers of promotions from which most could not be learned.
    draws, seed : int
        Of the bootstrap of customers.
    level : float
        Confidence level.
    """

    outcome: str
    which: str
    counts: tuple[str, ...]
    rows: pd.DataFrame = field(repr=False)
    scores: pd.DataFrame = field(repr=False)
    trained_on: pd.Series = field(repr=False)
    left_out: pd.DataFrame = field(repr=False)
    too_few: tuple[str, ...]
    draws: int
    seed: int
    level: float

    @cached_property
    def frame(self) -> pd.DataFrame:
        """One row per number of promotions and measure.

        past, trained_on (mean number), metric, value, ci_low, ci_high, step (how much better than
        with the number before; above 0 is better), step_low, step_high.
        """
        parts = [self._measured(metric) for metric in MEASURES]
        return pd.concat(parts, ignore_index=True)

    def _measured(self, metric: str) -> pd.DataFrame:
        from promolab.metrics import compare

        within = metric == "auc_within"
        records = []
        for k, name in enumerate(self.counts):
            before = self.counts[k - 1]
            pair = {before: self.scores[before], name: self.scores[name]}
            if k == 0:
                pair = {name: self.scores[name], "next": self.scores[self.counts[1]]}
            found = compare(
                self.rows["y"],
                pair,
                "auc" if within else metric,
                cluster=self.rows["customer_id"],
                group=self.rows["promotion_id"] if within else None,
                draws=self.draws,
                seed=self.seed,
                level=self.level,
            )
            own = dict(found.frame.set_index("model").loc[name])
            sign = 1 if found.higher_is_better else -1
            gain = found.against(name) * sign if k else _NO_STEP
            records.append(
                {
                    "past": name,
                    "trained_on": float(self.trained_on[name]),
                    "metric": metric,
                    **{c: float(own[c]) for c in ("value", "ci_low", "ci_high")},
                    "step": gain.value,
                    "step_low": gain.ci_low,
                    "step_high": gain.ci_high,
                }
            )
        return pd.DataFrame(records)

    def last_step(self, metric: str = "auc") -> Estimate:
        """Return how much better the last step of the curve made it (above 0 is better)."""
        row = self.frame[self.frame["metric"] == metric].iloc[-1]
        return Estimate(
            float(row["step"]), float(row["step_low"]), float(row["step_high"]), len(self.rows)
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the curve as plain values, by measure."""
        curves = {
            metric: plain(part.drop(columns="metric").to_dict("records"))
            for metric, part in self.frame.groupby("metric", sort=False)
        }
        steps = {metric: self.last_step(metric).to_dict() for metric in MEASURES}
        return {"outcome": self.outcome, "curves": curves, "last_step": steps}

    def summary(self) -> str:
        """Say whether the last step of history still helped."""
        promotions = self.rows["promotion_id"].nunique()
        words = (
            f"{plural(promotions, 'promotion')} ({plural(len(self.rows), 'row')}, "
            f"{count(self.rows['y'].sum())} {self.outcome}) predicted from the {self.which} "
            f"{', '.join(self.counts[:-1])} and from all promotions over before them."
        )
        words += f" {self.verdict()}"
        if self.too_few:
            words += f" From {' or '.join(self.too_few)} alone too little can be learned."
        if len(self.left_out):
            words += f" {plural(len(self.left_out), 'promotion')} could not be compared."
        return words

    def verdict(self) -> str:
        """Say whether going from the second-last number to all still helped."""
        auc, loss = self.last_step("auc"), self.last_step("log_loss")
        step = (
            f"from {self.counts[-2]} to all ({self.trained_on.iloc[-1]:.0f} on average) past "
            "promotions"
        )
        told = (
            f"AUC better by {number(auc.value, auc.ci_low, auc.ci_high)}, log-loss by "
            f"{number(loss.value, loss.ci_low, loss.ci_high)}"
        )
        better = auc.ci_low > 0 or loss.ci_low > 0
        worse = auc.ci_high < 0 or loss.ci_high < 0
        if better and worse:
            return f"Older history helped by one measure and harmed by the other: {step}, {told}."
        if better:
            return f"More history still helped: {step}, {told}."
        if worse:
            return f"Older history did harm: {step}, {told}."
        return f"The curve is flat at its end, as far as one can tell: {step}, {told}."

    def plot(self, ax: Axes | None = None, metric: str = "auc") -> Axes:
        """Draw a measure by the mean number of promotions learned from, with intervals."""
        from promolab import plots

        if metric not in MEASURES:
            raise InputError(f"metric = {metric!r}; use one of {', '.join(MEASURES)}")
        part = self.frame[self.frame["metric"] == metric]
        x = part["trained_on"]
        ax = plots.curve(x, part["value"], colour=plots.COLOURS[0], ax=ax)
        plots.points(
            x,
            part["value"],
            low=part["ci_low"],
            high=part["ci_high"],
            colour=plots.COLOURS[0],
            ax=ax,
        )
        with plots.style():
            ax.set_xscale("log", base=2)
            ax.set_xlim(float(x.min()) / 1.2, float(x.max()) * 1.2)
            ax.minorticks_off()
            at = [*x.iloc[:-1], x.iloc[-1]]
            names = [*part["past"].iloc[:-1], f"all ({x.iloc[-1]:.0f})"]
            ax.set_xticks(at, names)
        step = self.last_step(metric)
        gain = number(step.value, step.ci_low, step.ci_high)
        return plots.finish(
            ax,
            title=f"{self.verdict().split(':')[0]}",
            subtitle=f"{MEASURES[metric]} on the same {plural(len(self.rows), 'row')} of "
            f"{plural(self.rows['promotion_id'].nunique(), 'promotion')}; "
            f"{percent(self.level, decimals=0)} intervals clustered by customer; last step better "
            f"by {gain}, paired",
            xlabel=f"past promotions learned from (the {self.which} over before; log scale)",
            ylabel=MEASURES[metric],
        )


_NO_STEP = Estimate(float("nan"))


def history_curve(
    pairs: pd.DataFrame,
    model: Any = "logistic",
    outcome: str = "redeemed",
    columns: Sequence[str] | None = None,
    *,
    counts: Iterable[int] | None = None,
    which: str = "last",
    min_positives: int = 20,
    fewest: int = 5,
    draws: int = DRAWS,
    seed: int = 0,
    level: float = 0.95,
) -> HistoryCurve:
    """Predict the same promotions from only some of the promotions over before them.

    Each promotion is predicted from the last (or first) m that were over when it started, for m =
    1, 2, 4, … and for all. Compared are promotions with at least the largest m behind them; an m
    from which most of them could not be learned is named and not shown.

    Parameters
    ----------
    pairs : DataFrame
        As `run_backtest` takes them.
    model : str, model or callable
        A kind's name, an unfitted model, or what makes one.
    outcome : str
        Label column.
    columns : sequence of str, optional
        Features; by default `pair_features`.
    counts : iterable of int, optional
        Numbers m; by default powers of 2 up to the median number over before.
    which : {"last", "first"}
        The m that ended last tell what history is worth while behaviour drifts; the first m, how
        the quality grew.
    min_positives : int
        Rows with the outcome among all that were over before.
    fewest : int
        The same among the m.
    draws, seed : int
        Of the bootstrap behind the intervals of the log-loss.
    level : float
        Confidence level.

    Returns
    -------
    HistoryCurve

    Raises
    ------
    InputError
        No promotion can be compared: too short a history.
    """
    if which not in ("last", "first"):
        raise InputError(f"which = {which!r}; use 'last' or 'first'")
    make = model_maker(model)
    setting = promotion_setting(pairs, outcome, columns, min_positives=min_positives)
    assert setting.promotions is not None
    if not setting.folds.parts:
        why = "; ".join(setting.folds.left_out["reason"].unique()[:2])
        raise InputError(f"no promotion can be predicted: {why or 'there are no pairs'}")
    numbers = _numbers(counts, [fold.trained_on for fold in setting.folds.parts])
    tests = [fold for fold in setting.folds.parts if fold.trained_on >= numbers[-1]]
    if counts is None and tests and max(fold.trained_on for fold in tests) == numbers[-1]:
        # No promotion had more behind it: this many is the same as all.
        numbers = numbers[:-1] or numbers
        tests = [fold for fold in setting.folds.parts if fold.trained_on >= numbers[-1]]
    if not tests:
        raise InputError(f"no promotion had {numbers[-1]} over before it; give smaller counts")
    scores: dict[str, np.ndarray] = {}
    refused: dict[str, set[str]] = {}
    with progress_bar((len(numbers) + 1) * len(tests), "learning from less") as bar:
        for m in [*numbers, None]:
            name = "all" if m is None else str(m)
            parts = [_shortened(setting, fold, m, which, fewest) for fold in tests]
            failed: dict[str, str] = {}
            scores[name] = predict_folds(
                setting, make, [f for f in parts if f], lambda fold: bar.update(), failed
            )
            thin = {fold.name for fold, part in zip(tests, parts, strict=True) if part is None}
            refused[name] = thin | set(failed)
    return _assembled(setting, tests, scores, refused, which, draws, seed, level)


def _numbers(counts: Iterable[int] | None, past: list[int]) -> list[int]:
    if counts is None:
        most = max(int(np.log2(max(float(np.median(past)), 1.0))), 0)
        return [2**k for k in range(most + 1)]
    found = list(dict.fromkeys(counts)) if isinstance(counts, Iterable) else [counts]
    if not found:
        raise refuse("counts", counts, "whole numbers of promotions")
    return sorted(whole_number("counts", m, 1) for m in found)


def _shortened(setting: Setting, fold: Fold, m: int | None, which: str, fewest: int) -> Fold | None:
    """Return the fold with m of its training promotions, or None where they hold too little."""
    if m is None:
        return fold
    table = setting.promotions
    promotion = setting.frame["promotion_id"].to_numpy()[fold.train]
    assert table is not None
    past = table.loc[pd.unique(promotion)].sort_index().sort_values("ends_at", kind="stable")
    chosen = past.index[-m:] if which == "last" else past.index[:m]
    train = fold.train[pd.Index(promotion).isin(chosen)]
    positives = setting.labels[train].sum()
    if not max(fewest, 1) <= positives < len(train):
        return None
    return replace(fold, train=train, trained_on=len(chosen))


def _assembled(
    setting: Setting,
    tests: list[Fold],
    scores: dict[str, np.ndarray],
    refused: dict[str, set[str]],
    which: str,
    draws: int,
    seed: int,
    level: float,
) -> HistoryCurve:
    enough = (1 - ENOUGH) * len(tests)
    shown = [name for name in scores if name == "all" or len(refused[name]) <= enough]
    lost = set().union(*(refused[name] for name in shown))
    kept = [fold for fold in tests if fold.name not in lost]
    if len(shown) < 2 or not kept:
        raise InputError(
            "the history is too short to be cut: from fewer promotions nothing can be learned"
        )
    rows = Folds(tuple(kept), "", setting.folds.left_out).tested
    y = setting.labels[rows].astype(np.int64)
    if y.min() == y.max():
        raise InputError(f"all rows compared have {setting.outcome} = {y[0]}")
    left = [
        {"promotion_id": p, "reason": "fewer over before it, or too little in them"}
        for fold in setting.folds.parts
        if fold.name not in {f.name for f in kept}
        for p in fold.promotions
    ]
    early = setting.folds.left_out[["promotion_id", "reason"]].to_dict("records")
    weights = np.array([len(f.test) for f in kept], dtype=float)
    everything = float(np.average([f.trained_on for f in kept], weights=weights))
    keys = setting.frame.iloc[rows][["customer_id", "promotion_id"]].reset_index(drop=True)
    return HistoryCurve(
        outcome_words(setting.frame, setting.outcome),
        which,
        tuple(shown),
        keys.assign(y=y),
        pd.DataFrame({name: scores[name][rows] for name in shown}),
        pd.Series({name: everything if name == "all" else float(name) for name in shown}),
        pd.DataFrame([*early, *left], columns=["promotion_id", "reason"]),
        tuple(name for name in scores if name not in shown),
        draws,
        seed,
        level,
    )
