"""The page of ``promolab data --html``: what it says, what it must not say, and where it lies."""

import re
from datetime import datetime
from html import unescape

import pandas as pd
import pytest

from promolab.contract import Shop
from promolab.contract.personal import personal_columns
from promolab.report.data.data_page import data_page, writable_page, write_data_page
from promolab.report.data.holdings_view import local_text, share_bar, small_bars
from tests.made_up import shop_of
from tests.page_policy import but_its_own_script
from tests.refused import refused

MARKUP = "<script>alert('found')</script>"


def events(n: int = 40) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "customer_id": [f"secret-{i}" for i in range(n)],
            "ts": pd.date_range("2017-03-01", periods=n, freq="2D"),
            "kind": ["purchase", "view", "purchase", "buy"] * (n // 4),
            "product_id": "P1",
            "amount": [-5.0 if i == 38 else float(i) for i in range(n)],
            "device": ["web", MARKUP] * (n // 2),
            "email": [f"ana{i}@hidden.example" for i in range(n)],
        }
    )


def small(keep: tuple[str, ...] = (), zone: str | None = "America/New_York") -> Shop:
    reviews = pd.DataFrame({"customer_id": ["secret-1", "secret-2"], "rating": [9, 5]})
    told = {"product_id": "P1", "ts": pd.Timestamp("2017-03-02"), "text": "my own words"}
    tables = {"events": events(), "reviews": reviews.assign(**told)}
    return shop_of(tables, name=f"Corner {MARKUP}", zone=zone, keep_personal=keep)


@pytest.fixture(scope="module")
def page() -> str:
    shop = small()
    return data_page(shop, shop.check(), key=b"k" * 32)


def words_of(page: str) -> str:
    body = page.split("<main>")[1]
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", body)))


def test_it_stands_alone_runs_nothing_and_names_nobody(page):
    assert page.startswith("<!DOCTYPE html>")
    assert "default-src 'none'" in page
    assert "<script" not in but_its_own_script(page)
    assert "http" not in page.replace("http-equiv", "")
    assert not re.search(r"(src|href)=\"(?!#|data:)", page)
    assert unescape(page).count(MARKUP) > 3
    for secret in ("secret-", "hidden.example", "my own words"):
        assert secret not in page
    assert 'keep_personal = ["events.email"]' in words_of(page)
    assert re.search(r"C-[A-Z2-7]{10}", page)
    assert "random key" in page
    assert "left out" in page


def test_what_it_says_is_what_the_check_found(page):
    shop = small()
    checks = shop.check()
    words = words_of(page)
    assert f"Corner {MARKUP} can be used" in words
    assert "2 tables with 42 rows" in words
    for name, rows in checks.counts.items():
        assert f"{name}: {rows} rows" in words
    for finding in checks.findings:
        assert finding.sentence in words
    assert "From 28 Feb 2017 to 17 May 2017, 79 days, 39 of them without a row" in words
    assert "purchase 20 50.0 %" in words
    assert "buy not a known kind 10 25.0 %" in words
    assert "−5 to 39, half of them up to 18" in words
    assert "device kept, not used text 100 % 2" in words
    assert page.count("<svg") > 4
    assert "Missing: table promotions (one row: a promotion)" in words
    assert "It would add: response models and campaign reports." in words
    assert "profiles and segments yes" in words
    example = words.split("negative amount: 1 row ")[1]
    assert example.index("amount") < example.index("-5.0")
    assert "… " in words.split("out of range: 1 row")[1]  # the words of the review


def test_codes_are_of_a_fresh_key_and_what_is_kept_on_request_is_not_shown():
    shop = small()
    checks = shop.check()
    codes = [set(re.findall(r"C-[A-Z2-7]{10}", data_page(shop, checks))) for _ in range(2)]
    assert codes[0] and not codes[0] & codes[1]
    same = [data_page(shop, checks, key=b"k") for _ in range(2)]
    assert same[0] == same[1]
    shop = small(keep=("events.email",))
    assert personal_columns(shop).kept == ("events.email",)
    page = data_page(shop, shop.check())
    assert "hidden.example" not in page
    assert "since keep_personal in shop.toml says so" in page


