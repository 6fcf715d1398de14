"""The shop's days, weeks and cohorts against plain pandas, and what they say of odd shops."""

from datetime import datetime

import numpy as np
import pandas as pd
import pytest

from promolab.results import plain
from promolab.sales import YEAR, data_overview, monthly_cohorts, weekly_sales
from promolab.sources import load_shop
from tests.drawn import bars_of
from tests.made_up import shop_of
from tests.refused import refused
from tests.wording_lint import nonsense

NOW = pd.Timestamp("2021-03-01")  # a Monday
DAY = pd.Timedelta(days=1)


@pytest.fixture(scope="module")
def events() -> pd.DataFrame:
    """Orders of two lines each over two years, some of which come back."""
    rng = np.random.default_rng(0)
    n = 3000
    table = pd.DataFrame({"customer_id": rng.integers(0, 150, n), "order_id": np.arange(n)})
    table["ts"] = NOW - DAY * rng.uniform(-20, 760, n)
    table = pd.concat([table, table], ignore_index=True)
    table["amount"] = rng.uniform(1, 50, len(table)).round(2)
    back = table.sample(200, random_state=1).assign(kind="return")
    back["ts"] += 9 * DAY
    return pd.concat([table.assign(kind="purchase"), back], ignore_index=True)


@pytest.fixture(scope="module")
def shop(events):
    return shop_of({"events": events}, currency="EUR")


def test_weeks_are_those_of_plain_pandas(events, shop) -> None:
    found = weekly_sales(shop, NOW.to_pydatetime())
    rows = events[events["ts"] < NOW]
    ago = (NOW - rows["ts"].dt.normalize()).dt.days.sub(1) // 7
    signed = rows["amount"].where(rows["kind"] == "purchase", -rows["amount"])
    bought = rows[rows["kind"] == "purchase"]
    first = bought.assign(ago=ago).groupby("customer_id")["ago"].max()
    for week in (0, 1, 17, YEAR, 100):
        mine = bought[ago[bought.index] == week]
        assert found.at("sales", week) == pytest.approx(signed[ago == week].sum())
        assert found.at("orders", week) == mine["order_id"].nunique()
        who = mine["customer_id"].unique()
        assert found.at("customers", week) == len(who)
        assert found.at("repeat_customers", week) == (first.loc[who] > week).sum()
    change = found.at("sales") / found.at("sales", YEAR) - 1
    assert found.change("sales", YEAR) == pytest.approx(change)
    four = [sum(found.at("sales", k) for k in range(at, at + 4)) for at in (0, 4, YEAR)]
    words = [f"{abs(four[0] / other - 1):.0%}".replace("%", " %") for other in four[1:]]
    assert all(part in found.trend_sentence() for part in words)
    assert found.weeks["ago"].is_monotonic_increasing and found.at("sales", 0) > 0
    # A week that the data cover in part is none.
    assert found.weeks["first_day"].min() >= events["ts"].min().date()


def test_sales_per_order_and_repeat_rate_have_their_intervals(events, shop) -> None:
    found = weekly_sales(shop, NOW.to_pydatetime())
    assert found.basket.value == pytest.approx(found.at("sales") / found.at("orders"))
    assert found.basket.ci_low < found.basket.value < found.basket.ci_high
    # Half a width is 1.96 standard errors, those of the jackknife over customers.
    last = events[(events["ts"] < NOW) & (events["ts"] >= NOW - 7 * DAY)]
    signed = last["amount"].where(last["kind"] == "purchase", -last["amount"])
    amount = signed.groupby(last["customer_id"]).sum()
    bought = last[last["kind"] == "purchase"].groupby("customer_id")["order_id"].nunique()
    orders = bought.reindex(amount.index, fill_value=0)
    without = (amount.sum() - amount) / (orders.sum() - orders)
    error = np.sqrt((len(without) - 1) * without.var(ddof=0))
    half = (found.basket.ci_high - found.basket.ci_low) / 2
    assert half == pytest.approx(1.96 * error, rel=0.1)
    assert found.repeat_rate.n == found.at("customers")


def test_a_later_row_changes_no_week(events, shop) -> None:
    kept = weekly_sales(shop_of({"events": events[events["ts"] < NOW]}), NOW.to_pydatetime()).weeks
    pd.testing.assert_frame_equal(kept, weekly_sales(shop, NOW.to_pydatetime()).weeks)


