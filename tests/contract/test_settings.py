"""A shop's settings: what is understood and what is refused."""

from datetime import datetime

import pytest

from promolab.contract import Settings, read_settings
from tests.refused import refused


def read(tmp_path, text: str) -> Settings:
    (tmp_path / "shop.toml").write_text(text, encoding="utf-8")
    return read_settings(tmp_path / "shop.toml")


def test_settings_are_read_and_life_is_in_utc_across_summer_time(tmp_path):
    text = 'name = "Bäcker"\nzone = "Europe/Rome"\nmargin_rate = 0.4\n'
    text += "opened = 2021-03-28\nevening_from = 18"
    got = read(tmp_path, text)
    assert (got.name, got.margin_rate, got.evening_from) == ("Bäcker", 0.4, 18)
    assert got.life() == (datetime(2021, 3, 27, 23), None)
    life = Settings(zone="America/New_York", opened="2017-01-01", closed="2017-07-01").life()
    assert life == (datetime(2017, 1, 1, 5), datetime(2017, 7, 1, 4))
    assert Settings().life() == (None, None)


def test_a_missing_file_and_what_is_wrong_are_said(tmp_path):
    refused("there is no settings file", read_settings, tmp_path / "shop.toml")
    for text, message in [
        ('zonne = "UTC"', "unknown key 'zonne'; did you mean 'zone'"),
        ('zone = "Europe/Roma"', "'Europe/Roma' is no time zone; write an IANA name"),
        ('zone = "../etc/passwd"', "is no time zone"),
        (
            "margin_rate = 40",
            r"margin_rate = 40, must be a share between 0 and 1 \(0\.40, not 40\)",
        ),
        ("margin_rate = 0", "must be a share between 0 and 1"),
        ("margin_rate = true", "margin_rate = True, must be of type int or float"),
        ("name = 5", "name = 5, must be of type str"),
        ('naive_times = "here"', 'naive_times = \'here\', must be "utc" or "local"'),
        ("odd_quantity = 0", "odd_quantity = 0, must be more than 0 units"),
        ("evening_from = 24", "evening_from = 24, must be an hour from 0 to 23"),
        ('opened = "last year"', "opened = 'last year', must be a day such as 2017-01-01"),
        ("name = ", "cannot be read as TOML"),
        ("name = " + "[" * 5000 + "]" * 5000, "TOML: lists or tables stand in each other"),
        ("name = " + "{a=" * 5000 + "1" + "}" * 5000, "TOML: lists or tables stand in each other"),
    ]:
        refused(message, read, tmp_path, text)


@pytest.mark.parametrize(
    "name", ['A "B" C', "back\\slash", "two\nlines", "tab\there", "Ü–·€", "\x01"]
)
def test_settings_survive_being_written_and_read(tmp_path, name):
    told = {"name": name, "zone": "Asia/Tokyo", "naive_times": "local", "opened": "2020-01-01"}
    wanted = Settings(margin_rate=0.25, **told)
    assert read(tmp_path, wanted.to_toml()) == wanted
