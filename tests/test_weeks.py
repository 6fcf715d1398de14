"""Weeks: their form, their instants in the shop's zone, their neighbours."""

from datetime import date, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from promolab.weeks import Week
from tests.refused import refused

NEW_YORK = "America/New_York"


def test_a_week_is_read_as_it_is_written_and_another_form_or_none_is_refused():
    for text in ("2017-W44", "2020-W53", "2015-W53", "2017-W01", " 2017-W44 "):
        assert str(Week.parse(text)) == text.strip()
    for text in [*"2017-44 2017W44 2017-W4 W44 2017-W44-1 2017-w44 ２０１７-W44 x".split(), ""]:
        refused("no ISO week; write the year and the week, like 2017-W44", Week.parse, text)
    last = {"2017-W53": 52, "2020-W54": 53, "2017-W00": 52, "0000-W01": 52}
    for text, number in last.items():
        refused(f"no week {text}; .* 01 to {number}", Week.parse, text)


def test_weeks_begin_and_end_at_the_shops_midnights_and_cross_the_year():
    week = Week.parse("2017-W44")  # summer time ends on its Sunday, 5 November
    assert week.start(NEW_YORK) == datetime(2017, 10, 30, 4)
    assert week.end(NEW_YORK) == datetime(2017, 11, 6, 5)
    assert week.start("Asia/Tokyo") == datetime(2017, 10, 29, 15)
    sunday_evening_in_new_york = datetime(2017, 11, 6, 4, 59, 59)
    assert Week.containing(sunday_evening_in_new_york, "UTC") == Week(2017, 45)
    assert Week(2020, 53).next() == Week(2021, 1)


def test_label():
    labels = {"2017-W44": "30 Oct – 5 Nov", "2017-W45": "6 – 12 Nov", "2017-W52": "25 – 31 Dec"}
    for text, label in (labels | {"2020-W01": "30 Dec 2019 – 5 Jan 2020"}).items():
        assert Week.parse(text).label() == label


@given(st.dates(date(1970, 1, 5), date(2100, 1, 1)), st.sampled_from(["UTC", NEW_YORK]))
def test_a_week_holds_its_instants_and_no_others(day, zone):
    year, number, _ = day.isocalendar()
    week = Week(year, number)
    second = timedelta(seconds=1)
    assert Week.containing(week.start(zone), zone) == week
    assert Week.containing(week.end(zone) - second, zone) == week
    assert Week.containing(week.end(zone), zone) == week.next()
    assert week.previous() < week < week.next()
    assert week.next().previous() == week
    assert week.end(zone) == week.next().start(zone)
