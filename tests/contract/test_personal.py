"""Personal columns: found by name or value, left out, kept on request, and never written."""

from itertools import product
from typing import Any

import nbformat
import pandas as pd
import pytest

import promolab
from promolab.contract import Shop
from promolab.contract.checks import check
from promolab.contract.personal import personal_columns
from promolab.contract.personal_looks import by_name, by_shape, by_value, shown_value
from tests.made_up import shop_of
from tests.refused import refused, spoilt


def corner(keep: tuple[str, ...] = (), **tables: pd.DataFrame) -> Shop:
    return shop_of(tables, name="Corner", keep_personal=keep)


def customers(**columns: object) -> pd.DataFrame:
    return pd.DataFrame({"customer_id": ["A", "B", "C"], **columns})


def test_a_name_or_half_of_the_values_say_what_a_column_holds():
    for column, what in [
        *((name, "e-mail") for name in ("email", "E-Mail", "mail_address", "email_2", "邮箱")),
        *((name, "phone") for name in ("Phone", "phoneNumber", "mobile", "tel", "手机", "电话")),
        *((name, "names") for name in ("name", "first_name", "FirstName", "surname", "vorname")),
        *((name, "names") for name in ("customer_name", "billing_full_name", "prenom", "姓名")),
        *((name, "addresses") for name in ("address_1", "shipping_street", "地址")),
        *((name, "birth dates") for name in ("dob", "DateOfBirth", "customer_birth_date")),
        *((name, "birth dates") for name in ("Geburtsdatum", "fecha_nacimiento", "出生日期")),
        *((name, "birth dates") for name in ("date_de_naissance", "data_di_nascita", "birthday")),
        *((name, None) for name in ("birth_year", "birth_month", "birth_country", "Geburtsjahr")),
        *((name, "identity") for name in ("tax_id", "SSN", "Steuer-ID", "codice_fiscale")),
        *((name, "identity") for name in ("NIF", "cpf", "customer_tax_number", "身份证号码")),
        *((name, None) for name in ("tax_rate", "tax_class", "id_type", "unborn", "panel")),
        *((name, None) for name in ("store_name", "product_name", "brand_name", "campaign_name")),
        *((name, None) for name in ("file_name", "channel", "email_opt_in", "household_size")),
        *((name, None) for name in ("age", "home_ownership", "mobile_app", "emailed", "naming")),
    ]:
        found = by_name(column)
        assert found is None if what is None else found is not None and what in found
    for value, what in [
        *((v, "e-mail addresses") for v in ("ana@example.org", "Ana <a.b@mail.example.co.uk>")),
        *((v, "phone numbers") for v in ("+49 171 1234567", "+8613812345678", "(555) 123-4567")),
        *((v, "phone numbers") for v in ("0171/1234567", "555-123-4567", "138 1234 5678")),
        *((v, None) for v in ("13812345678", "41234567890", "0012345678", "2017-10-29", "50-74K")),
        *((v, None) for v in ("29.10.2017", "12345-6789", "1 234 567", "978-3-16-148410-0")),
        *((v, None) for v in ("@handle", "a@b", "2017-10-29 12:00", "3.14159265", "1,234,567")),
    ]:
        assert by_value([value], "", is_id=False) == what
    assert by_value(["a@b.org", "n/a"], "", is_id=False) == "e-mail addresses"
    assert by_value(["a@b.org", "n/a", "none"], "", is_id=False) is None


