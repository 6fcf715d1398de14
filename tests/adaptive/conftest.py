"""A process that is known, small logs of it, and plans of it."""

import numpy as np
import pandas as pd
import pytest

from promolab.simulated import CustomerProcess

STATES = ["stock", "fatigue", "reference"]


@pytest.fixture(scope="session")
def process() -> CustomerProcess:
    """Nine states and four actions."""
    return CustomerProcess(levels=2)


@pytest.fixture(scope="session")
def log(process: CustomerProcess) -> pd.DataFrame:
    """Actions drawn evenly, twelve weeks."""
    return process.log(3_000, 12, seed=1)


@pytest.fixture(scope="session")
def skewed(process: CustomerProcess) -> pd.DataFrame:
    """Nearly always nothing."""
    return process.log(3_000, 12, np.array([0.85, 0.05, 0.05, 0.05]), seed=1)
