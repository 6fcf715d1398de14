"""Made-up experiments whose effects are known."""

import numpy as np
import pandas as pd
from scipy.special import expit

from promolab.contract import Experiment

ARMS = ("none", "coupon", "mail")


def frame(n: int, seed: int = 0, rounds: int = 1, binary: bool = False) -> pd.DataFrame:
    """Rows with the outcome under each arm (y_none, y_coupon, y_mail) and the effects' truth.

    A coupon adds 0.5 + 0.4 · orders, a mail 0.2 − 0.3 · age; customers differ in their level.
    """
    rng = np.random.default_rng(seed)
    customers = -(-n // rounds)
    customer = np.repeat(np.arange(customers), rounds)[:n]
    rows = pd.DataFrame({"customer_id": customer})
    for name in ("orders", "age", "visits"):
        rows[name] = rng.normal(size=customers)[customer]
    rows["town"] = rng.choice(["east", "north", "west"], customers)[customer]
    rows["household"] = customer // 2
    level = rng.normal(size=customers)[customer]
    base = 2 + rows["orders"] + 0.5 * rows["visits"] + level
    rows["effect_coupon"] = 0.5 + 0.4 * rows["orders"]
    rows["effect_mail"] = 0.2 - 0.3 * rows["age"]
    for arm in ARMS:
        y = base + rows.get(f"effect_{arm}", 0.0) + rng.normal(size=n)
        rows[f"y_{arm}"] = (y > 2.5).astype(float) if binary else y
    rows["before"] = base + rng.normal(size=n)
    rows["round"] = rng.integers(0, rounds, n).astype(str)
    return rows


def assign(rows: pd.DataFrame, chances: np.ndarray, seed: int = 1) -> pd.DataFrame:
    """Draw an arm for each row and show its outcome alone."""
    rng = np.random.default_rng(seed)
    arm = (rng.random(len(rows))[:, None] > chances.cumsum(axis=1)[:, :-1]).sum(axis=1)
    outcomes = rows[[f"y_{name}" for name in ARMS]].to_numpy()
    y = outcomes[np.arange(len(rows)), arm]
    return rows.assign(arm=np.asarray(ARMS, dtype=object)[arm], y=y)


def of(rows: pd.DataFrame, *covariates: str, **how) -> Experiment:
    """The rows as an experiment on y; a chance that is one figure is that of none and coupon."""
    if isinstance(how.get("propensity"), float):
        how["propensity"] = np.full((len(rows), 2), how["propensity"])
        how["arms"] = ["none", "coupon"]
    return Experiment(rows, "arm", "none", [*covariates], ["y"], **how)


def trial(n: int = 3_000, seed: int = 0, chances=None, stated=None, **how) -> Experiment:
    """A randomised experiment of three arms; ``stated`` chances are those it was drawn with."""
    rows = frame(n, seed, how.pop("rounds", 1), how.pop("binary", False))
    chances = np.tile([0.4, 0.3, 0.3], (n, 1)) if chances is None else chances
    rows = assign(rows, chances, seed + 1)
    how = {"covariates": ["orders", "age", "visits", "town"], "placebo": ["before"]} | how
    return Experiment(
        rows, "arm", "none", outcomes=["y"], propensity=chances if stated is None else stated, **how
    )


def targeted_chances(rows: pd.DataFrame, strength: float = 1.0) -> np.ndarray:
    """Two arms and the mail that nobody gets: who orders more gets the coupon more often."""
    coupon = expit(strength * rows["orders"].to_numpy())
    return np.column_stack([1 - coupon, coupon, np.zeros(len(rows))])
