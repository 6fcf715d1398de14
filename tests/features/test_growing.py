"""An experiment that grows round by round is the one that is made at once."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from promolab.errors import InputError
from promolab.features import decisions_experiment
from promolab.sources import simulated


@pytest.fixture(scope="module")
def shop() -> Any:
    return simulated(customers=150, weeks=15, variant="weekly")


def test_rounds_added_one_by_one_are_those_made_at_once(shop: Any) -> None:
    moments = sorted(shop.decisions.ts.execute().unique())
    whole = decisions_experiment(shop, by="kind", early=True)
    weeks = sorted(whole.frame["ts"].unique())
    assert len(weeks) > 3
    as_of = pd.Timestamp(moments[0]) + pd.Timedelta(weeks=8)
    kept = decisions_experiment(shop, by="kind", early=True, as_of=as_of)
    grown = decisions_experiment(shop, by="kind", early=True, kept=kept)
    assert kept.n < grown.n == whole.n
    pd.testing.assert_frame_equal(grown.frame[list(whole.frame)], whole.frame)
    np.testing.assert_array_equal(grown.propensity, whole.propensity)
    assert grown.arms == whole.arms and grown.covariates == whole.covariates
    assert decisions_experiment(shop, by="kind", early=True, kept=grown) is grown
    with pytest.raises(InputError, match="kept has other outcomes"):  # asked otherwise
        decisions_experiment(shop, by="kind", early=True, outcomes=["sales"], kept=kept)
