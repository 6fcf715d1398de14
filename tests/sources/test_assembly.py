"""A shop put together: codes that stand for promotions, one currency, files whose columns drift."""

import pandas as pd
import pytest

from promolab.contract.checks import check
from promolab.sources import load_shop
from tests.refused import refused, spoilt

# Redemptions that stand as a code in the order lines, and whose promotion lists the code.

LINES = f"""order,who,when,sku,paid,code
1,A,2024-03-05,tea,5,spring5
1,A,2024-03-05,mug,7,SPRING5
2,B,2024-03-06,tea,5,
3,B,2024-06-02,tea,5,SPRING5
4,C,2024-03-01,mug,7, Spring5
5,C,2024-06-03,mug,7,FRIENDS
6,C,2024-06-04,mug,7,{" "}
"""
CAMPAIGNS = """id,from,to,Code
P1,2024-03-04,2024-03-20,SPRING5
P2,2024-06-01,2024-06-20,SPRING5
P3,2024-07-01,2024-07-20,
"""
TOML = """zone = "UTC"
[events]
files = "lines.csv"
customer_id = "who"
ts = "when"
order_id = "order"
amount = "paid"
kind = { value = "purchase" }
[promotions]
files = "campaigns.csv"
promotion_id = "id"
starts_at = "from"
ends_at = "to"
kind = { value = "coupon" }
[responses]
files = "lines.csv"
rows_with = "code"
distinct = true
promotion_id = { column = "code", in_promotions = "code" }
customer_id = "who"
ts = "when"
kind = { value = "redeem" }
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "lines.csv").write_text(LINES)
    (tmp_path / "campaigns.csv").write_text(CAMPAIGNS)
    (tmp_path / "shop.toml").write_text(TOML)
    return tmp_path


def test_a_code_is_that_of_the_promotion_that_had_started_last(folder):
    shop = load_shop(folder)
    found = shop.responses.order_by("ts", "customer_id").execute()
    assert list(zip(found["customer_id"], found["promotion_id"], strict=True)) == [
        ("C", "P1"),  # before its start: still the only promotion that it can be
        ("A", "P1"),  # two lines of one order, in two cases: one redemption
        ("B", "P2"),
        ("C", "FRIENDS"),  # nobody lists it: kept, and counted as that of an unknown promotion
    ]
    # A cell of blanks holds nothing.
    said = "responses: 4 distinct of 7 rows with a code of lines.csv, as shop.toml says."
    assert said in shop.left_out
    assert shop.events.count().execute() == 7 and "code" in shop.events.columns
    assert "unknown_promotion" in {finding.check for finding in shop.check().findings}


def test_a_column_that_is_not_there_is_named_and_only_promotions_are_looked_up(folder):
    looked_up = 'order_id = { column = "order", in_promotions = "x" }'
    for theirs, ours, refusal, said in [
        ('in_promotions = "code"', 'in_promotions = "Cod"', spoilt, "did you mean 'Code'"),
        ('rows_with = "code"', 'rows_with = "cod"', spoilt, r"lines\.csv has no column 'cod'"),
        ('order_id = "order"', looked_up, refused, "only the promotion_id of exposures and resp"),
    ]:
        (folder / "shop.toml").write_text(TOML.replace(theirs, ours))
        refusal(said, load_shop, folder)


# Two currencies are never added up.

ROW = "A,2021-03-01,purchase,10,"
POUND, EURO, EUROS = f"{ROW}GBP\n", f"{ROW}EUR\n", 'currency = "EUR"\n'
OWN_NAME = f'{EUROS}[events]\ncurrency = "Preisangabe"\n'
UNNAMED = ("Währung", "country_currency", "Currency Code", "币种")


@pytest.fixture
def priced(tmp_path):
    def load(toml: str, rows: str, name: str = "currency"):
        text = f"customer_id,ts,kind,amount,{name}\n{rows}"
        (tmp_path / "events.csv").write_text(text, encoding="utf-8")
        (tmp_path / "shop.toml").write_text(f'zone = "UTC"\n{toml}', encoding="utf-8")
        return load_shop(tmp_path).events.amount.execute().tolist()

    return load


def test_a_second_currency_is_refused_and_so_is_another_than_the_shops(priced):
    many = "".join(f"{ROW}{3 * letter}\n" for letter in "ABCDEFG")
    pounds = r'says GBP \(1 row\), and shop\.toml says currency = "USD": say currency = "GBP", or'
    for said, *given in [
        (r"says EUR \(2 rows\) and GBP \(1 row\), and two", EUROS, f"{POUND}{EURO}{ROW}eur\n"),
        (pounds, "", POUND),
        (r"EEE \(1 row\) and 2 more, and two currencies", "", many),
        (r"says 100 @ \(1 row\) and EUR", "", f"{ROW}100 @\n{EURO}{EURO}"),
        ("Preisangabe says CHF", OWN_NAME, f"{ROW}CHF\n", "Preisangabe"),
        ("says EUR .* and GBP", OWN_NAME, f"{ROW}€\n{ROW}£\n", "Preisangabe"),
        # A column of currencies that nobody named is not passed over.
        *((rf"\.{n} says EUR .* and GBP .*, and", EUROS, POUND + EURO, n) for n in UNNAMED),
        (r'EUR \(1 row\), and shop\.toml says .*"USD"', "", EURO, UNNAMED[0]),
    ]:
        spoilt(said, priced, *given)
    refused(r"\[rates\] .*docs/which_method\.md", priced, "[rates]\nEUR = 0.86\n", EURO)


def test_amounts_of_one_currency_are_taken_whatever_its_column_or_sign(priced):
    assert priced(EUROS, f"{EURO}{ROW}\n") == [10, 10]
    assert priced(OWN_NAME, f"{ROW}€\n", "Preisangabe") == [10]
    # A sign of several currencies means the shop's own.
    assert priced('currency = "CAD"', f"{ROW}$\n") == [10]
    other = f'{EUROS}[events.attributes]\nother_currency = "Währung"\n'
    assert priced(other, POUND + EURO, "Währung") == [10, 10]


# Monthly files whose columns drift: said with the rows concerned, and read as one if told so.

HEAD = "customer_id,ts,kind,product_id"
MAY = f"{HEAD},revenue\nA,2023-05-01,purchase,P,7\nB,2023-05-02,purchase,P,8\n"
JUNE = f"{HEAD},amount\nA,2023-06-01,purchase,P,1\n"
MONTHS = 'zone = "UTC"\n[events]\nfiles = "*.csv"\n'


@pytest.fixture
def months(tmp_path):
    def write(toml: str = MONTHS, **files: str):
        for name, text in files.items():
            (tmp_path / f"{name}.csv").write_text(text)
        (tmp_path / "shop.toml").write_text(toml)
        return load_shop(tmp_path)

    return write


def test_a_column_under_several_names_is_one_the_first_not_empty_counts(months):
    for said in ('["amount", "revenue"]', '{ any = ["amount", "revenue"] }'):
        shop = months(f"{MONTHS}amount = {said}\n", may=MAY, june=JUNE)
        assert sorted(shop.events.amount.execute()) == [1, 7, 8]
        assert not shop.gaps and not {"revenue", "source_amount"} & set(shop.events.columns)
    two = f"{HEAD},total,paid\nA,2023-05-01,purchase,P,,3\nB,2023-05-01,purchase,P,2.5,4\n"
    toml = MONTHS.replace("*", "two")
    shop = months(f'{toml}amount = ["total", "paid", "not_there"]\n', two=two)
    assert shop.events.order_by("customer_id").amount.execute().tolist() == [3, 2.5]
    spoilt("has no column 'a' or 'b'", months, f'{toml}amount = ["a", "b"]\n')


def test_of_names_with_two_types_of_number_the_first_not_empty_counts(tmp_path):
    frame = pd.DataFrame({"customer_id": ["A", "B"], "ts": "2023-05-01", "kind": "purchase"})
    frame.assign(total=[float("nan"), 2.5], paid=[3, 4]).to_parquet(tmp_path / "events.parquet")
    toml = 'zone = "UTC"\n[events]\namount = ["total", "paid"]\n'
    (tmp_path / "shop.toml").write_text(toml)
    assert load_shop(tmp_path).events.order_by("customer_id").amount.execute().tolist() == [3, 2.5]


def test_a_column_that_some_files_lack_is_a_warning_by_the_contracts_name(months):
    shop = months(f'{MONTHS}amount = "Betrag"\n', may=MAY, june=JUNE.replace("amount", "Betrag"))
    assert [(gap.column, gap.rows) for gap in shop.gaps] == [("amount", 2)]
    shop = months(may=MAY, june=JUNE, july=JUNE.replace("-06-", "-07-"))
    (warned,) = [f for f in check(shop).findings if f.check == "missing_in_files"]
    assert (warned.table, warned.level, warned.rows) == ("events", "warn", 2)
    assert warned.sentence == (
        "events.amount is missing in 1 of 3 files (may.csv): 2 rows without it. If they call it "
        'otherwise, shop.toml can say both names: [events] amount = ["amount", "…"]'
    )


def test_names_that_differ_in_case_from_file_to_file_are_one_column(tmp_path):
    frame = pd.DataFrame({"customer_id": ["A"], "ts": "2023-05-01", "kind": "purchase"})
    (tmp_path / "events").mkdir()
    frame.assign(amount=1.0).to_parquet(tmp_path / "events" / "1.parquet")
    frame.assign(AMOUNT=2.0).to_parquet(tmp_path / "events" / "2.parquet")
    (tmp_path / "shop.toml").write_text('zone = "UTC"\n')
    assert sorted(load_shop(tmp_path).events.amount.execute()) == [1, 2]
