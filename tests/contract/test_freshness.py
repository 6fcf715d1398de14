"""How fresh the tables are, and what came late."""

from datetime import date, datetime

import pandas as pd

from promolab.contract.data_age import freshness
from tests.made_up import shop_of

AS_OF = datetime(2021, 3, 1)  # a Monday


def seen_on(zone="UTC", **days):
    times = {name: pd.DatetimeIndex(ts).astype("datetime64[us]") for name, ts in days.items()}
    return shop_of({name: pd.DataFrame({"ts": ts}) for name, ts in times.items()}, zone=zone)


def every_day(first, last, without=()):
    days = pd.date_range(first, last) + pd.Timedelta(hours=12)
    return [day for day in days if str(day.date()) not in without]


def test_data_up_to_the_week_are_fresh_late_and_missing_days_are_named():
    fresh = freshness(seen_on(events=every_day("2021-01-01", "2021-02-28")), AS_OF)
    assert not fresh.stale and fresh.to_dict()["tables"]["events"]["stale"] is False
    assert fresh.to_frame()["last"].tolist() == [date(2021, 2, 28)]
    gone = ("2021-02-14", "2021-02-16", "2021-02-17", "2021-01-10", "2021-01-12", "2021-01-13")
    for first, last, without, said in [
        ("2021-01-01", "2021-02-28", (), "no day is missing"),
        ("2021-03-02", "2021-03-03", (), "events has no row before this week"),
        # Two gaps of two days in the year before: gaps of two are usual, three at the end are not.
        ("2021-01-01", "2021-02-25", gone, "events ends on 2021-02-25: 3 days late (2021-02-26 to"),
        ("2021-01-01", "2021-02-28", gone[1:3], "events has no row on 2021-02-16 to 17."),
        ("2020-11-01", "2021-02-28", ("2020-12-24", "2020-12-25"), "no day is missing"),  # long ago
    ]:
        shop = seen_on(events=every_day(first, last, without))
        assert said in freshness(shop, AS_OF).summary()


def test_rests_and_campaigns_have_their_own_pace_and_nothing_later_is_read():
    days = [day for day in every_day("2021-01-01", "2021-02-28") if day.weekday() != 6]
    assert not freshness(seen_on(events=days), AS_OF).stale
    assert freshness(seen_on(events=days[:-1]), AS_OF).stale
    events = every_day("2020-06-01", "2021-02-28")
    rare = every_day("2020-07-01", "2020-07-03") + every_day("2020-11-01", "2020-11-02")
    assert not freshness(seen_on(events=events, exposures=rare), AS_OF).stale
    daily = every_day("2020-06-01", "2021-02-10", ("2020-08-01", "2020-09-01"))
    late = freshness(seen_on(events=events, exposures=daily), AS_OF)
    assert "exposures ends on 2021-02-10: 18 days late (2021-02-11 to 28)" in late.summary()
    assert [table.table for table in late.tables if table.stale] == ["exposures"]
    days = every_day("2021-01-01", "2021-02-26")
    early = freshness(seen_on(events=days), AS_OF)
    after = freshness(seen_on(events=[*days, pd.Timestamp(AS_OF)]), AS_OF)
    assert early == after and early.stale
    # 03:00 UTC on the first of March is still the 28th of February in New York.
    night = [*every_day("2021-01-01", "2021-02-27"), pd.Timestamp("2021-03-01 03:00")]
    assert not freshness(seen_on("America/New_York", events=night), datetime(2021, 3, 1, 5)).stale


def test_exposures_are_awaited_once_a_promotion_has_started():
    def awaited(*starts):
        sent = every_day("2020-11-02", "2021-02-10", ("2020-12-01",))[::9]
        shop = seen_on(events=every_day("2020-06-01", "2021-02-28"), exposures=sent)
        offers = pd.DataFrame({"promotion_id": range(len(starts)), "starts_at": starts})
        tables = shop_of({"promotions": offers}).tables
        return freshness(shop.with_tables({**shop.tables, **tables}), AS_OF)

    assert not awaited(pd.Timestamp("2021-02-01")).stale
    late = awaited(pd.Timestamp("2021-02-15"), pd.Timestamp("2021-02-28"), pd.Timestamp("2020-12"))
    assert late.stale and late.tables[1].awaited == ("0",)  # the day of the second is not over
    assert "before promotion 0 started" in late.summary()
