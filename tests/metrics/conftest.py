"""Simulated customers whose truth is known."""

import numpy as np
import pytest

PROMOTIONS = 5


def simulated(rng: np.random.Generator, customers: int) -> dict[str, np.ndarray]:
    """One to five rows per customer; what a customer is like shows in all of them."""
    cluster = np.repeat(np.arange(customers), rng.integers(1, 6, customers))
    n = len(cluster)
    taste = rng.normal(size=customers)[cluster]  # the score sees it
    hidden = rng.normal(size=customers)[cluster]  # the score does not
    group = rng.integers(0, PROMOTIONS, n)
    popular = np.linspace(-1.0, 1.0, PROMOTIONS)[group]
    probability = 1 / (1 + np.exp(1.6 - 1.1 * taste - 1.2 * hidden - popular))
    score = taste + 0.4 * popular + 0.5 * rng.normal(size=n)
    return {
        "y": rng.random(n) < probability,
        "score": np.round(score, 1),  # with ties
        "other": np.round(score + rng.normal(size=n), 1),
        "p": 0.8 / (1 + np.exp(1.6 - 1.1 * taste - popular)),  # too low, and blind to hidden
        "group": group,
        "cluster": cluster,
    }


@pytest.fixture
def rows(request: pytest.FixtureRequest) -> dict[str, np.ndarray]:
    """As many customers as the file says, drawn by its own seed."""
    return simulated(np.random.default_rng(request.module.SEED), request.module.CUSTOMERS)
