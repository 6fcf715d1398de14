"""How fast and how honest the measures of uplift are: exact cases, speed, coverage."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from benchmarks.table import Row

ROWS, CUSTOMERS = 1_000_000, 250_000
TIMES = 2.0
DRAWS, SIZE = 2_000, 5_000
BARS = {0.95: (0.93, 0.97), 0.90: (0.87, 0.93)}
RATIO = (0.93, 1.1)
SPREAD, SLOPE, AVERAGE = np.sqrt(2), 0.15, 0.3


def uplift_metrics(seeds: tuple[int, ...] = (1, 2)) -> Iterator[Row]:
    """Yield every row of this module."""
    yield exact_cases()
    yield from qini_against_sort_and_sum()
    for seed in seeds:
        yield from coverage(seed)
    yield from coverage(seeds[0], heavy=True, draws=DRAWS // 2)
    yield from coverage(seeds[0], clustered=True, draws=DRAWS // 2)


def exact_cases() -> Row:
    """Effects equal to the score, spread evenly over 0–1."""
    from promolab.metrics.uplift import rate

    effect = (np.arange(ROWS) + 0.5) / ROWS
    found = rate(None, None, effect, gamma=effect)
    flat = rate(None, None, np.ones(ROWS), gamma=effect)
    gap = max(abs(found.autoc - 1 / 4), abs(found.qini - 1 / 12))
    return Row(
        "AUTOC and QINI of effects spread evenly; of a constant score",
        "1/4 and 1/12 within 1e-5; 0 and 0",
        f"{found.autoc:.6f} and {found.qini:.6f}; {flat.autoc:g} and {flat.qini:g}",
        gap < 1e-5 and flat.autoc == 0 and flat.qini == 0,
    )


def _fastest(*functions: Callable[[], Any], times: int = 7) -> list[float]:
    """Time in turn, so that a busy machine slows all; the least is the least disturbed."""
    found = np.full(len(functions), np.inf)
    for _ in range(times):
        for k, function in enumerate(functions):
            start = time.perf_counter()
            function()
            found[k] = min(found[k], time.perf_counter() - start)
    return [float(seconds) for seconds in found]


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
    yield Row(
        f"Qini with interval and band, {ROWS:,} rows",
        f"≤ {TIMES:g} × sorting and summing, same figure",
        f"{mine / plain:.2f} × ({mine:.2f} s against {plain:.2f} s)",
        same and mine <= TIMES * plain,
    )
    yield Row(
        f"the same, {CUSTOMERS:,} customers of several rows",
        "≤ 3 s",
        f"{clustered / plain:.2f} × ({clustered:.2f} s)",
        clustered <= 3,
    )


def draw(
    rng: np.random.Generator, n: int, heavy: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Outcome, arm and score: E[effect | score] = 0.3 + 0.15·score, the score's variance 2."""
    x = rng.normal(size=n)
    score, treated = x + rng.normal(size=n), rng.random(n) < 0.5
    # Heavy: one in ten buys, for a lognormal amount; a coefficient of variation near 6.
    noise = (
        8 * (rng.random(n) < 0.1) * rng.lognormal(sigma=1.2, size=n)
        if heavy
        else x + 2 * rng.normal(size=n)
    )
    return noise + treated * (AVERAGE + 2 * SLOPE * x), treated, score


def truth() -> dict[str, float]:
    """What the measures are in a population without end."""
    from scipy.special import ndtri

    depth = (np.arange(2_000_000) + 0.5) / 2_000_000
    height = -ndtri(depth) * SLOPE * SPREAD
    top = depth < 0.1
    return {
        "Qini": float((height * (0.5 - depth)).mean()),
        "AUTOC": float((height * -np.log(depth)).mean()),
        "average effect": AVERAGE,
        "effect of the top 30 %": AVERAGE + float(height[depth < 0.3].mean()),
        "effect of the top decile": AVERAGE + float(height[top].mean()),
        "difference of two Qini": float((height * (0.5 - depth)).mean()) * (1 - np.sqrt(2 / 3)),
        "calibration slope": 1.0,
    }


def measures(
    y: np.ndarray, treated: np.ndarray, score: np.ndarray, other: np.ndarray, **how: Any
) -> dict[str, Any]:
    """Everything whose coverage is checked."""
    from promolab.metrics.uplift import compare_qini, effect_calibration, qini, rate

    area = rate(y, treated, score, **how)
    bins = effect_calibration(y, treated, AVERAGE + SLOPE * score, **how)
    decile, curve = bins.bins.iloc[-1], qini(y, treated, score, **how)
    return {
        "Qini": area.estimates["qini"],
        "AUTOC": area.estimates["autoc"],
        "average effect": area.effect,
        "effect of the top 30 %": curve.at(0.3) * (1 / 0.3),
        "effect of the top decile": curve.at(0.1) * 10,
        "difference of two Qini": compare_qini(y, treated, score, other, **how).estimate,
        "calibration slope": bins.slope,
        "_decile": decile,
    }


def coverage(
    seed: int, *, heavy: bool = False, clustered: bool = False, draws: int = DRAWS, n: int = SIZE
) -> Iterator[Row]:
    """Check intervals and standard errors against the known truth."""
    from promolab.stats import normal_quantile

    rng, known = np.random.default_rng(seed), truth()
    found: dict[str, dict[float, list[tuple[float, float, float]]]] = {
        name: {level: [] for level in BARS} for name in known
    }
    for _ in range(draws):
        y, treated, score = draw(rng, n, heavy)
        other = score + rng.normal(size=n)
        how: dict[str, Any] = {}
        if clustered:  # every customer stands in two rows
            y, treated, score, other = (
                np.repeat(v[: n // 2], 2) for v in (y, treated, score, other)
            )
            how["cluster"] = np.repeat(np.arange(n // 2), 2)
        for level in BARS:
            for name, x in measures(y, treated, score, other, level=level, **how).items():
                if name in known:
                    found[name][level].append((x.value, x.ci_low, x.ci_high))
    kind = "heavy-tailed money" if heavy else "customers in two rows" if clustered else "plain"
    for name, value in known.items():
        words, ok = [], True
        for level, (low, high) in BARS.items():
            ends = np.array(found[name][level])
            covered = float(((ends[:, 1] <= value) & (value <= ends[:, 2])).mean())
            ok &= low <= covered <= high
            words.append(f"{covered:.1%}")
        ends = np.array(found[name][0.95])
        half = (ends[:, 2] - ends[:, 1]) / 2 / normal_quantile(0.95)
        ratio = float(half.mean() / ends[:, 0].std(ddof=1))
        yield Row(
            f"{name}, {kind}, seed {seed}, {draws:,} draws of {n:,}",
            "shown apart" if heavy else "93–97 %, 87–93 %; half-width/z/SD 0.93–1.1",
            f"{words[0]}, {words[1]}; {ratio:.3f}",
            heavy or (ok and RATIO[0] <= ratio <= RATIO[1]),
        )
