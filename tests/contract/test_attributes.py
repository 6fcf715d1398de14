"""Attributes of customers: what is personal never reaches a page, what is rare only if declared."""

from datetime import datetime

import ibis
import numpy as np
import pandas as pd
import pytest

import promolab
from promolab.contract.personal import attributes_in, personal_columns, pooled_values
from promolab.contract.personal_looks import by_number, is_national_id, is_one_of_each
from promolab.features import build_features
from promolab.features.decisions import attributes_of
from promolab.profiles import build_profiles, compare_cards, profile_card
from promolab.sources import save_shop
from tests.made_up import shop_of

N = 120
DECLARED = {"customers": {"attributes": {"shoe_size": "shoe_size", "dob": "dob", "joined": "x"}}}


def pesel(number):
    """Return a valid Polish number, by the Ministry's description of its check digit."""
    stem = f"{60 + number % 40:02d}{1 + number % 12:02d}{1 + number % 28:02d}{number:04d}"
    weighed = sum(int(d) * w for d, w in zip(stem, (1, 3, 7, 9, 1, 3, 7, 9, 1, 3), strict=True))
    return f"{stem}{-weighed % 10}"


@pytest.fixture(scope="module")
def shop():
    """A shop whose customers table holds more than a page may tell."""
    rng = np.random.default_rng(3)
    number = np.arange(N)
    customers = pd.DataFrame(
        {
            "customer_id": number + 1,
            "since": pd.Timestamp("2023-02-28 16:00") + pd.to_timedelta(number % 90, "D"),
            "cluster_id": [f"H{i // 2}" for i in number],
            "Geburtsdatum": pd.to_datetime("1950-03-01") + pd.to_timedelta(number * 150, "D"),
            "dob": [f"{1 + i % 28:02d}.{1 + i % 12:02d}.{1950 + i % 50}" for i in number],
            "day_1": pd.to_datetime("1948-06-01") + pd.to_timedelta(number * 140, "D"),
            "CodiceFiscale": "RSSMRA85T10A562S",
            "extra": [pesel(i) for i in number],
            "loyalty_card": rng.permutation(N) + 500_000,
            "token": [f"tok-{i:x}-{i * 7919 % 1000}" for i in number],
            "postcode": [f"{10100 + i // 4}" for i in number],
            "shoe_size": 36 + number // 9,
            "points": rng.integers(0, 90_000, N),
            "tier": np.where(number % 3 == 0, "gold", "basic"),
            "confession": np.where(number % 2 == 0, "devout", "none"),
            "joined": pd.to_datetime("2019-01-01") + pd.to_timedelta(number % 40, "D"),
        }
    )
    days = pd.Timestamp("2024-01-05 03:00") + pd.to_timedelta(rng.integers(0, 90, 6 * N), "D")
    events = pd.DataFrame({"customer_id": np.tile(number + 1, 6), "ts": days, "kind": "purchase"})
    events["order_id"] = np.arange(len(events))
    events["amount"] = 12.5
    events["member_card"] = [f"MC{i:06d}" for i in np.tile(number, 6)]
    events["session"] = [f"s-{i}" for i in range(len(events))]
    more = {"keep_personal": ("customers.token",), "mapping": DECLARED, "currency": "CNY"}
    tables = {"customers": customers, "events": events}
    return shop_of(tables, name="Corner", zone="Asia/Shanghai", **more)


PERSONAL = {"Geburtsdatum", "dob", "day_1", "CodiceFiscale", "extra", "loyalty_card", "token"}
SECRETS = "1950 RSSMRA85T10A562S 500000 tok- H7 MC000 1948-06 10100 10129 devout".split()
SECRETS += [pesel(5)]


def test_births_tax_ids_and_ids_of_ones_own_are_personal(shop):
    found = personal_columns(shop).found
    of_customers = {c for t, _, c in (p.partition(".") for p in found) if t == "customers"}
    assert of_customers == PERSONAL - {"token"}
    assert personal_columns(shop).kept == ("customers.token",)
    assert found["customers.day_1"] == found["customers.dob"] == "looks like birth dates"
    assert found["customers.extra"] == "looks like identity, tax or bank numbers"
    assert found["events.member_card"] == "looks like an id of each customer's own"
    assert not {"events.session", "events.order_id"} & {*found}
    written = shop.without_personal()
    assert not PERSONAL - {"token"} & set(written.customers.columns)
    assert "RSS" not in " ".join(written.left_out) and "customers.dob" in written.left_out[0]


def test_what_few_share_is_shown_only_if_declared(shop):
    found = attributes_in(shop.customers, shop.settings)
    assert set(found.personal) == PERSONAL  # kept or declared, they are never shown
    assert found.rare == ("postcode", "points", "confession")
    assert found.shown == ("shoe_size", "joined")
    said = found.sentence()
    assert said.startswith("11 attributes of customers not shown: Geburtsdatum looks like birth")
    assert "postcode, points, tier and confession are not declared" in said
    assert not [secret for secret in SECRETS if secret in said]
    every = ("postcode", "shoe_size", "points", "confession", "joined")
    assert attributes_in(shop.customers).rare == every
    assert attributes_in(shop.customers.select("customer_id")).sentence() == ""
    for each, rare in ((10, ()), (9, ("town",))):  # ten customers are enough, and nine are not
        towns = [f"T{i // each}" for i in range(each * 3)]
        table = ibis.memtable({"customer_id": list(range(len(towns))), "town": towns})
        assert attributes_in(table).rare == rare and attributes_in(table).undeclared == ("town",)


