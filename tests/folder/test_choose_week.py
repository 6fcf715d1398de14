"""Which week is meant, a source that is alive, and stale data."""

from datetime import datetime

import pandas as pd
import pytest

from promolab.contract import Shop
from promolab.contract.checks import Checks
from promolab.errors import StepError
from promolab.folder import Weeks, read_json
from promolab.weeks import Week
from tests.made_up import shop_of
from tests.refused import refused, spoilt

NOW = datetime(2021, 3, 17, 9)  # a Wednesday of W11


def daily(last, first="2021-01-01", **settings):
    return of_days(pd.date_range(first, last) + pd.Timedelta(hours=3), **settings)


def of_days(days, **settings):
    events = pd.DataFrame({"customer_id": 1, "ts": days, "kind": "view"})
    return shop_of({"events": events}, **settings)


def chosen(shop, **options):
    weeks = Weeks.of(shop, NOW, **options)
    return str(weeks.default), str(weeks.latest)


def test_a_live_source_means_the_current_week_and_settings_that_of_one_that_is_not():
    stated = {"default_week": "2021-W04"}
    for last, settings, weeks in [
        ("2021-03-16", {}, ("2021-W11", "2021-W11")),
        # 14 days ago is live, and the weeks up to now are allowed; one day more is not.
        ("2021-03-04", {}, ("2021-W11", "2021-W11")),
        ("2021-03-02", {}, ("2021-W09", "2021-W09")),
        ("2021-02-20", stated, ("2021-W04", "2021-W07")),
        ("2021-03-16", stated, ("2021-W11", "2021-W11")),
    ]:
        assert chosen(daily(last, **settings)) == weeks
    for lead_days, latest in ((5, "2021-W12"), (4, "2021-W11")):
        assert chosen(daily("2021-03-16"), lead_days=lead_days) == ("2021-W11", latest)


def test_one_event_far_ahead_makes_no_source_old_or_live_and_weeks_outside_are_refused():
    days, ahead = list(pd.date_range("2021-01-01", "2021-03-16")), pd.Timestamp("2031-01-01")
    assert chosen(of_days([*days, ahead]))[0] == "2021-W11"
    for few in (days[:40], [pd.Timestamp("2029-01-01")]):
        assert chosen(of_days([*few, ahead]))[0] == "2031-W01"
    weeks = Weeks.of(of_days(days), NOW)
    assert weeks.chosen(Week(2021, 5)) == Week(2021, 5)
    refused("2021-W12 begins after the data end", weeks.chosen, Week(2021, 12))
    refused("2020-W53 begins before the data do", weeks.chosen, Week(2020, 53))
    spoilt("no week begins after the first event", Weeks.of, daily("2021-01-06", "2021-01-05"), NOW)


@pytest.mark.parametrize(
    ("last", "zone", "latest"),
    [
        ("2021-02-21 20:15", "UTC", "2021-W08"),  # Sunday evening: Monday can be planned
        ("2021-02-21 00:00", "UTC", "2021-W08"),  # days without a time of day
        ("2021-02-20 23:59", "UTC", "2021-W07"),
        ("2021-02-22 00:00", "UTC", "2021-W08"),
        ("2021-02-20 20:15", "Asia/Shanghai", "2021-W08"),  # Sunday there
        ("2021-02-21 04:30", "America/New_York", "2021-W07"),  # Saturday there
    ],
)
def test_data_that_end_on_a_sunday_allow_the_monday_after(last, zone, latest):
    weeks = Weeks.of(of_days([pd.Timestamp("2021-01-01"), pd.Timestamp(last)], zone=zone), NOW)
    assert str(weeks.latest) == latest
    assert weeks.chosen(Week.parse(latest)) == weeks.latest
    assert weeks.default == weeks.latest  # an export is made to plan what comes next


@pytest.fixture
def live(monkeypatch):
    """Let the toy notebooks run on a live source whose data end four days ago."""
    monkeypatch.setattr("promolab.report.running.run.present", lambda: NOW)
    monkeypatch.setattr(Shop, "check", lambda self: Checks(self.settings.name, {}, ()))
    shop = daily("2021-03-12", name="Corner")
    return lambda: monkeypatch.setattr("promolab.sources.load_shop", lambda *_, **__: shop)


def test_a_degraded_week_says_so_and_strict_makes_none(toy_here, live, tmp_path, capsys):
    live()
    page = toy_here(tmp_path / "out")
    assert page.parent.name == "2021-W11"
    sentence = "events ends on 2021-03-12: 2 days late (2021-03-13 to 14)"
    assert sentence in capsys.readouterr().err
    told = read_json(page.parent / "manifest.json")["freshness"]
    assert told["stale"] and sentence in told["summary"]
    assert "draft · stale data" in (tmp_path / "out" / "index.html").read_text()
    before = page.read_bytes()
    with pytest.raises(StepError, match="--strict makes no report from them"):
        toy_here(tmp_path / "out", strict=True)
    assert page.read_bytes() == before
    listed = (tmp_path / "out" / "index.html").read_text()
    assert "the last run failed: This week is made from stale data" in listed
    fresh = toy_here(tmp_path / "out", week="2021-W10", strict=True)
    assert read_json(fresh.parent / "manifest.json")["freshness"]["stale"] is False


def test_a_reports_folder_belongs_to_one_shop(toy_here, live, tmp_path):
    toy_here(tmp_path / "out")
    owner = read_json(tmp_path / "out" / "source.json")
    assert owner == {"source": "complete_journey", "name": "Toy & Co"}
    shop = tmp_path / "shop"
    shop.mkdir()
    words = r"the reports of Toy & Co \(complete_journey\), not of Toy & Co \(.*/shop\)"
    refused(words, toy_here, tmp_path / "out", source=shop)
    live()
    refused(r"not of Corner \(complete_journey\); give another --out", toy_here, tmp_path / "out")
    assert read_json(tmp_path / "out" / "source.json") == owner
    assert not (tmp_path / "out" / ".failed").exists()
