"""Their columns become the contract's: matched, kept, missed; text is read as stated or refused."""

import re
import tomllib
from datetime import datetime
from typing import Any

import ibis
import pandas as pd

from promolab.contract import Settings
from promolab.sources.columns import conform
from promolab.sources.mapping import read_mapping
from tests.refused import spoilt

CON = ibis.duckdb.connect(threads=1)


def conformed(section, frame, name="events", settings=None):
    table = CON.create_table("t", frame, overwrite=True)
    (part,) = read_mapping({name: section})[name]
    return conform(part, table, settings or Settings(zone="UTC"), "export.csv")


def events(said: str = "", settings: Settings | None = None, **columns):
    """Conform a small table of events; ``said`` is the text of its section."""
    frame = pd.DataFrame({"customer_id": ["A", "B"], "ts": "2021-03-01", "kind": "purchase"})
    made = conformed(tomllib.loads(said), frame.assign(**columns), settings=settings)
    return made.order_by("customer_id").execute()


def test_numbers_are_read_as_stated():
    for said, written, meant in [
        ("", ["12.50", "-3"], [12.5, -3.0]),
        ("", ["1e3", ".5"], [1000.0, 0.5]),
        ("", [" 7 ", ""], [7.0, None]),
        ('decimal = ","', ["12,50", "0,5"], [12.5, 0.5]),
        ('decimal = ","\nthousands = "."', ["1.234,56", "999"], [1234.56, 999.0]),
        ('thousands = ","', ["1,234", "1,234,567.8"], [1234.0, 1234567.8]),
        ('decimal = ","\nthousands = " "', ["1\u00a0234,5", "1 234,5"], [1234.5, 1234.5]),
        ('symbol = "£"', ["£12.50", "-£3"], [12.5, -3.0]),
        ('symbol = "€"\ndecimal = ","', ["12,50 €", "€ 3"], [12.5, 3.0]),
        ('decimal = ","\nthousands = "."', ["1.234", "-1"], [1234.0, -1.0]),
        ('thousands = ","\nsymbol = "$"', ["($1,037.50)", "$(2)"], [-1037.5, -2.0]),
        ('empty = ["N/A", "-"]', ["N/A", " - "], [None, None]),
        ('amount = { column = "amount", scale = 0.01 }', ["1250", "1"], [12.5, 0.01]),
        ('amount = { column = "amount", scale = -1 }', ["-3", "4"], [3.0, -4.0]),
    ]:
        got = events(said, amount=written)["amount"].tolist()
        assert [None if pd.isna(x) else x for x in got] == meant


def test_numbers_written_otherwise_are_refused():
    for said, written, message in [
        ("", "12,50", "that are no number, such as '12,50'; say what the comma means"),
        ("", "1,234", 'decimal = ","'),
        ("", "1_000", "no number, such as '1_000'"),
        ("", "£5", 'if £ is a currency sign, say symbol = "£"'),
        ("", "5 EUR", 'symbol = "EUR"'),
        # A decimal comma is not a separator of thousands.
        ('thousands = ","', "12,50", "no number, such as '12,50'"),
        ('decimal = ","', "1.234", "no number, such as '1.234'"),
        ('decimal = ","\nthousands = "."', "12.5", "no number, such as '12.5'"),
        ('symbol = "€"', "$5", "no number"),
    ]:
        spoilt(rf"events\.amount has 1 values.*{message}", events, said, amount=["1", written])


def test_a_product_of_columns_is_money_and_what_means_nothing_is_empty():
    said = 'amount = { multiply = ["Quantity", "UnitPrice"] }'
    got = events(said, Quantity=["3", "-2"], UnitPrice=["0.1", "2.55"])
    assert got["amount"].tolist() == [0.3, -5.1]
    # What was multiplied stays; the quantity is the contract's own by now.
    assert got["quantity"].tolist() == [3.0, -2.0] and "UnitPrice" in got.columns
    message = r"events\.amount \(from UnitPrice\) has 1 values"
    spoilt(message, events, said, Quantity=["3", "-2"], UnitPrice=["0.1", "x"])
    got = events('empty = "n/a"', product_id=["n/a", "P"], quantity=["n/a", "3"])
    assert got.product_id.isna().tolist() == [True, False]
    assert got.quantity.isna().tolist() == [True, False]