@pytest.mark.parametrize(
    ("days", "words", "sold"),
    [
        ([3], "no whole week", None),
        ([60, 20], "Nothing was sold", 0.0),
        ([9, 3], "1 order by 1 customer", 5.0),
    ],
)
def test_a_few_rows_are_sentences(days, words, sold) -> None:
    rows = pd.DataFrame({"customer_id": "A", "ts": [NOW - d * DAY for d in days], "amount": 5.0})
    found = weekly_sales(shop_of({"events": rows.assign(kind="purchase")}), NOW.to_pydatetime())
    assert words in found.summary() and plain(found.at("sales")) == sold
    assert nonsense(f"{found.summary()}\n{found.trend_sentence()}") == []


def test_cohorts_are_those_of_plain_pandas(events, shop) -> None:
    found = monthly_cohorts(shop, NOW.to_pydatetime())
    bought = events[(events["kind"] == "purchase") & (events["ts"] < NOW)]
    month = bought["ts"].dt.to_period("M")
    first = month.groupby(bought["customer_id"]).transform("min")
    wanted = bought.assign(month=month, first=first)
    for row in found.months.head(40).to_dict("records"):
        cohort = pd.Period(row["cohort"], "M")
        mine = wanted[wanted["first"] == cohort]
        assert row["customers"] == mine["customer_id"].nunique()
        active = mine[mine["month"] == cohort + row["after"]]["customer_id"].nunique()
        assert row["active"] == active and row["share"] == active / row["customers"]
    assert (found.months["share_low"] <= found.months["share"]).all()
    # March has only begun, and February is the last month that is over.
    months = [pd.Period(c, "M") + k for c, k in found.months[["cohort", "after"]].to_numpy()]
    assert not months or max(months) <= pd.Period("2021-02", "M")


def test_new_customers_that_come_back_are_a_sentence() -> None:
    new = pd.DataFrame({"customer_id": range(80), "ts": pd.Timestamp("2021-01-10")})
    old = pd.DataFrame({"customer_id": range(100, 140), "ts": pd.Timestamp("2020-11-30")})
    again = new.head(20).assign(ts=pd.Timestamp("2021-02-03"))
    shop = shop_of({"events": pd.concat([old, new, again]).assign(kind="purchase")})
    found = monthly_cohorts(shop, datetime(2021, 3, 1))
    assert "Of 80 new customers of January 2021, 25 % [17, 35] ordered again" in found.summary()
    nothing = monthly_cohorts(shop, datetime(2020, 12, 2))
    assert "cannot be told yet" in nothing.summary()
    refused("nothing to draw: No month", nothing.plot)


def test_thirteen_weeks_with_margin_and_the_calendars_events(events, shop) -> None:
    days = {"starts_at": [NOW - 5 * DAY, NOW + DAY], "ends_at": [NOW - 4 * DAY, NOW + 2 * DAY]}
    frames = {"events": events, "calendar": pd.DataFrame({"name": ["11.11", "later"], **days})}
    found = weekly_sales(shop_of(frames, currency="EUR", margin_rate=0.4), NOW.to_pydatetime())
    assert found.assumed_rate is None and found.events_of(0) == ["11.11"]
    assert found.at("margin", 3) == pytest.approx(0.4 * found.at("sales", 3))
    assert found.sales_sentence().endswith("In the calendar: 11.11 (that week).")
    drawn = found.plot()
    heights = [bar.get_height() for bar in bars_of(drawn)]
    assert heights == pytest.approx([found.at("sales", ago) for ago in range(12, -1, -1)])
    assert [t.get_text() for t in drawn.texts].count("11.11") == 1
    dashes = drawn.lines[1].get_ydata()
    assert dashes.tolist() == pytest.approx([found.at("sales", 64 - k) for k in range(13)])
    assumed = weekly_sales(shop, NOW.to_pydatetime())
    assert assumed.assumed_rate == 0.25 and "assumed: 25 %" in assumed.block().text
    assert assumed.at("margin", 1) == pytest.approx(0.25 * assumed.at("sales", 1))


def test_events_are_counted_by_local_day(small_shop) -> None:
    shop = load_shop(small_shop)
    overview, rows = data_overview(shop), shop.events.execute()
    local = rows["ts"].dt.tz_localize("UTC").dt.tz_convert(shop.zone).dt.date
    assert overview.days["events"].sum() == len(rows)
    assert (overview.first.date(), overview.last.date()) == (local.min(), local.max())
    assert overview.missing == (local.max() - local.min()).days + 1 - local.nunique()
    assert f"{len(rows):,} events" in overview.summary()