def test_shops_that_stop_have_wrong_types_a_note_or_odd_times_have_a_page():
    shop = small(zone=None)
    words = words_of(data_page(shop, shop.check()))
    assert "cannot be used yet: 1 thing to mend first" in words
    assert "The shop states no time zone" in words
    frame = events().assign(ts="yesterday", amount="much")
    empty = pd.DataFrame({"product_id": [], "category": []}, dtype=str)
    shop = shop_of({"events": frame, "products": empty})
    words = words_of(data_page(shop, shop.check()))
    assert "2 things to mend first" in words
    assert "products: 0 rows" in words
    frame = events().assign(kind="purchase", amount=1.0).drop(columns="device")
    shop = shop_of({"events": frame}, name="Corner")
    words = words_of(data_page(shop, shop.check()))
    assert "No check fails, 1 note" in words and "1 check fails" not in words
    frame = events(4).assign(ts=pd.Series([datetime(1, 1, 1), datetime(9999, 12, 31)] * 2))
    frame["ts"] = frame["ts"].astype("datetime64[us]")
    shop = shop_of({"events": frame}, name="Corner", zone="Europe/Berlin")
    words = words_of(data_page(shop, shop.check()))
    assert "outside life: 4 rows" in words and "9999-12-31" in words


def test_it_is_written_whole_replaces_an_earlier_one_and_nothing_that_is_no_page_of_ours(tmp_path):
    shop = small()
    target = tmp_path / "data.html"
    assert write_data_page(shop, shop.check(), target) == target
    assert write_data_page(shop, shop.check(), target) == target
    assert target.read_text(encoding="utf-8").endswith("</html>\n")
    assert [path.name for path in tmp_path.iterdir()] == ["data.html"]
    for name in ("shop.toml", "events.csv", "mine.html", "data"):
        target = tmp_path / name
        target.write_text("<title>mine</title>")
        refused("no name of a page|not overwritten", write_data_page, shop, shop.check(), target)
        assert target.read_text() == "<title>mine</title>"


def test_a_few_personal_values_in_any_column_are_not_on_the_page():
    n = 120
    mails = ["call ana@hidden.example", "bo@hidden.example"]
    rare = [*(f"size {i % 9}" for i in range(n - 2)), *mails]
    phones = [f"os {i % 3}" for i in range(n - 1)] + ["+49 171 998877"]
    frame = pd.DataFrame({"customer_id": range(n), "channel": phones, "remark": rare})
    frame["ts"] = pd.date_range("2017-03-01", periods=n)
    frame["kind"] = ["purchase", "view", "cy@hidden.example", "+49 171 998877"] * (n // 4)
    frame["store_id"] = ["dee@hidden.example", "S1", "S2"] * (n // 3)
    frame["device"], frame["amount"] = phones, -1.0
    shop = shop_of({"events": frame}, name="Corner")
    checks = shop.check()
    page = data_page(shop, checks)
    for secret in ("hidden.example", "998877"):
        assert secret not in page and secret not in checks.to_text()
    words = words_of(page)
    assert "a value that looks like an e-mail address not a known kind 30 25.0 %" in words
    assert 'keep_personal = ["events.remark"]' in words
    assert "Holds e-mail addresses in 2 rows" in words
    assert "a value that looks like a phone number (" in words  # of a device, once


def test_a_page_that_cannot_be_written_is_a_sentence(tmp_path, monkeypatch):
    refused("is a folder; give the name of a file", writable_page, tmp_path)
    refused(r"there is no folder .*; make it first", writable_page, tmp_path / "none" / "data.html")

    def full(path, text):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("promolab.report.data.data_page.write_whole", full)
    shop = small()
    target = tmp_path / "data.html"
    refused("cannot be written: No space left", write_data_page, shop, shop.check(), target)


def test_small_drawings_and_the_end_of_all_times():
    drawn = small_bars([0, 1, 1_000_000], 'most "one" & more').text
    assert drawn.count("<rect") == 2  # a bar of one row is seen, one of none is not
    assert "most &quot;one&quot; &amp; more" in drawn
    refused("nothing to draw", small_bars, [], "")
    assert 'width="220.0"' in share_bar(7.0).text
    assert local_text(datetime.max, "Asia/Tokyo") == "9999-12-31 23:59"