def test_times_are_read_as_stated():
    cases: list[tuple[str, list[str], list[Any]]] = [
        ("%d/%m/%Y", ["31/12/2010", "1/2/2011"], [(2010, 12, 31), (2011, 2, 1)]),
        ("%m/%d/%Y %H:%M", ["12/1/2010 8:26"] * 2, [(2010, 12, 1, 8, 26)] * 2),
        ("excel", ["40513.35", "40513"], [(2010, 12, 1, 8, 24), (2010, 12, 1)]),
        ("epoch_s", ["1291190400", "0"], [(2010, 12, 1, 8), (1970, 1, 1)]),
        ("epoch_ms", ["1291190400000", "1"], [(2010, 12, 1, 8), (1970, 1, 1, 0, 0, 0, 1000)]),
        ("%Y-%m-%d %H:%M%z", ["2010-12-01 08:00+01:00"] * 2, [(2010, 12, 1, 7)] * 2),
    ]
    for form, written, meant in cases:
        got = events(f'ts = {{ column = "when", format = "{form}" }}', when=written)["ts"]
        assert [t.to_pydatetime() for t in got] == [datetime(*parts) for parts in meant]
    said = 'ts = { columns = ["d", "h"], format = "%d.%m.%Y %H:%M", zone = "Europe/Berlin" }'
    got = events(said, d=["01.07.2021", "01.12.2021"], h=["10:00", "10:00"])["ts"]
    assert [t.hour for t in got] == [8, 9]
    both = ["31/12/2010", "12/31/2010"]
    for form, odd in [("%d/%m/%Y", "12/31/2010"), ("%m/%d/%Y", "31/12/2010")]:
        said = f'ts = {{ column = "when", format = "{form}" }}'
        spoilt(f"1 values that are no time written as .*'{odd}'", events, said, when=both)


def test_what_is_not_stated_is_not_guessed():
    for column, written, message in [
        ("ts", ["31/12/2010", "01/01/2011"], r"2 values that are no time.*whether day or month"),
        ("ts", ["40513.35", "40514"], 'as Excel counts them, need format = "excel"'),
        ("ts", ["1291190400", "1291190401"], 'format = "epoch_s"'),
        ("ts", ["20101201", "20101202"], '"%Y%m%d"'),
        ("ts", ["2021-02-30", "2021-02-01"], "1 values that are no time, such as '2021-02-30'"),
        ("ts", [1, 2], r"events\.ts is of type int64; expected a time such as"),
        ("amount", [True, False], r"events\.amount is of type boolean; expected a number"),
        ("customer_id", [1.0, 2.0], r"events\.customer_id holds float64 numbers; an id is text"),
        ("customer_id", ["12345.0", "12346"], r"floats \(such as '12345\.0'\).*whole = true"),
    ]:
        spoilt(message, events, **{column: written})


def test_ids_are_kept_as_text_or_whole():
    assert events(customer_id=["007", "010"])["customer_id"].tolist() == ["007", "010"]
    said = 'customer_id = { column = "k", whole = true }'
    assert events(said, k=["12345.0", "12346"])["customer_id"].tolist() == ["12345", "12346"]
    assert events(said, k=[12345.0, 12346.0])["customer_id"].tolist() == [12345, 12346]
    spoilt(r"1 ids that are not whole, such as 1\.5", events, said, k=[1.5, 2.0])
    said = 'customer_id = { column = "customer_id", whole = true }'
    for wrong in ("12345.5", "1.2345E+04"):
        told = f"1 ids that are not whole, such as '{re.escape(wrong)}'"
        spoilt(told, events, said, customer_id=["12345.0", wrong])
    got = events(said, customer_id=["12345.0", "00777.00"])
    assert got.customer_id.tolist() == ["00777", "12345"]


