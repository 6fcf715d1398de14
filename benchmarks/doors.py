"""What a user calls, against the pipeline that the user would write: fits and scores."""

from __future__ import annotations

import statistics
import time
import warnings
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

ROWS, COLUMNS = 1_000_000, 20
EQUAL_LOSS = 1e-5  # log-loss per row by which the door's may be higher


def customers(n: int = ROWS, seed: int = 0) -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    """Return 20 numeric features, who responded, and whose row it is: each customer has four.

    Half of the features are rates, a quarter skewed amounts, a quarter counts; three in twenty lack
    a tenth of their values.
    """
    import numpy as np
    import pandas as pd
    from scipy.special import expit

    rng = np.random.default_rng(seed)
    hidden = rng.standard_normal((n, COLUMNS))
    responded = rng.random(n) < expit(hidden @ rng.normal(0, 0.4, COLUMNS) - 2)
    columns = {}
    for j in range(COLUMNS):
        values = hidden[:, j]
        if j % 4 == 2:
            values = np.exp(values)
        elif j % 4 == 3:
            values = rng.poisson(np.exp(1 + 0.5 * values)).astype(float)
        if j in (0, 2, 3):
            values = np.where(rng.random(n) < 0.1, np.nan, values)
        columns[f"feature_{j:02d}"] = values
    return pd.DataFrame(columns), responded.astype(int), rng.integers(0, n // 4, n)


def pipeline(l2: float = 1.0) -> Any:
    """Return what a user of scikit-learn would write for logistic regression on such a frame."""
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    model = LogisticRegression(C=1 / l2, max_iter=1000)
    return make_pipeline(StandardScaler(), SimpleImputer(add_indicator=True), model)


def processor_seconds(calls: Mapping[str, Callable[[], Any]], runs: int = 2) -> dict[str, float]:
    """Return the least processor time of each call, which a busy machine hardly changes."""
    return {name: min(taken) for name, taken in _timed(calls, runs, time.process_time).items()}


def seconds(calls: Mapping[str, Callable[[], Any]], runs: int = 5) -> dict[str, float]:
    """Return the median time of each call; they take turns, after one call each to warm up."""
    timed = _timed(calls, runs, time.perf_counter)
    return {name: statistics.median(taken) for name, taken in timed.items()}


def _timed(
    calls: Mapping[str, Callable[[], Any]], runs: int, clock: Callable[[], float]
) -> dict[str, list[float]]:
    taken: dict[str, list[float]] = {name: [] for name in calls}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for run in range(runs + 1):
            for name, call in calls.items():
                begun = clock()
                call()
                if run:
                    taken[name].append(clock() - begun)
    return taken