def test_columns_are_found_by_name_value_or_a_single_address_with_the_reason():
    given: dict[str, Any] = {"vorname": ["Ana", "Bo", None], "mobil": ["ios", "android", "ios"]}
    given |= {"contact": ["a@b.org", "c@d.org", None], "mobile": [13812345678, 13912345678, 0]}
    given |= {"details": [{"mail": f"{name}@b.org"} for name in "abc"]}
    given |= {"age": ["25-34", "35-44", "45-54"], "email_opt_in": [True, False, True]}
    goods = pd.DataFrame({"product_id": ["P"], "category": ["TEA"], "name": ["Green tea"]})
    days = pd.DataFrame({"name": ["Easter"]})
    found = personal_columns(corner(customers=customers(**given), products=goods, calendar=days))
    looks = {"vorname": "names of people", "contact": "e-mail addresses"}
    looks |= {"mobile": "phone numbers", "details": "e-mail addresses"}
    assert found.found == {f"customers.{k}": f"looks like {what}" for k, what in looks.items()}
    n = 20_500  # beyond the sample
    frame = pd.DataFrame({"customer_id": range(n), "size": "2 @ 3.50"})
    frame["remark"] = ["ok"] * (n - 1) + ["write to ana@example.org please"]
    frame["extra"] = pd.Series([None] * (n - 1) + ["a@b.org"], dtype="string")
    assert personal_columns(corner(customers=frame)).found == {
        "customers.remark": "holds e-mail addresses in 1 row",
        "customers.extra": "looks like e-mail addresses",
    }


