"""Two currencies are never added up."""

import pytest

from promolab.errors import DataError, InputError
from promolab.sources import load_shop
from tests.refused import refused, spoilt

HEADER = "customer_id,ts,kind,amount,currency\n"
ROWS = "A,2021-03-01,purchase,10,GBP\nB,2021-03-01,purchase,10,EUR\nB,2021-04-01,purchase,10,eur\n"


@pytest.fixture
def shop(tmp_path):
    def write(toml: str, rows: str = ROWS, **files: str):
        (tmp_path / "events.csv").write_text(HEADER + rows)
        (tmp_path / "shop.toml").write_text(f'zone = "UTC"\n{toml}')
        for name, text in files.items():
            (tmp_path / f"{name}.csv").write_text(text)
        return load_shop(tmp_path)

    return write


def amounts(shop) -> list[float]:
    found: list[float] = shop.events.order_by("customer_id", "ts").amount.execute().tolist()
    return found


def test_a_second_currency_is_converted_or_refused(shop):
    spoilt(r"in EUR \(2 rows\) and GBP \(1 row\): two currencies", shop, 'currency = "GBP"\n')
    spoilt(r"\[rates\] EUR", shop, 'currency = "GBP"\n[rates]\nUSD = 0.8\n')
    spoilt(r'in GBP, and shop\.toml says currency = "USD"', shop, "", ROWS.splitlines(True)[0])
    assert amounts(shop('currency = "GBP"\n[rates]\nEUR = 0.86\n')) == [10.0, 8.6, 8.6]
    with pytest.raises(DataError, match=r"events\.currency is empty in 1 row"):
        shop('currency = "GBP"\n[rates]\nEUR = 0.86\n', ROWS + "C,2021-03-01,purchase,1,\n")


def test_rates_that_change_convert_by_the_time_of_the_row_and_wrong_ones_are_named(shop):
    toml = 'currency = "GBP"\n[rates]\nfiles = "fx.csv"\n'
    rates = "currency,rate,starts_at\nEUR,0.9,2021-01-01\nEUR,0.8,2021-03-15\n"
    assert amounts(shop(toml, fx=rates)) == [10.0, 9.0, 8.0]
    with pytest.raises(DataError, match="1 amount older than the first rate"):
        shop(toml, fx=rates.replace("2021-01-01", "2021-03-10"))
    refused("two rates of EUR at once", shop, toml, fx="currency,rate\nEUR,0.9\nEUR,0.8\n")
    with pytest.raises(InputError, match=r"fx\.csv: the rate of EUR is 'much', must be a number"):
        shop('currency = "GBP"\n[rates]\nfiles = "fx.csv"\n', fx="currency,rate\nEUR,much\n")


def test_the_column_of_the_currency_may_have_its_own_name_and_hold_signs(tmp_path):
    (tmp_path / "events.csv").write_text(
        "customer_id,ts,kind,amount,Waehrung\nA,2021-03-01,purchase,10,CHF\n"
    )
    toml = 'zone = "UTC"\ncurrency = "EUR"\n[events]\ncurrency = "Waehrung"\n'
    (tmp_path / "shop.toml").write_text(toml)
    spoilt("events is in CHF", load_shop, tmp_path)
    (tmp_path / "shop.toml").write_text(toml + "[rates]\nCHF = 0.95\n")
    assert amounts(load_shop(tmp_path)) == [9.5]
    rows = "A,2021-03-01,purchase,10,€\nB,2021-03-01,purchase,10,£\n"
    (tmp_path / "events.csv").write_text(f"customer_id,ts,kind,amount,Währung\n{rows}")
    toml = 'zone = "UTC"\ncurrency = "EUR"\n'
    (tmp_path / "shop.toml").write_text(toml)
    spoilt(r"says EUR .* and GBP", load_shop, tmp_path)
    (tmp_path / "shop.toml").write_text(
        f'{toml}[events]\ncurrency = "Währung"\n[rates]\nGBP = 1.2\n', encoding="utf-8"
    )
    assert amounts(load_shop(tmp_path)) == [10, 12]


@pytest.mark.parametrize("name", ["Währung", "country_currency", "Currency Code", "币种"])
def test_a_column_of_currencies_that_nobody_named_is_not_passed_over(tmp_path, name):
    def load(toml: str = "", second: str = "GBP"):
        rows = f"A,2021-03-01,purchase,10,EUR\nB,2021-03-01,purchase,10,{second}\n"
        (tmp_path / "events.csv").write_text(f"customer_id,ts,kind,amount,{name}\n{rows}")
        (tmp_path / "shop.toml").write_text(f'zone = "UTC"\n{toml}', encoding="utf-8")
        return load_shop(tmp_path)

    spoilt(rf"\.{name} says EUR \(1 row\) and GBP \(1 row\), and", load, 'currency = "EUR"\n')
    spoilt(r'EUR \(2 rows\), and shop\.toml says .*"USD"', load, 'currency = "USD"\n', "EUR")
    assert amounts(load('currency = "EUR"\n', "EUR")) == [10, 10]
    other = f'currency = "EUR"\n[events.attributes]\nother_currency = "{name}"\n'
    assert amounts(load(other)) == [10, 10]
    rated = f'currency = "EUR"\n[events]\ncurrency = "{name}"\n[rates]\nGBP = 1.2\n'
    assert amounts(load(rated)) == [10, 12]


def test_a_rate_is_a_number_above_0_and_shown_as_it_was_written(shop):
    for rate, shown in [*((r, r) for r in ("-1", "'0.9'", "'much'", "inf", "0")), ("true", "True")]:
        said = rf"\[rates\] EUR = {shown}; expected a number above 0"
        refused(said, shop, f'currency = "GBP"\n[rates]\nEUR = {rate}\n')