def test_kinds_by_word_by_beginning_and_by_sign_or_brackets():
    sign = 'column = "k", negative = "return", otherwise = "purchase"'
    start = 'column = "k", starts_with = { C = "return" }, otherwise = "purchase"'
    for said, written, meant in [
        ('column = "k", values = { buy = "purchase", pv = "view" }', ["buy", "fav"], "fav"),
        (start, ["536", "C536"], "return"),
        (sign, [2, -1], "return"),
        (sign, ["5.00", "(5.00)"], "return"),
    ]:
        got = events(f"kind = {{ {said} }}", k=written)["kind"].tolist()
        assert got == ["purchase", meant]
    assert events('kind = { value = "view" }')["kind"].tolist() == ["view", "view"]


def test_words_for_yes_and_no_are_the_usual_ones_or_theirs():
    frame = pd.DataFrame({"product_id": ["A", "B"], "category": "x", "eigen": ["J", "N"]})
    frame["private_label"] = ["TRUE", "0"]
    stated = {"private_label": {"column": "eigen", "values": {"J": True, "N": False}}}
    for section in ({}, stated):
        got = conformed(section, frame, "products").order_by("product_id").execute()
        assert got["private_label"].tolist() == [True, False]
    told = r"private_label .* no true or false, such as 'perhaps'"
    spoilt(told, conformed, {}, frame.assign(private_label="perhaps"), "products")


WHO = {"CustomerID": ["A", "A"], "TS": "2021-03-01", "Kind": "view"}
FRAME = pd.DataFrame({**WHO, "Colour": ["red", "blue"]})


def test_columns_called_alike_need_no_line_and_missing_ones_name_the_nearest():
    made = conformed({"customer_id": "customerid"}, FRAME)
    assert made.columns == ("customer_id", "ts", "kind", "Colour")
    spoilt(r"\[events\] customer_id: export\.csv has no", conformed, {"customer_id": "Cust"}, FRAME)
    spoilt("did you mean 'CustomerID'", conformed, {"customer_id": "CustomrID"}, FRAME)
    money = {"customer_id": "CustomerID", "currency": "Cur"}
    spoilt(r"currency: export\.csv has no column 'Cur'", conformed, money, FRAME)
    said = "lacks the required column 'customer_id'; did you mean 'CustomerID'.*if export"
    said += r'\.csv calls it otherwise, shop\.toml says so: \[events\] customer_id = "…"'
    spoilt(said, conformed, {}, FRAME)


def test_columns_of_the_contracts_names_distinct_rows_and_attributes_keep_their_own():
    frame = FRAME.assign(amount=["x", "y"], paid=[1.5, 2.5])
    made = conformed({"customer_id": "CustomerID", "amount": "paid"}, frame)
    got = made.order_by("Colour").execute()
    assert got["amount"].tolist() == [2.5, 1.5] and got["source_amount"].tolist() == ["y", "x"]
    lines = pd.DataFrame({"sku": ["1", "1", "2"], "group": ["a", "a", "b"], "price": [1, 2, 3]})
    section = {"product_id": "sku", "category": "group", "distinct": True}
    made = conformed(section, lines, "products")
    assert made.columns == ("product_id", "category") and made.count().execute() == 2
    frame = pd.DataFrame({"id": ["A"], "Alter": [44], "Stadt": ["Ulm"]})
    made = conformed({"customer_id": "id", "attributes": {"age": "Alter"}}, frame, "customers")
    assert made.execute().to_dict("records") == [{"customer_id": "A", "age": 44, "Stadt": "Ulm"}]
