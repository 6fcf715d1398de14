"""What a user calls, against the pipeline or the loop that the user would write: fits and scores.

Everything is imported, and called once, before it is timed; the two sides take turns, so that a
busy machine slows both.
"""

from __future__ import annotations

import statistics
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sklearn.metrics import log_loss

from benchmarks.processes import fresh
from benchmarks.table import Row, at_most, part

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    import torch

ROWS, COLUMNS = 1_000_000, 20
FEWER_ROWS = 100_000  # for a forest
SEGMENTS = 6
MORE_LOSS = 1e-6  # log-loss per row by which the door's may be the higher one
FEWER = 200_000  # rows of the quick comparisons


@part("models", "logistic models", quick={"runs": 2, "n": FEWER})
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
    yield _row(f"{what}, predict_proba", 1.0, scores, "quick")
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


@part("models", "boosting and forest", quick={"runs": 1, "n": FEWER, "fewer": FEWER // 10})
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


def seconds(calls: Mapping[str, Callable[[], Any]], runs: int = 5) -> dict[str, float]:
    """Return the median time of each call; they take turns, after one call each to warm up."""
    taken: dict[str, list[float]] = {name: [] for name in calls}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for run in range(runs + 1):
            for name, call in calls.items():
                begun = time.perf_counter()
                call()
                if run:
                    taken[name].append(time.perf_counter() - begun)
    return {name: statistics.median(seconds) for name, seconds in taken.items()}


def _fit_row(
    what: str,
    bar: float,
    fits: Mapping[str, float],
    name: str,
    losses: tuple[float, float],
    within: float = MORE_LOSS,
) -> Row:
    ours, theirs = losses
    told = f"; log-loss {ours:.6f} to {theirs:.6f}"
    return _row(f"{what}, no higher loss", bar, fits, name, told, ours <= theirs + within)


def _row(
    what: str, bar: float, took: Mapping[str, float], name: str, more: str = "", also: bool = True
) -> Row:
    own, usual = took[name], took["usual"]
    told = f"{own:.2f} s to {usual:.2f} s{more}"
    return at_most(what, own / usual, bar, "× a pipeline", told, also=also)


# --- segments ----------------------------------------------------------------------------------

FEATURES, GROUPS = 20, 6
K_RANGE = (3, 10)


@part("models", "k-means", quick={"runs": 1, "n": FEWER})
def kmeans(runs: int = 3, n: int = ROWS) -> Row:
    """Time segments of a stated number against scaling and `KMeans` with ten starts."""
    from sklearn.cluster import KMeans
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    from promolab.segmentation import Segmenter

    features = shoppers(n)
    columns = [f"x{i:02d}" for i in range(FEATURES)]
    model = Segmenter("kmeans", k=SEGMENTS, columns=columns)
    usual = make_pipeline(StandardScaler(), KMeans(SEGMENTS, n_init=10, random_state=0))
    calls = {"door": lambda: model.fit(features), "usual": lambda: usual.fit(features[columns])}
    what = f"Segmenter('kmeans', k={SEGMENTS}), {n:,} × {FEATURES}, to KMeans with ten starts"
    return _row(what, 1.0, seconds(calls, runs), "door")


@part("models", "segments of a large shop")
def large_shop(n: int = ROWS) -> Iterator[Row]:
    """Yield time and memory of k-means, choice of k and profile included."""
    found = fresh("models:segments", n)
    what = f"kmeans, {n:,} × {FEATURES}, one of {K_RANGE[1] - K_RANGE[0] + 1} k chosen, profile"
    told = f"{found['k']} segments, adjusted Rand index with those planted {found['rand']:.2f}"
    yield at_most(what, found["seconds"], 60, "s", told)
    yield at_most(f"{what}, memory", found["peak_mb"] / 1024, 4, "GB")


def segments(n: int) -> dict[str, float]:
    """Return seconds of k-means, and how well it found the planted groups."""
    from sklearn.metrics import adjusted_rand_score

    from promolab.segmentation import Segmenter

    frame = shoppers(n)
    begun = time.perf_counter()
    columns = [f"x{i:02d}" for i in range(FEATURES)]
    found = Segmenter(k_range=K_RANGE, columns=columns).fit(frame)
    found.profile()
    found.stability()
    taken = time.perf_counter() - begun
    rand = float(adjusted_rand_score(frame["group"], found.labels_))
    return {"seconds": taken, "k": found.k_, "rand": rand}


def shoppers(n: int, seed: int = 0) -> pd.DataFrame:
    """Return n customers of overlapping groups, with features ``x00`` … and those of a profile.

    Parameters
    ----------
    n : int
        Customers.
    seed : int
        Start of the random numbers.
    """
    import numpy as np
    import pandas as pd

    rng = np.random.default_rng(seed)
    group = rng.choice(GROUPS, n, p=[0.3, 0.25, 0.18, 0.14, 0.09, 0.04])
    centres = rng.normal(0, 1.1, (GROUPS, FEATURES))
    matrix = centres[group] + rng.normal(size=(n, FEATURES))
    matrix[:, ::4] = np.exp(matrix[:, ::4])  # a quarter is skewed, as amounts are
    frame = pd.DataFrame(matrix, columns=[f"x{i:02d}" for i in range(FEATURES)])
    frame.insert(0, "customer_id", rng.permutation(n))
    orders = 1 + rng.poisson(np.exp(matrix[:, 1].clip(-2, 2)))
    frame = frame.assign(orders=orders, recency_days=rng.integers(1, 300, n), group=group)
    frame["amount"] = orders * matrix[:, 0]
    frame["orders_84d"] = rng.binomial(orders, 0.4)
    frame["contacts"] = rng.poisson(2, n)
    frame["responses"] = rng.binomial(frame["contacts"], 0.1)
    return frame


# --- networks ----------------------------------------------------------------------------------

WIDE = 50
HIDDEN, EPOCHS, BATCH, TEST_ROWS = (64, 32), 3, 4096, 200_000


@dataclass(frozen=True)
class Table:
    """Rows and labels, to learn from and to test on."""

    X: torch.Tensor
    y: torch.Tensor
    X_test: torch.Tensor
    y_test: torch.Tensor


@part("models", "neural networks")
def network_epochs(rows: int = ROWS, runs: int = 2) -> Row:
    """Time epochs of the network, ours and by DataLoader, in turn; compare what was learned.

    Ours with all that `fit` does: features encoded, rows held out to find the best epoch, and the
    network fitted again on all rows; the loops do none of it.
    """
    table = make_table(rows)
    ours, usual = [], []
    for _ in range(runs):  # in turn, so that a busy machine slows all
        ours.append(_on_one_thread(lambda: our_fit(table)))
        usual.append(_on_one_thread(lambda: loader_epochs(table)))
    own, other = (statistics.median(s for s, _ in found) for found in (ours, usual))
    losses = ours[0][1], usual[0][1]
    what = f"mlp, {rows:,} × {WIDE}, {EPOCHS} epochs of batches of {BATCH:,}, loss within 0.001"
    told = f"{own:.2f} to {other:.2f} s of CPU; log-loss {losses[0]:.4f} to {losses[1]:.4f}"
    learned = losses[0] <= losses[1] + 0.001
    return at_most(what, own / other, 0.5, "× a DataLoader's", told, also=learned)


def make_table(rows: int) -> Table:
    """Make rows with curved and crossed effects, standardised."""
    import torch

    generator = torch.Generator().manual_seed(0)
    X = torch.randn(rows + TEST_ROWS, WIDE, generator=generator)
    weights = torch.randn(WIDE, generator=generator) / WIDE**0.5
    z = X @ weights + X[:, 0] * X[:, 1] + X[:, 2].abs() - 2.5
    y = (torch.rand(len(z), generator=generator) < torch.sigmoid(z)).float()[:, None]
    return Table(X[:rows], y[:rows], X[rows:], y[rows:])


def our_fit(table: Table) -> Callable[[], float]:
    """Fit a `ResponseModel` on a frame; return what tells the test loss."""
    from promolab import ResponseModel

    model = ResponseModel("mlp", hidden=HIDDEN, epochs=EPOCHS, batch=BATCH)
    model.fit(_frame(table.X), table.y.numpy()[:, 0])
    return lambda: log_loss(table.y_test.numpy()[:, 0], model.probability(_frame(table.X_test)))


def _frame(X: torch.Tensor) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame(X.numpy(), columns=[f"feature_{j:02d}" for j in range(X.shape[1])])


def loader_epochs(table: Table) -> Callable[[], float]:
    """Train the same network by the usual loop: DataLoader, AdamW, a step per batch."""
    import torch
    from torch.utils.data import DataLoader, TensorDataset

    from promolab.model.learners.neural import Mlp
    from promolab.model.neural.networks import Perceptron

    generator, options = torch.Generator().manual_seed(1), Mlp({}).options
    network = Perceptron((WIDE, *HIDDEN, 1), [-1.0], generator, options["dropout"])
    optimiser = torch.optim.AdamW(
        network.parameters(), lr=options["learning_rate"], weight_decay=options["weight_decay"]
    )
    loss = torch.nn.BCEWithLogitsLoss()
    loader = DataLoader(TensorDataset(table.X, table.y), BATCH, shuffle=True, generator=generator)
    network.train()
    for _ in range(EPOCHS):
        for rows, labels in loader:
            optimiser.zero_grad()
            loss(network(rows), labels).backward()
            optimiser.step()
    return lambda: loss_on_test_rows(network, table)


def loss_on_test_rows(network: torch.nn.Module, table: Table) -> float:
    """Return the log-loss on rows that nobody learned from."""
    import torch

    network.eval()
    with torch.no_grad():
        found = network(table.X_test)
        return float(torch.nn.functional.binary_cross_entropy_with_logits(found, table.y_test))


def _on_one_thread(run: Callable[[], Callable[[], float]]) -> tuple[float, float]:
    """Run on one thread, as ours always does; return seconds of CPU, which others do not add to."""
    from promolab.model.neural.training import one_thread

    with one_thread():
        begun = time.process_time()
        told = run()
        return time.process_time() - begun, told()
