"""What a holdout sees once earlier sales are allowed for: by hand, and as the read-out has it."""

import math

import numpy as np
import pandas as pd
import pytest

from promolab.abtest import smallest_effect
from promolab.campaign.past.outcomes import earlier_span, sales_spread, visible_effect
from tests.made_up import shop_of

DAY = pd.Timedelta(days=1)
NOW = pd.Timestamp("2021-03-01")
ROW = {"starts_at": NOW + 3 * DAY, "ends_at": NOW + 59 * DAY}


def shop(windows: np.ndarray):
    """Return a shop whose customers spent so much in each window of 56 days, the latest first."""
    k, n = windows.shape
    rows = [
        pd.DataFrame({"customer_id": range(n), "amount": window, "ts": NOW - (56 * i + 10) * DAY})
        for i, window in enumerate(windows)
    ]
    events = pd.concat([*rows, rows[0].assign(amount=9e6, ts=NOW + DAY)]).assign(kind="purchase")
    first = events.head(1).assign(customer_id=-1, amount=0.0, ts=NOW - 56 * k * DAY)
    return shop_of({"events": pd.concat([events, first])})


def spent(k=4):
    rng = np.random.default_rng(0)
    return (rng.gamma(1.2, 150.0, 400) * rng.gamma(9.0, 1 / 9, (k, 400))).round(2)


def test_the_spread_and_what_earlier_sales_leave_of_it_by_hand_and_without_them() -> None:
    windows = spent()
    found = sales_spread(shop(windows), NOW.to_pydatetime(), ROW, pd.Series(range(400)))
    assert found.sd == pytest.approx(math.sqrt(np.mean([w.var(ddof=1) for w in windows[:3]])))
    r = [np.corrcoef(windows[i], windows[i + 1])[0, 1] for i in range(3)]
    left = [(1 - r[i] ** 2) * windows[i].var(ddof=1) * 399 / 398 for i in range(3)]
    assert found.adjusted == pytest.approx(math.sqrt(np.mean(left))) and found.correlation > 0.7
    known, now = shop(spent(1)), NOW.to_pydatetime()
    found = sales_spread(known, now, ROW, pd.Series(range(400)))
    assert found.correlation == 0 and found.adjusted == found.sd > 0
    long = {"starts_at": NOW, "ends_at": NOW + 999 * DAY}
    assert math.isnan(sales_spread(known, now, long, pd.Series([1, 2, 3])).sd)
    assert math.isnan(sales_spread(known, now, ROW, pd.Series([1])).sd)
    same = sales_spread(shop(np.ones((4, 50))), NOW.to_pydatetime(), ROW, pd.Series(range(50)))
    assert same.sd == same.adjusted == 0


def test_eight_weeks_at_least_are_allowed_for_and_what_is_seen_is_the_tests_own_formula() -> None:
    low, high = earlier_span(NOW.to_pydatetime(), 7 * DAY.to_pytimedelta())
    assert high == NOW and (high - low).days == 56
    assert (high - earlier_span(NOW.to_pydatetime(), 70 * DAY.to_pytimedelta())[0]).days == 70
    assert visible_effect(900, 100, 50.0) == smallest_effect(900, 100, sd=50.0)
    for contacts, held, sd in [(0, 5, 1.0), (5, 0, 1.0), (5, 5, 0.0), (5, 5, math.nan)]:
        assert math.isnan(visible_effect(contacts, held, sd))