def test_names_of_people_and_numbers_are_told_by_their_shape():
    first, last = ("Anna", "Ben", "Clara", "Dirk", "Eva", "Finn"), ("Schmidt", "Berg", "O'Neil")
    full = [" ".join(name) for name in product(first, last)]
    who = [n // 3 for n in range(3 * len(full))]  # three events a customer
    columns: dict[str, Any] = {"customer_id": who, "buyer_said": [full[n] for n in who]}
    columns |= {"user": "Anna Schmidt", "ref": [f"0170{1_000_000 + n}" for n in range(len(who))]}
    columns |= {"ean": [f"0{41_000_000_000 + n}" for n in range(len(who))]}
    columns |= {"item": [("Green Tea", "Red Mug", "Big Lamp")[n % 3] for n in range(len(who))]}
    columns |= {"city": [("New York", "San Diego", "Las Vegas")[n % 3] for n in who]}
    columns |= {"code": [f"A{n}" for n in who]}
    frame = pd.DataFrame(columns)
    products = pd.DataFrame({"product_id": full, "label": full, "ref": "01701234567"})
    looks = {"buyer_said": "names of people", "user": "names of people", "ref": "phone numbers"}
    found = personal_columns(corner(events=frame, products=products))
    assert found.found == {f"events.{k}": f"looks like {what}" for k, what in looks.items()}


def test_a_value_is_masked_where_it_looks_personal():
    for value, what in [
        ("ana@example.org", "an e-mail address"),
        ("write to ana@example.org", "an e-mail address"),
        (" +49 171 1234567", "a phone number"),
        ("01701234567", "a phone number"),
        *((v, None) for v in ("1,037.50", "2017-10-29 12:00", "29.10.2017", "01/03/2017", "@x")),
        *((v, None) for v in ("0000012345", "13812345678", "-5", "", "12.10 €", "2 @ 3.50")),
    ]:
        told = value if what is None else f"a value that looks like {what}"
        assert shown_value(value) == told
    assert shown_value("x" * 60) == "x" * 60 and shown_value("x" * 61) == "x" * 59 + "…"
    assert by_shape(["Anna Schmidt"], people=False) is None
    assert by_shape(["BIG SALE", "Anna"], people=True) is None


def test_columns_of_the_contract_are_what_it_says():
    reviews = customers(product_id="P", ts=pd.Timestamp("2017-01-01"), text="mail me: a@b.org")
    # An id of eleven digits is an id, and so is one with dashes.
    ids = customers(order_id=["555-123-4567"] * 3, store_id=["13812345678"] * 3)
    assert not personal_columns(corner(reviews=reviews, events=ids)).found


def test_personal_columns_are_dropped_but_those_to_keep_and_it_is_said():
    frame = customers(email="a@b.org", phone="+49 171 1234567", age="25-34")
    kept = corner(customers=frame).without_personal()
    assert list(kept.tables["customers"].columns) == ["customer_id", "age"]
    assert kept.left_out == (
        "customers.email and customers.phone look like personal data and are left out of all that "
        'is written; to keep them, write keep_personal = ["customers.email", "customers.phone"] '
        "in shop.toml.",
    )
    assert kept.without_personal().left_out == kept.left_out
    one = corner(("customers.email",), customers=frame).without_personal()
    assert list(one.tables["customers"].columns) == ["customer_id", "email", "age"]
    assert [s.partition(" ")[0] for s in one.left_out] == ["customers.phone", "customers.email"]
    assert "is kept, since keep_personal" in one.left_out[1]
    for wrong, said in (("customers.emial", r"'customers\.email'"), ("x", 'write "table')):
        refused(said, personal_columns, corner((wrong,), customers=frame))


@pytest.mark.parametrize("values", [["a@b.org", "c@d.org", "e@f.org"], ["+49 1711234567"] * 3])
def test_an_id_that_is_personal_stops_the_shop(values):
    frame = pd.DataFrame({"customer_id": values, "ts": pd.Timestamp("2017-01-01"), "kind": "view"})
    shop = corner(events=frame)
    (stop,) = [f for f in check(shop).findings if f.level == "stop"]
    assert (stop.table, stop.check) == ("events", "personal_id")
    assert 'keep_personal = ["events.customer_id"]' in stop.sentence
    spoilt("use another id", shop.without_personal)
    assert check(corner(("events.customer_id",), events=frame)).usable


SECRETS = {"email": "ana.maria{}@secret-post.example", "phone": "+49 171 99887{:02}"}
SECRETS |= {"first_name": "Annegret{}", "notes_to": "bo{}@other-secret.example"}


def secret_frame(rows: int) -> pd.DataFrame:
    """Purchases of one customer a row, with two equal rows and one without a time."""
    frame = pd.DataFrame({"customer_id": [f"C{n}" for n in range(rows)], "kind": "purchase"})
    days = pd.Series(pd.date_range("2017-03-01", periods=rows - 1))  # one fewer than rows
    frame = frame.assign(ts=days, amount=2.5)
    frame = frame.assign(**{c: [*map(text.format, range(rows))] for c, text in SECRETS.items()})
    return pd.concat([frame, frame.head(1)], ignore_index=True)


def test_nothing_personal_reaches_the_run_folder(tmp_path, repository, capsys):
    source, folder = tmp_path / "shop", tmp_path / "reports" / "2017-W44"
    source.mkdir()
    frame = secret_frame(30)
    frame.to_parquet(source / "events.parquet")
    people = frame.drop(columns=["ts", "kind", "amount"]).drop_duplicates("customer_id")
    people.assign(age="25-34").to_csv(source / "customers.csv", index=False)
    (source / "shop.toml").write_text('name = "Corner"\nzone = "UTC"\n', encoding="utf-8")
    names: dict[str, object] = {}
    for cell in nbformat.read(repository / "notebooks" / "01_data.ipynb", as_version=4).cells:
        if cell.cell_type == "code":
            exec(cell.source, names)
        if "parameters" in cell.metadata.get("tags", []):
            names |= {"source": str(source), "folder": str(folder), "threads": 1}
    written = [path for path in folder.rglob("*") if path.is_file()]
    assert {p.name for p in written} >= {"events.parquet", "quarantine.parquet", "metrics.json"}
    everything = capsys.readouterr().out
    for path in written:
        everything += path.read_bytes().decode("utf-8", errors="replace")
        if path.suffix == ".parquet":  # its pages are compressed
            everything += pd.read_parquet(path).to_csv()
    for secret in ("secret-post", "99887", "Annegret", "other-secret"):
        assert secret not in everything
    # The rows went all the same, and the quarantine shows what may be shown of them.
    quarantine = pd.read_parquet(folder / "tables" / "quarantine.parquet")
    assert quarantine["rule"].tolist() == ["duplicate", "missing_key"]
    assert '"customer_id":"C0"' in quarantine["row"].iloc[0]
    assert "customers.email, customers.phone" in (folder / "metrics.json").read_text("utf-8")
    assert "age" in pd.read_parquet(folder / "shop" / "customers.parquet").columns


def test_rows_that_differ_in_a_personal_column_alone_are_no_duplicates(tmp_path):
    frame = secret_frame(3).head(2).assign(customer_id="C", ts=pd.Timestamp("2017-03-01"))
    cleaned, report = promolab.clean(corner(events=frame))
    assert report.rules.empty
    shop = cleaned.without_personal()
    assert shop.events.count().execute() == 2 and "email" not in shop.events.columns
