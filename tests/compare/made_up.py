"""Pairs whose responses follow from known features, and a model that is hard to please."""

import numpy as np
import pandas as pd

from promolab.errors import InputError

WEEK = pd.Timedelta(weeks=1)
START = pd.Timestamp("2017-01-02")


def pairs_of(
    weights, promotions, n, *, every=2, weeks=3, running=0, intercept=-1.0, seed=0
) -> pd.DataFrame:
    """Return promotions p0, p1, … to the same n customers.

    They start `every` so many weeks and last `weeks`; the last `running` are not over. Features are
    normal, with these weights in the log odds, by which promotions differ, too.
    """
    rng = np.random.default_rng(seed)
    k = np.repeat(np.arange(promotions), n)
    X = pd.DataFrame(rng.normal(size=(len(k), len(weights))), columns=list(weights))
    logit = intercept + X @ np.array([*weights.values()]) + rng.normal(0, 0.3, promotions)[k]
    return X.assign(
        customer_id=np.tile(np.arange(n), promotions),
        promotion_id=[f"p{i}" for i in k],
        starts_at=START + every * WEEK * k,
        ends_at=START + every * WEEK * k + weeks * WEEK,
        label_complete=k < promotions - running,
        redeemed=(rng.uniform(size=len(k)) < 1 / (1 + np.exp(-logit))).astype(int),
    )


class Picky:
    """Learns only from as many rows as it likes."""

    def __init__(self, least: int) -> None:
        self.least = least

    def fit(self, X: pd.DataFrame, y: np.ndarray) -> "Picky":
        if len(X) < self.least:
            raise InputError("too few rows for me")
        return self

    def predict_proba(self, X: pd.DataFrame) -> np.ndarray:
        return np.tile([0.7, 0.3], (len(X), 1))
