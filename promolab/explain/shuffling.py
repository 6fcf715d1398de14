"""Shuffling features: which row gives its value to which, and what that does to the scores."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from promolab.metrics import cluster_sums, placements, placements_within, variance_of
from promolab.model import BLOCK, logits_of

if TYPE_CHECKING:
    from promolab.model import ResponseModel


class Quality:
    """A metric of log odds, more is better, with what each row adds to its error."""

    def __init__(self, metric: str, y: np.ndarray, group: np.ndarray | None) -> None:
        self.metric, self.y, self.group = metric, y, group

    def __call__(self, logits: np.ndarray) -> tuple[float, np.ndarray]:
        """Return the metric, and what each row adds to its error."""
        y, n = self.y, len(self.y)
        if self.metric == "auc":
            ranked = placements(y, logits)
            auc = float(ranked.concordant.sum() / ranked.pairs.sum())
            return auc, ranked.deviations(y, auc, None)
        if self.metric == "auc_within" and self.group is not None:
            groups = int(self.group.max()) + 1
            kept, used, ranked = placements_within(y, logits, self.group, groups)
            auc = float(ranked.concordant.sum() / ranked.pairs.sum())
            parts = np.zeros(n)
            parts[kept] = ranked.deviations(y[kept], auc, used)
            return auc, parts
        if self.metric == "log_loss":
            losses = np.logaddexp(0, np.where(y, -logits, logits))
        else:
            losses = (y - 1 / (1 + np.exp(-np.clip(logits, -700, 700)))) ** 2
        return -float(losses.mean()), (float(losses.mean()) - losses) / n

    def variance(self, parts: np.ndarray, cluster: np.ndarray | None) -> float:
        """Return the variance of the metric from what each row adds."""
        if self.metric.startswith("auc"):
            return variance_of(self.y, parts, cluster).value
        sums = cluster_sums(parts, cluster)
        return float(np.square(sums).sum()) * len(sums) / max(len(sums) - 1, 1)


class Shuffles:
    """Which row gives its value to which: within promotions, or between them."""

    def __init__(self, X: pd.DataFrame, group: np.ndarray | None, repeats: int, seed: int) -> None:
        rng = np.random.default_rng(seed)
        self.X, self.group, n = X, group, len(X)
        if group is None:
            self.rows = np.argsort(rng.uniform(size=(repeats, n)), axis=1)
            return
        home = np.argsort(group, kind="stable")
        self.rows = np.empty((repeats, n), dtype=np.int64)
        for one in self.rows:
            one[home] = np.lexsort((rng.uniform(size=n), group))
        first = home[np.searchsorted(group[home], np.arange(int(group.max()) + 1))]
        others = [first[rng.permutation(len(first))] for _ in range(repeats)]
        self.whole = np.stack([given[group] for given in others])

    def differs(self, name: str) -> bool:
        """Whether a feature differs within some promotion."""
        if self.group is None:
            return True
        # What is missing is a value of its own.
        value = pd.factorize(self.X[name], use_na_sentinel=False)[0]
        home = np.argsort(self.group, kind="stable")
        same = np.diff(self.group[home]) == 0
        return bool((np.diff(value[home]) != 0)[same].any())

    def of(self, members: Sequence[str]) -> dict[str, np.ndarray]:
        """Return per feature the rows that its values come from, shape (repeats, n)."""
        return {m: self.rows if self.differs(m) else self.whole for m in members}

    def words(self, members: Sequence[str]) -> str:
        """Say among which rows the values of these features were exchanged."""
        if self.group is None:
            return "over all rows"
        kinds = {self.differs(m) for m in members}
        if len(kinds) == 2:
            return "within promotions, promotion features between them"
        return "within promotions" if kinds.pop() else "between promotions"


def rescored(
    model: ResponseModel, X: pd.DataFrame, outcome: str | None
) -> Callable[[dict[str, np.ndarray]], Iterator[np.ndarray]]:
    """Return what scores shuffled rows: log odds of each repeat in turn."""
    parts = terms(model, X)
    if parts is not None:
        # A feature's part of the sum depends on that feature alone: moving the parts will do.
        return lambda source: _moved(model, parts, source)
    at_once = max(1, BLOCK // max(len(X), 1))  # repeats scored together

    def by_scoring(source: dict[str, np.ndarray]) -> Iterator[np.ndarray]:
        repeats = len(next(iter(source.values())))
        for first in range(0, repeats, at_once):
            some = min(at_once, repeats - first)
            frame = pd.DataFrame(
                {
                    name: X[name].array.take(
                        source[name][first : first + some].ravel()
                        if name in source
                        else np.tile(np.arange(len(X)), some)
                    )
                    for name in X.columns
                }
            )
            yield from logits_of(model, frame, outcome).reshape(some, len(X))

    return by_scoring


def terms(model: ResponseModel, X: pd.DataFrame) -> pd.DataFrame | None:
    """Return each feature's part of the log odds where it depends on that feature alone."""
    from promolab.model.learners import Logistic

    first = model.learners_[0]
    if len(model.learners_) != 1 or type(first) is not Logistic or model._options().get("by"):
        return None
    return first.parts(X)


def _moved(
    model: ResponseModel, parts: pd.DataFrame, source: dict[str, np.ndarray]
) -> Iterator[np.ndarray]:
    total = parts.to_numpy().sum(axis=1) + parts.attrs["base"]
    for r in range(len(next(iter(source.values())))):
        says = total.copy()
        for name, rows in source.items():
            if name in parts.columns:
                part = parts[name].to_numpy()
                says = says + (part[rows[r]] - part)
        yield model.calibrators_[0].apply(says) if model.calibrators_ else says
