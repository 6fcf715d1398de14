"""Experiments read out: how fast, how often intervals hold the truth, what CUPED takes away."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.processes import run_watched
from benchmarks.table import Row
from promolab.abtest import Metric
from promolab.abtest.comparison import ArmComparison
from promolab.abtest.measured import measure_arms

SECONDS, GIGABYTES = 20.0, 4.0
BAND = (0.93, 0.97)
ARMS = {"control": 0.4, "mail": 0.4, "coupon": 0.2}
LIFT = 0.1
PART = 1_000_000
"""Customers written at a time."""


def readout(customers: int = 10_000_000, draws: int = 1_000) -> Iterator[Row]:
    """Yield time and memory of a large readout, coverage, and what CUPED is worth."""
    yield large_readout(customers)
    yield from coverage(draws)
    yield from gain_of_the_past(draws)


def large_readout(customers: int) -> Row:
    """Read three arms and ten metrics from parquet, in a process of its own.

    Three shares, three means adjusted for what was before, one of them winsorised as well, a plain
    mean and three ratios; with the sample ratio, and the check that nobody is there twice.
    """
    with tempfile.TemporaryDirectory(prefix="promolab-experiment-") as folder:
        path = Path(folder) / "experiment.parquet"
        write_experiment(path, customers)
        usage = run_watched(["-m", "benchmarks.experiments_readout", str(path)])
    seconds, processor, rows = map(float, usage.stdout.split())
    assert rows == 20
    return Row(
        f"readout of {customers:,} customers × 3 arms × 10 metrics from parquet",
        f"≤ {SECONDS:g} s, ≤ {GIGABYTES:g} GB",
        f"{seconds:.1f} s ({processor:.1f} s of processor), {usage.peak_mb / 1024:.2f} GB",
        seconds <= SECONDS and usage.peak_mb / 1024 <= GIGABYTES,
    )


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


METRICS = {
    **{f"bought {i}": Metric(f"bought_{i}") for i in range(3)},
    "spend 0": Metric("spend_0", earlier="before", winsorise=0.99),
    **{f"spend {i}": Metric(f"spend_{i}", earlier="before") for i in (1, 2)},
    "spend 3": Metric("spend_3"),
    **{f"basket {i}": Metric(f"spend_{i}", per=f"orders_{i}") for i in range(3)},
}


def timed(path: str) -> str:
    """Read an experiment; return seconds, seconds of the processor, and rows."""
    import time

    import promolab

    begun, processor = time.perf_counter(), time.process_time()
    found = promolab.analyze_experiment(path, METRICS, shares=dict.fromkeys(ARMS, 1 / 3))
    spent, worked = time.perf_counter() - begun, time.process_time() - processor
    return f"{spent} {worked} {len(found.rows)}"


def drawn(draws: int, n: int, seed: int = 0) -> pd.DataFrame:
    """Return experiments, one after the other: half of the customers buy, amounts are lognormal.

    ``mail`` multiplies what each customer spends and how often they order by 1 + `LIFT`. Beside
    ``arm`` there is ``home_arm``, drawn for households of three who share a taste, and ``chosen``,
    where the chance of ``mail`` differs between customers.
    """
    rng = np.random.default_rng(seed)
    size = draws * n
    draw = np.repeat(np.arange(draws), n)
    taste = rng.gamma(2.0, 0.5, size)
    arm = rng.choice(np.array(list(ARMS)), size, p=list(ARMS.values()))
    frame = pd.DataFrame({"customer_id": np.arange(size), "draw": draw.astype(str), "arm": arm})
    frame["before"] = 20 * taste * rng.lognormal(0.0, 0.5, size)
    amount, orders = _outcomes(rng, taste, arm == "mail")
    frame["spend"], frame["orders"] = amount, orders
    frame["bought"] = amount > 0
    frame["steady"] = 20 * taste * (1 + LIFT * (arm == "mail")) * rng.lognormal(0.0, 0.4, size)
    cap = frame.groupby("draw")["spend"].transform(lambda s: s.quantile(0.95))
    frame["cut"] = np.minimum(frame["spend"], cap)
    chance = np.where(taste > 1, 0.6, 0.3)
    chosen = rng.random(size) < chance
    frame["chosen"] = np.where(chosen, "mail", "control")
    frame["chance"] = np.where(chosen, chance, 1 - chance)
    frame["chosen_spend"], _ = _outcomes(rng, taste, chosen)
    frame["home"] = draw * n + np.tile(np.arange(n) // 3, draws)
    home = rng.random(draws * n)[frame["home"]] < 0.5
    shared = rng.gamma(2.0, 0.5, size)[frame["home"]]
    frame["home_arm"] = np.where(home, "mail", "control")
    frame["home_spend"], _ = _outcomes(rng, shared, home)
    return frame


def _outcomes(
    rng: np.random.Generator, taste: np.ndarray, mail: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    more = 1 + LIFT * mail
    buys = rng.random(len(taste)) < 0.5
    return buys * 20 * taste * more * rng.lognormal(0.0, 0.5, len(taste)), rng.poisson(
        1.5 * more * taste
    )


def truths() -> dict[str, float]:
    """Return the control's means, and the winsorised ones of both arms, from many customers."""
    frame = drawn(1, 3_000_000, seed=99)
    mean = 0.5 * 20 * np.exp(0.125)
    by_arm = frame.groupby("arm")["cut"].mean()
    return {
        "mean": mean,
        "cut": by_arm["mail"] - by_arm["control"],
        "control cut": by_arm["control"],
    }


