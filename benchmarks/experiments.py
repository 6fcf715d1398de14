"""Experiments of ten million customers: their assignment, and the readout."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.models import seconds
from benchmarks.processes import fresh
from benchmarks.table import Row, at_least, at_most, part
from promolab.abtest import Metric

CUSTOMERS = 10_000_000
SHARES = {"holdout": 0.1, "send": 0.9}
NAMES = 50
UNLIKELY = 0.001  # of chance alone; corrected where many are tested
ARMS = {"control": 0.4, "mail": 0.4, "coupon": 0.2}
PART = 1_000_000
"""Customers written at a time."""
METRICS = {
    **{f"bought {i}": Metric(f"bought_{i}") for i in range(3)},
    "spend 0": Metric("spend_0", earlier="before", winsorise=0.99),
    **{f"spend {i}": Metric(f"spend_{i}", earlier="before") for i in (1, 2)},
    "spend 3": Metric("spend_3"),
    **{f"basket {i}": Metric(f"spend_{i}", per=f"orders_{i}") for i in range(3)},
}


@part("experiments", "assignment of ten million customers")
def assignment(n: int = CUSTOMERS, runs: int = 3) -> Iterator[Row]:
    """Yield the time for whole numbers and for texts."""
    import pandas as pd

    from promolab import assign

    numbers = np.random.default_rng(0).permutation(n) + 1_000_000
    ids: dict[str, Any] = {"numbers": numbers, "texts": pd.Series(numbers).astype("str")}
    calls = {what: partial(assign, those, "run", SHARES, seed=0) for what, those in ids.items()}
    for what, taken in seconds(calls, runs).items():
        yield at_most(f"assign {n:,} customers, ids are {what}", taken, 5, "s")
    yield shares_within_noise(numbers)
    yield independent_names()


def shares_within_noise(customers: np.ndarray) -> Row:
    """Test the customers in each of four arms against the planned shares (χ²)."""
    from scipy.stats import chisquare

    from promolab import assign

    planned = {"standing": 0.05, "holdout": 0.1, "a": 0.25, "b": 0.6}
    found = assign(customers, "shares", planned, seed=0).counts
    expected = [share * len(customers) for share in planned.values()]
    p = float(chisquare(list(found.values()), expected).pvalue)
    return at_least(f"shares of 4 arms, {len(customers):,} customers, p of χ²", p, UNLIKELY)


def independent_names(n: int = 200_000, names: int = NAMES) -> Row:
    """Test that the arms under different names are independent, pair by pair and over all (χ²)."""
    from scipy.stats import chi2

    from promolab import assign

    customers = np.arange(n)
    held = np.array(
        [
            assign(customers, f"promotion {i}", SHARES, seed=0).frame["arm"].cat.codes == 0
            for i in range(names)
        ],
        dtype=float,
    )
    # χ² with one degree of freedom of each pair's two-by-two table is n times its correlation².
    squares = n * np.corrcoef(held)[np.triu_indices(names, 1)] ** 2
    all_p = float(chi2.sf(squares.sum(), len(squares)))
    least = float(chi2.sf(squares.max(), 1)) * len(squares)  # Bonferroni
    what = f"assign, independence across {names} names ({len(squares):,} pairs, {n:,} customers)"
    return at_least(f"{what}, p of all and of the least likely", [all_p, min(least, 1)], UNLIKELY)


@part("experiments", "a readout of ten million customers")
def large_readout(customers: int = CUSTOMERS) -> Iterator[Row]:
    """Read three arms and ten metrics from parquet, in a process of its own.

    Three shares, three means adjusted for what was before, one of them winsorised as well, a plain
    mean and three ratios; with the sample ratio, and the check that nobody is there twice.
    """
    with tempfile.TemporaryDirectory(prefix="promolab-experiment-") as folder:
        path = Path(folder) / "experiment.parquet"
        write_experiment(path, customers)
        found = fresh("experiments:timed", path)
    assert found["rows"] == 20
    what = f"readout of {customers:,} customers × 3 arms × 10 metrics from parquet"
    yield at_most(what, found["seconds"], 20, "s", f"{found['processor']:.1f} s of processor")
    yield at_most(f"{what}, memory", found["peak_mb"] / 1024, 4, "GB")


def write_experiment(path: Path, customers: int) -> None:
    """Write customers of three equal arms with the columns of `METRICS`, a million at a time."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    rng = np.random.default_rng(0)
    writer = None
    for start in range(0, customers, PART):
        n = min(PART, customers - start)
        before = rng.gamma(0.5, 40.0, n)
        columns = {
            "customer_id": np.arange(start, start + n),
            "arm": rng.choice(np.array(list(ARMS)), n),
            "before": before,
        }
        columns |= {f"bought_{i}": rng.random(n) < 0.02 * (i + 1) for i in range(3)}
        for i in range(4):
            columns[f"spend_{i}"] = 0.3 * before + (rng.random(n) < 0.3) * rng.gamma(0.5, 40.0, n)
        columns |= {f"orders_{i}": rng.poisson(1.0 + i, n) for i in range(3)}
        table = pa.table(columns)
        writer = writer or pq.ParquetWriter(path, table.schema)
        writer.write_table(table)
    assert writer is not None
    writer.close()


def timed(path: str) -> dict[str, float]:
    """Read an experiment; return seconds, seconds of the processor, and rows."""
    import promolab

    begun, processor = time.perf_counter(), time.process_time()
    found = promolab.analyze_experiment(path, METRICS, shares=dict.fromkeys(ARMS, 1 / 3))
    spent, worked = time.perf_counter() - begun, time.process_time() - processor
    return {"seconds": spent, "processor": worked, "rows": len(found.rows)}
