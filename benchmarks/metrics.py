"""How fast measures of a prediction and of an effect are, and whether intervals hold the truth."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from benchmarks.processes import ROOT, pytest_row
from benchmarks.table import Row, at_most, part

ROWS, CUSTOMERS = 1_000_000, 250_000
ROWS, CUSTOMERS = 1_000_000, 250_000
DRAWS = 2_000
ASKS = ("tests.draws import", "PROMOLAB_DRAWS")
"""What a file of tests has in it that takes more draws where it is asked to."""


@part("metrics", "AUC against scikit-learn", quick={})
def auc_against_scikit_learn() -> Iterator[Row]:
    """Time AUC, curve and DeLong's interval against scikit-learn's AUC alone."""
    from sklearn.metrics import roc_auc_score

    from promolab.metrics import roc

    y, p, _, cluster = _million()
    alone, plain, clustered = _fastest(
        lambda: roc_auc_score(y, p), lambda: roc(y, p), lambda: roc(y, p, cluster)
    )
    same = abs(roc(y, p).auc - roc_auc_score(y, p)) < 1e-12
    for name, seconds in (("rows independent", plain), (f"{CUSTOMERS:,} customers", clustered)):
        yield at_most(
            f"AUC + DeLong interval, {ROWS:,} rows, {name}, same AUC", seconds / alone, 0.8,
            "× roc_auc_score", f"{seconds:.2f} s against {alone:.2f} s", also=same,
        )  # fmt: skip


def _million() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Labels, two models' probabilities and customers of a million rows."""
    rng = np.random.default_rng(0)
    cluster = rng.integers(0, CUSTOMERS, ROWS)
    signal = rng.normal(size=ROWS)
    p = 1 / (1 + np.exp(3.5 - signal))
    other = 1 / (1 + np.exp(3.5 - signal - 0.3 * rng.normal(size=ROWS)))
    return rng.random(ROWS) < p, p, other, cluster


def _fastest(*functions: Callable[[], Any], times: int = 7) -> list[float]:
    """Time in turn, so that a busy machine slows all; the least is the least disturbed."""
    found = np.full(len(functions), np.inf)
    for _ in range(times):
        for k, function in enumerate(functions):
            start = time.perf_counter()
            function()
            found[k] = min(found[k], time.perf_counter() - start)
    return [float(seconds) for seconds in found]


@part("metrics", "models compared in pairs")
def comparisons() -> Iterator[Row]:
    """Time the paired comparison of two models on a million rows."""
    from promolab.metrics import compare

    y, p, other, cluster = _million()
    for metric in ("average_precision", "log_loss", "lift@0.1"):
        for name, by in (("customers", cluster), ("rows", None)):
            start = time.perf_counter()
            compare(y, {"one": p, "other": other}, metric, cluster=by)
            seconds = time.perf_counter() - start
            yield at_most(
                f"paired comparison by {metric}, {ROWS:,} rows by {name}", seconds, 20, "s"
            )


def sort_and_sum(y: np.ndarray, treated: np.ndarray, score: np.ndarray) -> float:
    """Qini as one writes it in ten lines: no interval, no ties, no curve kept."""
    order = np.argsort(-score)
    y, treated = y[order], treated[order]
    rows = np.arange(1, len(y) + 1)
    some = np.cumsum(treated)
    of_treated, of_control = np.cumsum(y * treated), np.cumsum(y * ~treated)
    with np.errstate(divide="ignore", invalid="ignore"):
        gain = rows / len(y) * (of_treated / some - of_control / (rows - some))
    gain = np.append(0.0, np.nan_to_num(gain, posinf=0.0, neginf=0.0))
    return float(np.trapezoid(gain, dx=1 / len(y)) - gain[-1] / 2)


@part("metrics", "Qini against sorting and summing", quick={})
def qini_against_sort_and_sum() -> Iterator[Row]:
    """Time Qini with curve, bands and intervals against a plain point estimate of the same."""
    from promolab.metrics.uplift import qini

    rng = np.random.default_rng(0)
    score, treated = rng.normal(size=ROWS), rng.random(ROWS) < 0.5
    y = (rng.random(ROWS) < 0.1 + 0.05 * treated * (score > 0)).astype(float)
    cluster = rng.integers(0, CUSTOMERS, ROWS)
    plain, mine, clustered = _fastest(
        lambda: sort_and_sum(y, treated, score),
        lambda: qini(y, treated, score),
        lambda: qini(y, treated, score, cluster=cluster),
    )
    same = abs(qini(y, treated, score).qini - sort_and_sum(y, treated, score)) < 1e-9
    what = f"Qini with interval and band, {ROWS:,} rows"
    yield at_most(f"{what}, same figure", mine / plain, 2, "× sorting and summing",
                  f"{mine:.2f} s against {plain:.2f} s", also=same)  # fmt: skip
    yield at_most(f"{what}, {CUSTOMERS:,} customers of several rows", clustered, 3, "s")


@part("metrics", "intervals of two thousand draws")
def intervals_cover(draws: int = DRAWS) -> Iterator[Row]:
    """Yield by folder whether the simulations of tests pass on more draws than they usually take.

    Parameters
    ----------
    draws : int
        Of each simulation; the bounds of the tests narrow with them.
    """
    found: dict[str, list[str]] = {}
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        text = path.read_text(encoding="utf-8")
        if any(word in text for word in ASKS):
            found.setdefault(path.relative_to(ROOT / "tests").parts[0], []).append(str(path))
    for folder, files in found.items():
        what = f"intervals of tests/{folder} cover, {draws:,} draws"
        yield pytest_row(what, files, PROMOLAB_DRAWS=str(draws))