def test_a_card_shows_what_it_may_in_the_shops_money_and_days(shop):
    features = build_features(shop, datetime(2024, 4, 1)).execute()
    profiles = build_profiles(features, demographics=shop.customers)
    page = compare_cards(profiles, 8, 9, features, shop=shop)._repr_html_()
    assert not [secret for secret in SECRETS if secret in page] and "CNY" in page
    assert page.count("attributes of customers not shown") == 1
    near = features.assign(recency_days=1.2)
    card = profile_card(profiles, 1, near, shop=shop)
    # 16:00 UTC of the day before is the morning in Shanghai; a day without a time of day stands.
    shown = {"Since": "01 Mar 2023", "Shoe size": "36", "Joined": "01 Jan 2019"}
    assert card.demographics == shown and card.details["Days since the last order"] == "1"
    assert card.details["Average order"] == "12.50 CNY" and card.details["Sales"].endswith(" CNY")
    # Without the shop nothing is declared, and nothing personal is shown either.
    assert set(profile_card(profiles, 1).demographics) == {"Since"}


def test_what_few_share_is_other_to_models_and_what_was_declared_stays_so(shop, tmp_path):
    assert set(attributes_of(shop)) == {"postcode", "shoe_size", "points", "tier"}
    pooled = pooled_values(shop.customers, attributes_of(shop), shop.settings)
    frame = shop.customers.select(**pooled).execute()
    assert frame.postcode.unique().tolist() == ["other"]
    assert set(frame.tier) == {"gold", "basic"} and frame.shoe_size.nunique() > 10
    save_shop(shop.without_personal(), tmp_path)
    again = promolab.load_shop(tmp_path)
    assert again.settings.declared == {"shoe_size", "joined"}
    assert again.customers.execute().shoe_size.tolist() == list(36 + np.arange(N) // 9)
    assert attributes_in(again.customers, again.settings).shown == ("shoe_size", "joined")


def test_national_numbers_are_told_by_letters_a_form_or_the_checks_of_several():
    for good, bad in [
        # Specimens that the issuing offices publish, and the same with another check.
        ("RSSMRA85T10A562S", "RSSMRA85T10A562T"),  # Italy
        ("12345678Z", "12345678A"),  # Spain
        ("X1234567L", "X1234567A"),  # Spain, foreigners
        ("AB123456C", "QQ123456C"),  # United Kingdom; QQ is never issued
        ("078-05-1120", "000-05-1120"),  # United States
        ("11010519491231002X", "110105194912310021"),  # China
        ("255081416802538", "255081416802537"),  # France
        ("131052-308T", "131052-308A"),  # Finland
        ("ABCPE1234F", "ABCZE1234F"),  # India
    ]:
        assert is_national_id([good]) and not is_national_id([bad])
    for numbers in [
        ["86095742719", "47036892816", "65929970489", "57549285017", "25768131411"],  # Germany
        ["11144477735", "52998224725", "39053344705", "15350946056", "12345678909"],  # Brazil
        ["811218-9876", "670919-9530", "19121212-1212", "640823-3234", "811228-9874"],  # Sweden
        ["111222333", "123456782", "010464554", "232262536", "999994669"],  # Netherlands
        [pesel(i) for i in range(5)],
    ]:
        assert is_national_id(numbers)
        assert not is_national_id(numbers[:4])  # one in ten passes by chance
        spoilt = [n[:-1] + str((int(n[-1]) + 1) % 10) for n in numbers]
        assert not is_national_id(spoilt)


def test_chance_takes_hardly_any_column_of_numbers_for_national_ones():
    rng = np.random.default_rng(1)
    for digits in (9, 10, 11, 12, 13, 15, 18):
        columns = rng.integers(10 ** (digits - 1), 10**digits, (300, 5)).astype(str)
        assert not any(is_national_id(column.tolist()) for column in columns), digits


def test_days_are_births_where_they_are_old_and_spread():
    for first, last, born in ((1940, 2004, 1), (1990, 2012, 1), (1990, 2024, 0), (2000, 2012, 0)):
        days = [f"{year}-05-17" for year in np.linspace(first, last, 60).astype(int)]
        assert (by_number(days, "", lambda: 2024) == "birth dates") == born
        assert by_number(days[:19], "", lambda: 2024) is None


def test_amounts_ages_and_dates_are_no_ids():
    rng = np.random.default_rng(2)
    income = sorted({str(i) for i in rng.integers(20_000, 120_000, 60)})
    assert not is_one_of_each(income, "income") and is_one_of_each(income, "member_no")
    assert not is_one_of_each([f"2017-03-{i:02d}" for i in range(1, 29)], "visited")
    assert not is_one_of_each([f"{i}.5" for i in range(40)], "score")
    assert not is_one_of_each([f"K{i}" for i in range(19)], "card")  # too few to tell
    assert is_one_of_each([str(i) for i in range(1, 60)], "x")  # no gap where chance leaves some
