"""What a user calls, against the pipeline that the user would write: fits and scores.

Everything is imported, and called once, before it is timed; the two sides take turns, so that a
busy machine slows both.
"""

from __future__ import annotations

import statistics
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from benchmarks.table import Row

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

ROWS, COLUMNS = 1_000_000, 20
FEWER_ROWS = 100_000  # for a forest
SEGMENTS = 6
MORE_LOSS = 1e-6  # log-loss per row by which the door's may be the higher one


def logistic(runs: int = 5, n: int = ROWS) -> Iterator[Row]:
    """Yield the logistic model's fit and scores on features as shops have them, then other data."""
    from promolab import ResponseModel

    X, y, customer = customers(n)
    usual, quick = pipeline(), ResponseModel("logistic", l2=1.0, intervals=False)
    full = ResponseModel("logistic", l2=1.0)
    fits = seconds(
        {
            "usual": lambda: usual.fit(X, y),
            "quick": lambda: quick.fit(X, y),
            "full": lambda: full.fit(X, y, cluster=customer),
        },
        runs,
    )
    losses = log_loss(y, quick.probability(X)), log_loss(y, usual.predict_proba(X)[:, 1])
    what = f"logistic, {n:,} × {COLUMNS} with gaps"
    yield _fit_row(f"{what}, fit without intervals", 1.0, fits, "quick", losses)
    yield _fit_row(f"{what}, fit with clustered intervals", 1.5, fits, "full", losses)
    scores = seconds(
        {"usual": lambda: usual.predict_proba(X), "quick": lambda: quick.predict_proba(X)}, runs
    )
    yield _row(f"{what}, predict_proba", 1.0, scores["quick"], scores["usual"])
    for kind in KINDS:
        yield logistic_on(kind, runs, n)


def logistic_on(kind: str, runs: int = 5, n: int = ROWS) -> Row:
    """Time fits without intervals on single precision of one of `KINDS`."""
    from promolab import ResponseModel

    X, y = single_precision(kind, n)
    usual, quick = pipeline(), ResponseModel("logistic", l2=1.0, intervals=False)
    calls = {"usual": lambda: usual.fit(X, y), "quick": lambda: quick.fit(X, y)}
    fits = seconds(calls, runs)
    losses = log_loss(y, quick.probability(X)), log_loss(y, usual.predict_proba(X)[:, 1])
    what = f"logistic, {n:,} × {COLUMNS} float32, {KINDS[kind]}, fit without intervals"
    return _fit_row(what, 1.0, fits, "quick", losses)


def trees(runs: int = 3, n: int = ROWS, fewer: int = FEWER_ROWS) -> Iterator[Row]:
    """Yield boosting and forest against scikit-learn's with the same options on all threads."""
    from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier

    from promolab.model.learners.trees import Boosting, Forest

    options = Boosting.DEFAULTS
    boosting = HistGradientBoostingClassifier(
        max_iter=options["iterations"],
        learning_rate=options["learning_rate"],
        max_leaf_nodes=options["leaves"],
        l2_regularization=options["l2"],
        min_samples_leaf=options["min_leaf"],
        early_stopping=False,
        random_state=0,
    )
    options = Forest.DEFAULTS
    forest = RandomForestClassifier(
        options["trees"],
        min_samples_leaf=options["min_leaf"],
        max_features=options["features"],
        n_jobs=-1,
        random_state=0,
    )
    yield _trees_row("boosting", boosting, 1.2, n, runs)
    yield _trees_row("forest", forest, 1.1, fewer, runs)


def _trees_row(kind: str, usual: Any, bar: float, n: int, runs: int) -> Row:
    from promolab import ResponseModel

    X, y, _ = customers(n)
    model = ResponseModel(kind)
    fits = seconds({"door": lambda: model.fit(X, y), "usual": lambda: usual.fit(X, y)}, runs)
    losses = log_loss(y, model.probability(X)), log_loss(y, usual.predict_proba(X)[:, 1])
    return _fit_row(f"{kind}, {n:,} × {COLUMNS}, fit", bar, fits, "door", losses, within=1e-3)


def kmeans(runs: int = 3, n: int = ROWS) -> Row:
    """Time segments of a stated number against scaling and `KMeans` with ten starts."""
    from sklearn.cluster import KMeans
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    from benchmarks.segments import FEATURES
    from benchmarks.segments import customers as shoppers
    from promolab.segmentation import Segmenter

    features = shoppers(n)
    columns = [f"x{i:02d}" for i in range(FEATURES)]
    model = Segmenter("kmeans", k=SEGMENTS, columns=columns)
    usual = make_pipeline(StandardScaler(), KMeans(SEGMENTS, n_init=10, random_state=0))
    calls = {"door": lambda: model.fit(features), "usual": lambda: usual.fit(features[columns])}
    took = seconds(calls, runs)
    what = f"Segmenter('kmeans', k={SEGMENTS}), {n:,} × {FEATURES}, to KMeans with ten starts"
    return _row(what, 1.0, took["door"], took["usual"])


KINDS = {
    "usual": "standard columns, 4 in 10 positive",
    "rare": "2 in 1,000 positive",
    "unscaled": "correlated columns, scales 0.01 to 1,000, means of twice that",
}


def single_precision(kind: str, n: int = ROWS) -> tuple[pd.DataFrame, np.ndarray]:
    """Return float32 features and labels of one of `KINDS`."""
    import numpy as np
    import pandas as pd
    from scipy.special import expit

    rng = np.random.default_rng(0)
    X = rng.standard_normal((n, COLUMNS), dtype=np.float32)
    if kind == "unscaled":
        X = np.float32(0.3**0.5) * X + np.float32(0.7**0.5) * rng.standard_normal(
            (n, 1), dtype=np.float32
        )
    z = X @ rng.normal(0, 0.5, COLUMNS) + (-9.0 if kind == "rare" else -1.0)
    y = (rng.random(n) < expit(z)).astype(int)
    if kind == "unscaled":
        scale = np.logspace(-2, 3, COLUMNS)
        X = (X * scale + 2 * scale).astype(np.float32)
    names = [f"feature_{j:02d}" for j in range(COLUMNS)]
    return pd.DataFrame(X, columns=names), y


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


def log_loss(y: np.ndarray, p: Any) -> float:
    """Return the mean log-loss of chances."""
    import numpy as np

    return float(-np.log(np.where(y == 1, p, 1 - p)).mean())


def _fit_row(
    what: str,
    bar: float,
    fits: Mapping[str, float],
    name: str,
    losses: tuple[float, float],
    within: float = MORE_LOSS,
) -> Row:
    ours, theirs = losses
    told = f"log-loss {ours:.6f} to {theirs:.6f}"
    return _row(what, bar, fits[name], fits["usual"], told, equal=ours <= theirs + within)


def _row(
    what: str, bar: float, own: float, usual: float, told: str = "", *, equal: bool = True
) -> Row:
    return Row(
        what,
        f"≤ {bar:g} × a pipeline" + (", no higher loss" if told else ""),
        f"{own / usual:.2f} × ({own:.2f} s to {usual:.2f} s{'; ' if told else ''}{told})",
        own <= bar * usual and equal,
    )


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
