"""What a list brings: its chances, corrected by what past promotions brought of theirs."""

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from promolab.campaign.outlook.expected import expected_of, list_outlook
from promolab.compare.backtest import Backtest, expected_responses, run_backtest
from promolab.metrics.pooling import PastRatios, past_ratios
from promolab.wording import expected

RATIOS = past_ratios([24, 20, 9, 30, 20, 6], [30.0, 40.0, 25.0, 40.0, 40.0, 20.0])


@pytest.fixture(scope="module")
def backtest() -> Backtest:
    empty = pd.DataFrame(
        columns=["customer_id", "promotion_id", "starts_at", "ends_at", "label_complete"]
    )
    return replace(run_backtest(empty.assign(redeemed=[])), past_ratios=RATIOS)


@pytest.fixture(scope="module")
def scores() -> pd.DataFrame:
    p = np.random.default_rng(0).beta(1, 6, 200)
    return pd.DataFrame({"customer_id": range(200), "promotion_id": "P", "p_redeemed": p}).assign(
        support=np.where(np.arange(200) % 4, "inside", "new_customer")
    )


def test_a_list_brings_its_chances_times_what_past_ones_brought(scores, backtest) -> None:
    ranked = scores["p_redeemed"].sort_values(ascending=False).to_numpy()
    found = list_outlook(scores, backtest, 40, sizes=[10, 40, 10_000])
    table = found.rows.set_index("customers")
    assert list(table.index) == [10, 40, 200]
    sums = [ranked[:n].sum() for n in table.index]
    np.testing.assert_allclose(table["expected"], np.array(sums) * 109 / 195)
    assert (table["ci_high"] <= table.index).all() and table["inside"].between(0, 1).all()
    assert (table["ci_low"] < table["expected"]).all()
    assert "If the 40 likeliest are contacted" in found.summary()
    assert found.plot().get_title(loc="left") and "90 % intervals" in found.say("interval_note")


def test_one_level_never_more_than_the_list_and_no_interval_without_past_promotions() -> None:
    chances = pd.Series([0.2] * 100)
    found = expected_of(chances, RATIOS)
    same = expected_responses(20.0, RATIOS, 0.9)
    assert (found.value, found.ci_low, found.n) == (same.value, same.ci_low, 6)
    more = past_ratios([30, 45, 60, 50], [20.0, 30.0, 40.0, 30.0])
    sure = expected_of(pd.Series([0.99] * 5), more)
    assert sure.value == sure.ci_high == 5.0
    assert expected_of(chances.sample(frac=1, random_state=1), RATIOS) == found
    nobody = expected_of(chances.head(0), RATIOS)
    assert nobody.value == nobody.ci_high == 0.0
    found = expected_of(pd.Series([0.5, 0.5]), PastRatios.of(None))
    assert found.value == 1.0 and math.isnan(found.ci_low) and found.n == 0
    assert expected(found.value, found.ci_low, found.ci_high) == "1"
