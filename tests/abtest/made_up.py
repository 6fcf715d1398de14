"""Experiments of known truth, many at once: each draw is a segment of one table."""

import numpy as np
import pandas as pd

TRUE_SPEND = 0.8 * 20 + 10  # of the control


def shop(n: int, seed: int = 0, arms: tuple[str, ...] = ("control", "mail", "coupon")):
    """Return customers with spend before, spend, orders, whether they bought, and a household."""
    rng = np.random.default_rng(seed)
    before = rng.gamma(2.0, 10.0, n)
    arm = rng.choice(np.array(arms), n)
    rows = pd.DataFrame({"customer_id": np.arange(n), "arm": arm, "before": before})
    rows["spend"] = 0.7 * before + rng.gamma(1.0, 10.0, n) + 2.0 * (arm == arms[1])
    rows["orders"], rows["bought"] = rng.poisson(1.5, n), rng.random(n) < 0.1
    return rows.assign(home=rng.integers(0, n // 3, n))


def experiments(count: int, n: int, seed: int = 0, lift: float = 0.1) -> pd.DataFrame:
    """Return ``count`` experiments of ``n`` customers each, three arms; ``mail`` has the lift.

    A customer's gains multiply: true relative lift of spend ``lift``, of spend per order 0 (orders
    and spend grow alike), of the share who bought ``lift``.
    """
    rng = np.random.default_rng(seed)
    size = count * n
    before = rng.gamma(1.0, 20.0, size)
    arm = rng.choice(np.array(["control", "mail", "coupon"]), size, p=[0.4, 0.4, 0.2])
    more = 1 + lift * (arm == "mail")
    orders = rng.poisson(2.0 * more)
    spend = (0.8 * before + rng.gamma(1.0, 10.0, size)) * more
    draw = np.repeat(np.arange(count), n).astype(str)
    rows = pd.DataFrame({"customer_id": np.arange(size), "draw": draw, "arm": arm})
    rows["before"], rows["spend"], rows["orders"] = before, spend, orders
    revenue = orders * rng.gamma(4.0, 5.0, size)
    return rows.assign(revenue=revenue, bought=rng.random(size) < 0.2 * more)


def past(n: int = 6000, seed: int = 0) -> pd.DataFrame:
    """Return one row per customer of a time in which nothing was tested."""
    rng = np.random.default_rng(seed)
    rows = pd.DataFrame({"household": rng.integers(0, n // 2, n)})
    rows["x"] = rng.gamma(1, 20, n) + 10 * rng.standard_normal(n // 2)[rows["household"]]
    rows["y"], rows["orders"] = 0.7 * rows["x"] + rng.gamma(1, 15, n), rng.poisson(2, n) + 0.0
    return rows.assign(spend=rows["orders"] * rng.gamma(4, 5, n), bought=rows["y"] > 40)
