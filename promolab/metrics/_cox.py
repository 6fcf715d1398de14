"""Cox's recalibration: a logistic regression of what happened on the logit of the prediction."""

from __future__ import annotations

import math

import numpy as np

from promolab.metrics.intervals import cluster_sums, normal_quantile
from promolab.results import Estimate

__all__ = ["recalibration"]


def recalibration(
    y: np.ndarray, p: np.ndarray, cluster: np.ndarray | None, level: float
) -> tuple[Estimate, Estimate, Estimate]:
    """Return intercept and slope, fitted together, and the intercept where the slope is held at 1.

    All are nan where they have no finite estimate: labels of one class, one prediction for all
    (intercept and slope only), or predictions that separate the classes.
    """
    unknown = Estimate(math.nan, math.nan, math.nan, len(y))
    if y.all() or not y.any():
        return unknown, unknown, unknown
    clipped = np.clip(p, 1e-9, 1 - 1e-9)
    logit = np.log(clipped / (1 - clipped))
    ones = np.ones((len(y), 1))
    shift = _fitted(y, ones, logit, cluster, level)
    both = None
    if np.ptp(logit) >= 1e-9:
        both = _fitted(y, np.column_stack([ones, logit]), np.zeros(len(y)), cluster, level)
    intercept, slope = both or [unknown, unknown]
    return intercept, slope, (shift or [unknown])[0]


def _fitted(
    y: np.ndarray, design: np.ndarray, offset: np.ndarray, cluster: np.ndarray | None, level: float
) -> list[Estimate] | None:
    """Coefficients by Newton's method, with a sandwich variance; None where there are none."""
    weights = np.zeros(design.shape[1])
    if design.shape[1] > 1:
        weights[1] = 1.0
    for _ in range(50):
        mean = 1 / (1 + np.exp(-np.clip(offset + design @ weights, -500, 500)))
        curvature = (design * (mean * (1 - mean))[:, None]).T @ design
        if not curvature[0, 0] > 0 or np.linalg.cond(curvature) > 1e12:  # separated
            return None
        step = np.linalg.solve(curvature, design.T @ (y - mean))
        weights = weights + step * min(1.0, 5 / max(float(np.abs(step).max()), 1e-12))
        if np.abs(step).max() < 1e-10:
            break
    else:
        return None
    scores = design * (y - mean)[:, None]
    if cluster is not None:
        scores = np.column_stack([cluster_sums(column, cluster) for column in scores.T])
    bread = np.linalg.inv(curvature)
    more = len(scores) / max(len(scores) - 1, 1)
    half = normal_quantile(level) * np.sqrt(more * np.diag(bread @ scores.T @ scores @ bread))
    return [
        Estimate(float(w), float(w - h), float(w + h), len(y))
        for w, h in zip(weights, half, strict=True)
    ]
