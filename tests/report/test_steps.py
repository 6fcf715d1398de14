"""What the step pages show: overviews, whom it compares, the alarm."""

from __future__ import annotations

from types import SimpleNamespace

import pandas as pd
import pytest

from promolab.report import steps


@pytest.fixture(scope="module")
def shop(small_shop):
    from promolab.sources import load_shop

    return load_shop(small_shop)


def test_events_are_counted_by_local_day(shop):
    overview = steps.data_overview(shop)
    events = shop.events.execute()
    local = events["ts"].dt.tz_localize("UTC").dt.tz_convert(shop.zone).dt.date
    assert overview.days["events"].sum() == len(events)
    assert (overview.first.date(), overview.last.date()) == (local.min(), local.max())
    span = (local.max() - local.min()).days + 1
    assert overview.missing == span - local.nunique()
    assert f"{len(events):,} events" in overview.summary()
    assert overview.plot().get_ylim()[0] == 0


def test_two_unlike_customers_are_the_ends_of_loyalty():
    profiles = pd.DataFrame(
        {"customer_id": [1, 2, 3, 4], "loyalty": [50.0, 90.0, 10.0, 90.0]}
    ).assign(interests=1.0, purchasing_power=1.0, habits=1.0)
    assert steps.two_unlike_customers(profiles) == (4, 3)


def backtest(auc: float, positives: int, pooled: float) -> SimpleNamespace:
    rows = pd.DataFrame({"promotion_id": [1], "auc": [auc], "positives": [positives]})
    return SimpleNamespace(by_promotion=rows, pooled=SimpleNamespace(auc=pooled))


@pytest.mark.parametrize(
    ("auc", "positives", "pooled", "alarm"),
    [
        (0.95, 100, 0.8, True),
        (0.95, 99, 0.8, False),
        (0.80, 500, 0.91, True),
        (0.90, 500, 0.90, False),
    ],
)
def test_too_good_an_auc_raises_the_alarm(auc, positives, pooled, alarm):
    assert steps.leakage_alarm(backtest(auc, positives, pooled)).startswith("Alarm") is alarm


def test_without_a_model_a_sentence_stands_for_the_figures():
    launch = SimpleNamespace(model=None, why="No response model yet: <too> few.", scores=None)
    assert steps.coefficients(launch).text == "<p>No response model yet: &lt;too&gt; few.</p>"
    assert "Nobody is ranked" in steps.explained(launch, None).text
