"""Logistic regression of a million rows, and scoring a million customers with 20 promotions."""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from benchmarks.doors import log_loss, seconds, single_precision
from benchmarks.table import Row

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

ROWS, COLUMNS = 1_000_000, 20
LEAST_TIMES_FASTER = 100
EPOCHS, LOOP_BATCH, RATE = 10, 32, 0.05
MAX_GRID_SECONDS = 2.0
PROMOTIONS, GRID_BATCH = 20, 50_000
MAX_GRID_MEMORY = 100e6  # bytes beyond the customers' frame; the scores alone are 160 MB


def training(runs: int = 3, epochs: int = 1, n: int = ROWS) -> Row:
    """Time the logistic model against a `DataLoader` of batches of 32 and SGD, for 10 epochs.

    The loop runs for ``epochs`` of them, and its time is scaled up: an epoch is as long as the
    next. Its loss can be no lower after all 10 than the certified optimum, whatever it does there.
    """
    import numpy as np
    from scipy.special import expit

    from promolab import ResponseModel

    frame, y = single_precision("usual", n)
    model = ResponseModel("logistic", l2=1.0, intervals=False)
    calls = {"ours": lambda: model.fit(frame, y)}
    before = seconds(calls, runs)["ours"]
    X, labels = frame.to_numpy(copy=True), y.astype(np.float32)
    textbook_loop(X[: n // 100], labels[: n // 100], 1)  # warmed up as the model was
    begun = time.perf_counter()
    w, b = textbook_loop(X, labels, epochs)
    whole = (time.perf_counter() - begun) / epochs * EPOCHS
    own = (before + seconds(calls, runs)["ours"]) / 2  # as busy a machine
    loss, loop_loss = log_loss(y, model.probability(frame)), log_loss(y, expit(X @ w + b))
    ran = f"{whole:.0f} s" if epochs == EPOCHS else f"{EPOCHS} × the {whole / EPOCHS:.0f} s of one"
    return Row(
        f"logistic, {n:,} × {COLUMNS}, against DataLoader, batches of {LOOP_BATCH}, SGD, "
        f"{EPOCHS} epochs",
        f"≥ {LEAST_TIMES_FASTER} × faster, lower loss",
        f"{whole / own:.0f} × ({own:.2f} s to {ran}; log-loss {loss:.6f} to {loop_loss:.6f})",
        whole >= LEAST_TIMES_FASTER * own and loss < loop_loss,
    )


def textbook_loop(X: np.ndarray, y: np.ndarray, epochs: int) -> tuple[np.ndarray, float]:
    """Train as tutorials do: a module, a loader, an optimiser, a loop.

    On one thread, where batches this small are quickest.
    """
    import torch
    from torch.utils.data import DataLoader, TensorDataset

    from promolab.model.neural.training import one_thread

    torch.manual_seed(0)
    rows = TensorDataset(torch.from_numpy(X), torch.from_numpy(y))
    loader = DataLoader(rows, batch_size=LOOP_BATCH, shuffle=True)
    model = torch.nn.Linear(X.shape[1], 1)
    optimiser = torch.optim.SGD(model.parameters(), lr=RATE)
    loss = torch.nn.BCEWithLogitsLoss()
    with one_thread():
        for _ in range(epochs):
            for batch, labels in loader:
                optimiser.zero_grad()
                loss(model(batch)[:, 0], labels).backward()
                optimiser.step()
    return model.weight.detach().numpy()[0], float(model.bias.detach()[0])


def scoring(n: int = ROWS, runs: int = 3) -> Iterator[Row]:
    """Yield time and memory of scoring every customer with every promotion."""
    from promolab import ResponseModel
    from promolab.scoring.grid import score_grid

    people, offers = customers(n), promotions()
    pairs, y = observed(people.head(20_000), offers)
    shared = ResponseModel(columns=[c for c in pairs.columns if c != "promotion_id"])
    shared.fit(pairs, y)

    def score() -> float:
        grid = score_grid(shared, people, offers, batch=GRID_BATCH)
        return sum(float(scores[0, 0]) for scores in grid)

    took = seconds({"score": score}, runs)["score"]
    tracemalloc.start()
    score()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    yield Row(
        f"scoring {n:,} customers × {PROMOTIONS} promotions, logistic",
        f"≤ {MAX_GRID_SECONDS:.0f} s, ≤ {MAX_GRID_MEMORY / 1e6:.0f} MB",
        f"{took:.2f} s (median of {runs}), {peak / 1e6:.0f} MB in batches of "
        f"{GRID_BATCH:,}, {people.shape[1]} columns",
        took <= MAX_GRID_SECONDS and peak <= MAX_GRID_MEMORY,
    )


def customers(n: int) -> pd.DataFrame:
    """Return customers with 20 features: counts, skewed amounts, gaps, categories."""
    import numpy as np
    import pandas as pd

    rng = np.random.default_rng(0)
    columns: dict[str, Any] = {f"rate_{i}": rng.normal(size=n) for i in range(8)}
    columns |= {f"amount_{i}": np.exp(rng.normal(size=n)) for i in range(8)}
    columns["amount_0"] = np.where(rng.random(n) < 0.1, np.nan, columns["amount_0"])
    columns |= {f"orders_{i}": rng.poisson(3, n) for i in range(2)}
    columns["city"] = pd.Categorical(rng.choice(list("abcdefgh"), n))
    top = np.array(["milk", "bread", "beer", None], dtype=object)
    columns["top_category"] = pd.Series(rng.choice(top, n), dtype="str")
    return pd.DataFrame(columns)


def promotions() -> pd.DataFrame:
    """Return promotions with two features."""
    import numpy as np
    import pandas as pd

    return pd.DataFrame(
        {
            "promotion_id": [f"P{j}" for j in range(PROMOTIONS)],
            "discount": np.linspace(0.05, 0.5, PROMOTIONS),
            "kind": ["coupon", "price"] * (PROMOTIONS // 2),
        }
    )


def observed(people: pd.DataFrame, offers: pd.DataFrame) -> tuple[pd.DataFrame, np.ndarray]:
    """Return a row per customer with one promotion, and whether they responded."""
    import numpy as np
    import pandas as pd

    rng = np.random.default_rng(1)
    offered = offers.iloc[rng.integers(0, PROMOTIONS, len(people))].reset_index(drop=True)
    pairs = pd.concat([people.reset_index(drop=True), offered], axis=1)
    z = pairs["rate_0"] + 3 * pairs["discount"] - 2
    return pairs, (rng.random(len(pairs)) < 1 / (1 + np.exp(-z))).astype(int).to_numpy()
