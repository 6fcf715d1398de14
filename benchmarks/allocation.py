"""Allocation: the whole frontier's time and memory, HiGHS beside it, limits, and how it scales."""

from __future__ import annotations

import statistics
import time
import tracemalloc
from collections.abc import Callable, Iterator
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np

from benchmarks.table import Row, at_least, at_most, part
from promolab.policy import allocate

CUSTOMERS, PROMOTIONS = 1_000_000, 8
KINDS = ("any", "zero costs", "ties", "duplicates", "dominated")


@part("policy", "allocations", quick={"n": 200_000, "small": 2_000, "sizes": (20_000, 200_000)})
def allocations(
    n: int = CUSTOMERS,
    small: int = 20_000,
    sizes: tuple[int, ...] = (100_000, 1_000_000, 10_000_000),
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
    elif kind == "in line":
        value = cost * rng.choice([1.0, 2.0], (n, 1))
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
    value, cost = drawn(n)
    taken = seconds_of(partial(allocate, value, cost, budget=0.3 * n))
    tracemalloc.start()
    allocate(value, cost, budget=0.3 * n)
    peak = tracemalloc.get_traced_memory()[1] / (value.nbytes + cost.nbytes)
    tracemalloc.stop()
    what = f"allocate, whole frontier, {n:,} × {PROMOTIONS}, memory ≤ 3 × the input"
    return at_most(what, taken, 1, "s of processor", f"{peak:.1f} ×", also=peak <= 3)


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
    for kind in KINDS:
        value, cost = drawn(n, kind)
        budget = 0.3 * n
        taken = seconds_of(partial(allocate, value, cost, budget=budget), 7)
        begun = time.process_time()
        best = linear_program(value, cost, budget)
        theirs = time.process_time() - begun
        apart = abs(allocate(value, cost, budget=budget).upper_bound / best - 1)
        # Ties and free options leave HiGHS little to do after its presolve.
        what = f"allocate, HiGHS's linear program, {n:,} × {PROMOTIONS}, {kind}, same value to 1e-9"
        told = f"{1000 * taken:.0f} ms, {theirs:.1f} s, {apart:.1e} apart"
        yield at_least(what, theirs / taken, 500, "× faster", told, also=apart <= 1e-9)


def with_limits(n: int) -> Row:
    """Time an allocation with a capacity of each promotion and a floor of each of four groups."""
    value, cost = drawn(n)
    groups = np.random.default_rng(1).integers(0, 4, n)
    capacity = [int(n * share) for share in (0.02, 0.04, 0.06, 0.08, 0.03, 0.05, 0.07, 0.09)]
    floors = {str(group): int(n * share) for group, share in enumerate((0.11, 0.08, 0.1, 0.06))}
    limits: dict[str, Any] = {"capacity": capacity, "groups": groups, "floors": floors}
    begun = time.process_time()
    found = allocate(value, cost, budget=0.3 * n, **limits)
    taken = time.process_time() - begun
    what = f"allocate, 8 capacities and 4 floors, {n:,} × {PROMOTIONS}, gap ≤ 0.1 %"
    told = f"gap {found.gap:.5%}"
    return at_most(what, taken, 15, "s of processor", told, also=found.gap <= 0.001)


def scaling(sizes: tuple[int, ...]) -> Row:
    """Time allocations of ten times as many customers each."""
    taken = []
    for n in sizes:
        value, cost = drawn(n)
        taken.append(seconds_of(partial(allocate, value, cost, budget=0.3 * n)))
        del value, cost
    growth = [later / sooner for sooner, later in pairwise(taken)]
    what = f"allocate, {sizes[0]:,} to {sizes[-1]:,} customers × {PROMOTIONS}, per tenfold"
    return at_most(what, growth, 12, "×", ", ".join(f"{s:.2f} s" for s in taken))
