"""New, returning, lapsed and without history: who is where, and what they bring."""

import numpy as np
import pandas as pd
import pytest

from promolab.profiles import life_stages
from promolab.profiles.lifecycle import STAGES, lapse_days
from promolab.profiles.lifetime import CustomerValue
from promolab.stats import part_of_total
from tests.refused import refused


def frame(**columns) -> pd.DataFrame:
    table = pd.DataFrame(columns)
    table.insert(0, "customer_id", range(len(table)))
    return table


def test_the_first_order_tells_the_new_and_the_shops_own_rhythm_the_lapsed() -> None:
    features = frame(
        orders=[1, 1, 2, 2, 5, 3, 0],
        recency_days=[28.0, 28.1, 1.0, 1.0, 20.0, 85.0, None],
        days_between_orders=[None, None, 27.0, 27.1, 2.0, 30.0, None],
    )
    stages = life_stages(features).stages["stage"].tolist()
    assert stages == [*("New", "Returning", "New", "Returning", "New", "Lapsed", "Without history")]
    days = np.linspace(1, 50, 60)
    told = lapse_days(frame(orders=[3] * 60, days_between_orders=days))
    assert told == (49, 60, np.quantile(days, 0.95))  # whole weeks
    limit, regulars, pause = lapse_days(frame(orders=[2] * 60, days_between_orders=days))
    assert (limit, regulars) == (84, 0) and np.isnan(pause)
    for gap, limit in ((1.0, 28), (900.0, 364)):
        assert lapse_days(frame(orders=[3] * 60, days_between_orders=gap))[0] == limit


def test_everybody_is_in_one_stage_and_sales_add_up() -> None:
    rng, n = np.random.default_rng(0), 400
    scales = {"recency_days": 60, "days_between_orders": 20, "amount": 50, "amount_28d": 5}
    features = frame(**{name: rng.exponential(scale, n) for name, scale in scales.items()})
    features["orders"] = rng.integers(0, 9, n)
    features.loc[features["orders"] == 0, ["amount", "amount_28d"]] = 0
    found = life_stages(features, customers=range(n + 30))
    table = found.to_frame().set_index("stage")
    assert tuple(table.index) == STAGES
    assert table["customers"].sum() == found.customers == n + 30 == len(found.assignments())
    assert found.assignments()["customer_id"].is_unique
    for share in ("share_customers", "share_sales", "share_sales_28d"):
        assert table[share].sum() == pytest.approx(1)
        told = table[table[f"{share}_low"].notna()]
        assert told[share].between(told[f"{share}_low"], told[f"{share}_high"]).all()
    # Whoever has not ordered has no sales by definition: that has no interval.
    assert table.loc["Without history", "share_sales"] == 0
    assert np.isnan(table.loc["Without history", "share_sales_high"])
    counts = found.stages["stage"].value_counts()
    assert counts.reindex(STAGES).tolist() == table["customers"].tolist()


def test_a_short_history_missing_sales_and_nobody_are_said() -> None:
    found = life_stages(frame(orders=[1, 2], recency_days=[3.0, 9.0]))
    assert "Orders reach back only 9 days" in found.summary()
    assert found.by_stage["share_sales"].isna().all()
    assert "nan" not in found.summary()
    found.plot()
    refused("no column 'recency_days'", life_stages, frame(orders=[1]))
    found = life_stages(frame(orders=[0, 0], recency_days=[None, None]), customers=[5])
    assert found.by_stage.set_index("stage").loc["Without history", "customers"] == 3
    assert "new 0" in found.summary()


def test_the_interval_of_a_share_of_sales_is_that_of_a_part_of_a_total() -> None:
    rng = np.random.default_rng(1)
    new, sales = rng.random(400) < 0.3, rng.lognormal(0, 0.5, 400)
    _, low, _ = part_of_total(sales, np.column_stack([new, ~new]).astype(float))
    days = np.where(new, 5.0, 40.0)
    last = frame(orders=np.ones(400), recency_days=days, amount_28d=sales)
    shown = life_stages(last).by_stage["share_sales_28d_low"].iloc[0]
    assert shown == pytest.approx(low[0], rel=1e-12)


def test_customers_lapse_by_their_own_rhythm() -> None:
    features = frame(orders=[40, 40, 5, 5, 3], recency_days=[27.0, 31.0, 150.0, 190.0, 100.0])
    features["days_between_orders"] = [5.0, 5.0, 60.0, 60.0, 30.0]
    told = pd.DataFrame({"customer_id": range(5), "usual_days": [5.0, 5.0, 60.0, 60.0, 900.0]})
    told["orders"] = [40, 40, 5, 5, 2]  # of the last one the shop's rhythm is known alone
    worth = CustomerValue(told, told, told, False, 0.0)
    found = life_stages(features, value=worth)
    # Three times five days are less than four weeks.
    stages = found.stages["stage"].tolist()
    assert stages == ["Returning", "Lapsed", "Returning", "Lapsed", "Lapsed"]
    assert found.own_rhythm
    assert "own rhythm" in found.by_stage.set_index("stage").loc["Lapsed", "meaning"]
    plain = life_stages(features, value="Not shown: there is none.")
    assert not plain.own_rhythm and plain.lapse_days == 84
    assert plain.stages["stage"].tolist()[:2] == ["Returning", "Returning"]


def test_a_stage_of_too_few_is_shown_with_its_neighbour() -> None:
    orders, recency = [1] * 5 + [3] * 25 + [0], [9.0] * 5 + [30.0] * 14 + [200.0] * 11 + [np.nan]
    found = life_stages(frame(orders=orders, recency_days=recency), least=10)
    assert found.by_stage["stage"].tolist() == ["New, Returning", "Lapsed, Without history"]
    assert found.by_stage["customers"].tolist() == [19, 12]
    assert found.stages["stage"].value_counts()["New"] == 5  # the house's own table keeps it
    assert "new or returning 19 (61 %" in found.summary()
    assert (
        found.plot()
        .get_title("left")
        .startswith("39 % [24, 56] of customers are lapsed or without")
    )
    assert "New or returning</td>" in found.to_table().text