def coverage(draws: int, n: int = 2_000) -> Iterator[Row]:
    """Yield how often 95 % intervals hold the truth, each draw a segment of one table."""
    frame, true = drawn(draws, n), truths()
    metrics = {
        "mean": Metric("spend", "mean"),
        "CUPED": Metric("spend", earlier="before"),
        "ratio": Metric("spend", per="orders"),
        "share": Metric("bought", "share"),
        "winsorised": Metric("cut", "mean"),
    }
    found = measure_arms(frame, metrics, segments="draw").segments
    mine = {name: [r for r in found if r.metric == name and r.arm == "mail"] for name in metrics}
    expected = {
        "mean": (LIFT * true["mean"], LIFT),
        "CUPED": (LIFT * true["mean"], LIFT),
        "ratio": (0.0, 0.0),
        "share": (0.0, 0.0),
        "winsorised": (true["cut"], true["cut"] / true["control cut"]),
    }
    for name, (difference, relative) in expected.items():
        yield _covered(f"{name}, difference", mine[name], "difference", difference)
        yield _covered(f"{name}, relative lift", mine[name], "relative", relative)
    by_chance = measure_arms(
        frame, {"m": Metric("chosen_spend", "mean")}, arm="chosen", propensity="chance",
        segments="draw",
    )  # fmt: skip
    by_home = measure_arms(
        frame, {"m": Metric("home_spend", "mean")}, arm="home_arm", cluster="home", segments="draw"
    )
    for name, rows in (("unequal chances", by_chance), ("households", by_home)):
        yield _covered(f"{name}, difference", rows.segments, "difference", LIFT * true["mean"])


def _covered(what: str, rows: Sequence[ArmComparison], figure: str, truth: float) -> Row:
    ends = np.array([getattr(row, figure).ends for row in rows])
    inside = (ends[:, 1] <= truth) & (truth <= ends[:, 2])
    share = float(inside.mean())
    # Against 2 × 1.96 of the estimates' own spread: wide intervals cover well, too.
    width = float(np.mean(ends[:, 2] - ends[:, 1]) / (2 * 1.96 * ends[:, 0].std()))
    return Row(
        f"95 % intervals of experiments: {what}, {len(rows):,} draws",
        f"{BAND[0]:.0%}–{BAND[1]:.0%}",
        f"{share:.1%} (width {width:.2f} × the estimates' spread)",
        BAND[0] <= share <= BAND[1],
    )


def gain_of_the_past(draws: int, n: int = 2_000) -> Iterator[Row]:
    """Yield what CUPED takes of the variance, and what a true +10 % reads."""
    frame = drawn(draws, n, seed=1)
    metrics = {"adjusted": Metric("steady", earlier="before"), "plain": Metric("steady", "mean")}
    rows = [r for r in measure_arms(frame, metrics, segments="draw").segments if r.arm == "mail"]
    adjusted, plain = (
        np.array([row.difference.value for row in rows if row.metric == name]) for name in metrics
    )
    whole, raw = (r for r in measure_arms(frame, metrics).rows if r.arm == "mail")
    squared = whole.correlation**2
    said = 1 - (whole.std_error / raw.std_error) ** 2
    yield Row(
        "CUPED: the variance falls by the squared correlation",
        "within 5 % of it",
        f"by {said:.4f}, r² {squared:.4f} (over the draws {1 - adjusted.var() / plain.var():.3f})",
        bool(abs(said / squared - 1) <= 0.05),
    )
    lifts = np.array([row.relative.value for row in rows])
    error = lifts.std() / np.sqrt(len(lifts))
    yield Row(
        "CUPED: a true +10 % reads",
        "+10 % within 3 errors",
        f"{lifts.mean():+.2%} ± {error:.2%}, all draws together {whole.relative.value:+.2%}",
        bool(abs(lifts.mean() - LIFT) <= 3 * error + 0.001),
    )


if __name__ == "__main__":
    print(timed(sys.argv[1]))
