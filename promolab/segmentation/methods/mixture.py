"""A mixture of normal distributions: segments that may be long, narrow or overlap."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np

from promolab.metrics.intervals import normal_quantile
from promolab.segmentation.choosing import Chosen, choose
from promolab.segmentation.clustering import one_thread
from promolab.segmentation.methods._base import Task
from promolab.segmentation.methods.by_number import ByNumber

__all__ = ["Gaussian"]

RIDGE = 1e-3
"""Added to each variance, in squared standard deviations: customers who share a value, such as no
coupon at all, would else make a segment without width, of infinite likelihood."""


class Gaussian(ByNumber):
    """A Gaussian mixture with full covariances (Dempster, Laird & Rubin 1977).

    Of the k that fit, the lowest BIC (Schwarz 1978) is chosen: −2 log-likelihood + parameters ·
    log n. Each customer is in the segment that is likeliest.
    """

    rule = "bic"

    def __init__(self, task: Task) -> None:
        super().__init__(task)
        self._models: dict[int, Any] = {}

    def fit(self, k: int, drawn: np.ndarray | None = None) -> np.ndarray:
        """Return the labels of the task's rows."""
        from sklearn.mixture import GaussianMixture

        matrix = self.task.drawn
        # It knows no weights: a customer drawn twice is there twice.
        rows = matrix if drawn is None else np.repeat(matrix, drawn, axis=0)
        model = GaussianMixture(
            k,
            reg_covar=RIDGE,
            n_init=2 if drawn is None else 1,
            random_state=self.settings.seed,
            max_iter=200,
        )
        with one_thread():
            model.fit(rows)
            if drawn is None:
                self._models[k] = model
            return np.asarray(model.predict(matrix))

    def spread(self, labels: np.ndarray) -> np.ndarray:
        """Return labels of all customers by the mixture of those drawn."""
        k = self.settings.k if self.settings.k is not None else self.k_chosen
        with one_thread():
            return np.asarray(self._models[k].predict(self.task.matrix))

    @cached_property
    def chosen(self) -> Chosen:
        """Every k with its measures and its BIC, and the one chosen."""
        found = choose(
            self.task.drawn,
            self.tried,
            self.fit,
            self.task.counts,
            self.settings.seed,
            min_share=self.settings.min_share,
        )
        table, matrix = found.table, self.task.drawn
        with one_thread():
            bic = np.array([self._models[k].bic(matrix) for k in self.tried])
            logs = np.array([self._models[k].score_samples(matrix) for k in self.tried])
        best = int(bic.argmin())
        # Of two models on the same customers (Vuong 1989): −2 Σ of the differences of their logs.
        half = normal_quantile(0.95) * 2 * (logs - logs[best]).std(axis=1) * np.sqrt(len(matrix))
        above = bic - bic[best]
        table["bic_above"] = above
        table["bic_above_low"], table["bic_above_high"] = above - half, above + half
        if table["fits"].any():
            table["chosen"] = table.index == int(np.where(table["fits"], bic, np.inf).argmin())
        return found
