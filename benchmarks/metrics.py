"""How fast measures of a prediction and of an effect are, and whether intervals hold the truth."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.models import seconds
from benchmarks.processes import ROOT, pytest_row
from benchmarks.table import Row, at_most, part, within

if TYPE_CHECKING:
    import pandas as pd

ROWS, CUSTOMERS = 1_000_000, 250_000
DRAWS = 2_000
ASKS = ("tests.draws import", "PROMOLAB_DRAWS")
"""What a file of tests has in it that takes more draws where it is asked to."""


@part("metrics", "AUC against scikit-learn", quick={})
def auc_against_scikit_learn() -> Iterator[Row]:
    """Time AUC, curve and DeLong's interval against scikit-learn's AUC alone."""
    from sklearn.metrics import roc_auc_score

    from promolab.metrics import roc

    rng = np.random.default_rng(0)
    cluster = rng.integers(0, CUSTOMERS, ROWS)
    p = 1 / (1 + np.exp(3.5 - rng.normal(size=ROWS)))
    y = rng.random(ROWS) < p
    calls = {
        "rows independent": lambda: roc(y, p),
        f"{CUSTOMERS:,} customers": lambda: roc(y, p, cluster),
    }
    took = seconds({"alone": lambda: roc_auc_score(y, p), **calls}, 7)
    same, alone = abs(roc(y, p).auc - roc_auc_score(y, p)) < 1e-12, took["alone"]
    for name in calls:
        what = f"AUC + DeLong interval, {ROWS:,} rows, {name}, same AUC"
        told = f"{took[name]:.2f} s against {alone:.2f} s"
        yield at_most(what, took[name] / alone, 0.8, "× roc_auc_score", told, also=same)


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
    took = seconds(
        {
            "plain": lambda: sort_and_sum(y, treated, score),
            "mine": lambda: qini(y, treated, score),
            "clustered": lambda: qini(y, treated, score, cluster=cluster),
        },
        7,
    )
    plain, mine, clustered = took.values()
    same = abs(qini(y, treated, score).qini - sort_and_sum(y, treated, score)) < 1e-9
    what = f"Qini with interval and band, {ROWS:,} rows"
    told, unit = f"{mine:.2f} s against {plain:.2f} s", "× sorting and summing"
    yield at_most(f"{what}, same figure", mine / plain, 2, unit, told, also=same)
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


# --- policies valued from logs --------------------------------------------------------------------

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
