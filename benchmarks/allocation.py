"""Allocation: the whole frontier's time and memory, HiGHS beside it, limits, and how it scales."""

from __future__ import annotations

import statistics
import time
import tracemalloc
from collections.abc import Callable, Iterator
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from benchmarks.table import Row

if TYPE_CHECKING:
    import numpy as np

CUSTOMERS, PROMOTIONS = 1_000_000, 8
MAX_SECONDS, MAX_MEMORY = 1.0, 3.0
AGAINST_HIGHS, MIN_FASTER, MAX_APART = 20_000, 500, 1e-9
MAX_GAP, MAX_LIMITED_SECONDS = 0.001, 15.0
SIZES, MAX_GROWTH = (100_000, 1_000_000, 10_000_000), 12.0
KINDS = ("any", "zero costs", "ties", "duplicates", "dominated")


def allocations(
    n: int = CUSTOMERS, small: int = AGAINST_HIGHS, sizes: tuple[int, ...] = SIZES
) -> Iterator[Row]:
    """Yield all rows; seconds are of the processor, for other work may share the machine."""
    yield whole_frontier(n)
    yield from against_highs(small)
    yield with_limits(n)
    yield scaling(sizes)


def drawn(n: int, kind: str = "any", seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return values and costs of customers × promotions, drawn by chance."""
    import numpy as np

    rng = np.random.default_rng(seed)
    value, cost = rng.normal(1, 2, (n, PROMOTIONS)), rng.gamma(2, 1, (n, PROMOTIONS))
    if kind == "zero costs":
        cost[rng.random(cost.shape) < 0.3] = 0
    elif kind == "ties":
        value, cost = np.round(value), np.round(cost)
    elif kind == "duplicates":
        value[:, 4:], cost[:, 4:] = value[:, :4], cost[:, :4]
    elif kind == "dominated":
        value[:, 4:], cost[:, 4:] = value[:, :4] - 0.5, cost[:, :4] + 0.5
    return value, cost


def seconds_of(call: Callable[[], Any], runs: int = 3) -> float:
    """Return the median of processor seconds, all threads together."""
    found = []
    for _ in range(runs):
        begun = time.process_time()
        call()
        found.append(time.process_time() - begun)
    return statistics.median(found)


def whole_frontier(n: int) -> Row:
    """Time `allocate`, checks and result included, and its memory beside the input's."""
    from promolab import allocate

    value, cost = drawn(n)
    taken = seconds_of(partial(allocate, value, cost, budget=0.3 * n))
    tracemalloc.start()
    allocate(value, cost, budget=0.3 * n)
    peak = tracemalloc.get_traced_memory()[1] / (value.nbytes + cost.nbytes)
    tracemalloc.stop()
    return Row(
        f"allocate, whole frontier, {n:,} × {PROMOTIONS}",
        f"≤ {MAX_SECONDS} s, memory ≤ {MAX_MEMORY:.0f} × the input",
        f"{taken:.2f} s of processor time, {peak:.1f} ×",
        taken <= MAX_SECONDS and peak <= MAX_MEMORY,
    )


def linear_program(value: np.ndarray, cost: np.ndarray, budget: float) -> float:
    """Return the optimum at one budget by HiGHS."""
    import numpy as np
    from scipy import sparse
    from scipy.optimize import linprog

    n, p = value.shape
    one_each = sparse.kron(sparse.identity(n), np.ones((1, p)))
    rows = sparse.vstack([one_each, sparse.csr_matrix(cost.ravel())]).tocsr()
    most = np.append(np.ones(n), budget)
    found = linprog(-value.ravel(), A_ub=rows, b_ub=most, bounds=(0, 1), method="highs")
    return -float(found.fun)


def against_highs(n: int) -> Iterator[Row]:
    """Yield, kind by kind, how much faster the same value is found."""
    from promolab import allocate

    for kind in KINDS:
        value, cost = drawn(n, kind)
        budget = 0.3 * n
        taken = seconds_of(partial(allocate, value, cost, budget=budget), 7)
        begun = time.process_time()
        best = linear_program(value, cost, budget)
        theirs = time.process_time() - begun
        apart = abs(allocate(value, cost, budget=budget).upper_bound / best - 1)
        # Ties and free options leave HiGHS little to do after its presolve.
        yield Row(
            f"allocate against HiGHS's linear program, {n:,} × {PROMOTIONS}, {kind}",
            f"≥ {MIN_FASTER} × faster, same value to {MAX_APART:g}",
            f"{theirs / taken:,.0f} × ({1000 * taken:.0f} ms, {theirs:.1f} s), {apart:.1e} apart",
            theirs / taken >= MIN_FASTER and apart <= MAX_APART,
        )


def with_limits(n: int) -> Row:
    """Time an allocation with a capacity of each promotion and a floor of each of four groups."""
    import numpy as np

    from promolab import allocate

    value, cost = drawn(n)
    groups = np.random.default_rng(1).integers(0, 4, n)
    capacity = [int(n * share) for share in (0.02, 0.04, 0.06, 0.08, 0.03, 0.05, 0.07, 0.09)]
    floors = {str(group): int(n * share) for group, share in enumerate((0.11, 0.08, 0.1, 0.06))}
    begun = time.process_time()
    found = allocate(
        value, cost, budget=0.3 * n, capacity=capacity, groups=groups, floors=floors
    )  # fmt: skip
    taken = time.process_time() - begun
    return Row(
        f"allocate, 8 capacities and 4 floors, {n:,} × {PROMOTIONS}",
        f"gap ≤ {100 * MAX_GAP} %, ≤ {MAX_LIMITED_SECONDS:.0f} s",
        f"gap {100 * found.gap:.5f} %, {taken:.1f} s of processor time",
        found.gap <= MAX_GAP and taken <= MAX_LIMITED_SECONDS,
    )


def scaling(sizes: tuple[int, ...]) -> Row:
    """Time allocations of ten times as many customers each."""
    from promolab import allocate

    taken = []
    for n in sizes:
        value, cost = drawn(n)
        taken.append(seconds_of(partial(allocate, value, cost, budget=0.3 * n)))
        del value, cost
    growth = max(later / sooner for sooner, later in pairwise(taken))
    return Row(
        f"allocate, {sizes[0]:,} to {sizes[-1]:,} customers × {PROMOTIONS}",
        f"≤ {MAX_GROWTH:.0f} × per tenfold",
        f"{growth:.1f} × ({', '.join(f'{s:.2f} s' for s in taken)} of processor time)",
        growth <= MAX_GROWTH,
    )
