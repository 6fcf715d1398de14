"""Logs of decisions whose policies' value is known."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.table import Row, at_most, part, within

if TYPE_CHECKING:
    import pandas as pd

CONSISTENT, BIASED = ("ips", "snips", "dr", "sndr"), ("dm", "switch", "dros")
CLIPPED = "ips, clipped"


def drawn(rng: np.random.Generator, n: int) -> tuple[pd.DataFrame, np.ndarray, float, np.ndarray]:
    """Draw a log of four actions by customers who have several decisions and a level of their own.

    Parameters
    ----------
    rng : Generator
    n : int
        Decisions.

    Returns
    -------
    log : DataFrame
    policy : ndarray of shape (n, 4)
    truth : float
        The policy's value under the law by which customers and rewards (0 or 1) are drawn.
    behaviour : ndarray of shape (n, 4)
        The chances by which the log was drawn.
    """
    import pandas as pd

    customer = rng.integers(0, n // 2, n)
    level = rng.normal(size=n // 2) * 0.1
    x = rng.random(n)
    behaviour, policy, mean = _law(x)
    action = (rng.random(n)[:, None] > behaviour.cumsum(axis=1)).sum(axis=1).clip(0, 3)
    at = np.arange(n), action
    reward = (rng.random(n) < np.clip(mean[at] + level[customer], 0, 1)).astype(float)
    log = pd.DataFrame({"action": action, "reward": reward, "propensity": behaviour[at]})
    return log.assign(customer_id=customer), policy, truth(), behaviour


def _law(x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Chances of the one that acts and of the other, and mean rewards, shape (n, 4) each."""
    base = np.column_stack([1 - x, x, 0.5 * np.ones_like(x), 0.2 + 0.3 * x])
    acts, other = np.exp(2.5 * base), np.exp(-2.5 * base)
    mean = np.column_stack([0.5 + 0.1 * x, 0.6 - 0.1 * x, 0.45 + 0.1 * x, 0.5 + 0.0 * x])
    return acts / acts.sum(axis=1, keepdims=True), other / other.sum(axis=1, keepdims=True), mean


def truth() -> float:
    """Return the policy's value, worked out on a grid."""
    _, policy, mean = _law((np.arange(20_000) + 0.5) / 20_000)
    return float((policy * mean).sum(axis=1).mean())


def predicted(policy: np.ndarray) -> np.ndarray:
    """Return predictions that are wrong, and the same for everybody."""
    return np.tile([0.4, 0.7, 0.3, 0.5], (len(policy), 1))


def covered(draws: int, n: int, seed: int = 0) -> pd.DataFrame:
    """Return by estimator how often its ends hold the truth, its mean error, bound and noise."""
    import pandas as pd

    from promolab.metrics import policy_value

    rng, rows = np.random.default_rng(seed), []
    for _ in range(draws):
        log, policy, value, _ = drawn(rng, n)
        q = predicted(policy)
        for name in (*CONSISTENT, *BIASED, CLIPPED):
            limit = 2.0 if name == CLIPPED else None
            found = policy_value(log, policy, q, name.partition(",")[0], limit=limit)
            inside = found.ci_low <= value <= found.ci_high
            rows.append((name, inside, found.value - value, found.bias_bound, found.std_error))
    frame = pd.DataFrame(rows, columns=["name", "inside", "error", "bound", "noise"])
    return frame.groupby("name").mean()


@part("metrics", "policies valued from a thousand logs", quick={"draws": 200})
def off_policy(draws: int = 1_000, n: int = 1_000) -> Iterator[Row]:
    """Yield whether intervals hold the truth as often as they say, and biases stay in bounds."""
    found, what = covered(draws, n), f"off-policy values, {draws:,} logs of {n:,} decisions: "
    yield within(f"{what}95 % intervals hold", found.loc[[*CONSISTENT], "inside"], 0.92, 0.98, "%")
    rest = found.loc[[*BIASED, CLIPPED]]
    yield at_most(f"{what}error of the biased", rest["error"].abs() / rest["bound"], 1, "× bound")
