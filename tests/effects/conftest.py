"""An experiment of two rounds and the model fitted on it, for all that only read them."""

import pytest

from promolab.effects.model import UpliftModel
from tests.effects.made_up import trial


@pytest.fixture(scope="session")
def experiment():
    return trial(3_000, seed=11, rounds=2, block="round")


@pytest.fixture(scope="session")
def model(experiment):
    return UpliftModel().fit(experiment)
