"""What `promolab init` proposes for made-up shops, and that it loads as it stands."""

import re
import tomllib
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd

import promolab
from promolab.onboarding.proposed import Proposal, propose, write_proposal
from promolab.sources.mapping import read_mapping
from tests.refused import refused, spoilt


def write(folder: Path, name: str, rows: list[str], encoding: str = "utf-8") -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(("\n".join(rows) + "\n").encode(encoding))
    return path


def said(proposal: Proposal) -> dict[str, Any]:
    """Return the proposal as it will be read; `read_mapping` has accepted it."""
    content = tomllib.loads(proposal.text)
    read_mapping({k: v for k, v in content.items() if isinstance(v, (dict, list))})
    return content


def flat(proposal: Proposal) -> str:
    """Return the proposal with each comment in one line."""
    return re.sub(r"\n#   ", " ", proposal.text)


def loaded(
    source: Proposal | Path | str, tmp_path: Path, zone: str = "Europe/London"
) -> promolab.Shop:
    """Open a source as proposed; what is missing is filled in."""
    proposal = source if isinstance(source, Proposal) else propose(source)
    text = re.sub(r'(?m)^# zone = ".*"$', f'zone = "{zone}"', proposal.text)
    text = re.sub(r"(?m)^# currency = ", "currency = ", text)
    toml = tmp_path / "filled.toml"
    toml.write_text(text, encoding="utf-8")
    return promolab.load_shop(proposal.run, settings=toml)


def by_kind(shop: promolab.Shop, value: str = "amount") -> dict[str, tuple[int, float]]:
    events = shop.events
    found = events.group_by("kind").aggregate(n=events.count(), v=events[value].sum()).execute()
    return {row.kind: (row.n, round(row.v or 0, 2)) for row in found.itertuples()}


def retail(folder: Path) -> Path:
    """Write invoice lines with cancellations, bad-debt adjustments and rows without a customer."""
    rows = ["InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country"]
    for i in range(300):
        time = datetime(2010, 12, 1, 8, 26) + timedelta(hours=i)
        written = f"{time.month}/{time.day}/{time.year} {time.hour}:{time.minute:02}"
        sign, start = (-1, "C") if i % 30 == 7 else (1, "A" if i == 150 else "")
        customer = "" if i % 5 == 0 else 12346 + i * 7 % 55
        rows.append(
            f'{start}{536365 + i // 4},{("85123A", "71053")[i % 2]},"HEART ""T"", LIGHT",'
            f"{sign * 2},{written},2.55,{customer},France"
        )
    return write(folder, "online_retail.csv", rows).parent


def test_an_export_of_invoice_lines(tmp_path):
    proposal = propose(retail(tmp_path / "shop"))
    prefixes = {"C": "return", "A": "adjustment"}
    assert said(proposal)["events"] == {
        "files": "online_retail.csv",
        "customer_id": "CustomerID",
        "ts": {"column": "InvoiceDate", "format": "%m/%d/%Y %H:%M"},
        "kind": {"column": "InvoiceNo", "starts_with": prefixes, "otherwise": "purchase"},
        "order_id": "InvoiceNo",
        "product_id": "StockCode",
        "amount": {"multiply": ["Quantity", "UnitPrice"]},
    }
    text = flat(proposal)
    assert "empty in 20 % of 300 rows: 60 will be quarantined" in text
    assert "C: 10 rows, 100 % below zero" in text
    assert "all 300 sampled values fit" in text
    assert "Kept, not used: Description, Country." in text
    assert "# MISSING: the time zone" in text and "# MISSING: the currency" in text
    assert "zone" not in said(proposal) and said(proposal)["naive_times"] == "local"
    assert "12346" not in text and "536365" not in text and "85123A" not in text
    assert "missing: zone and currency; no promotions" in " ".join(proposal.summary)
    shop = loaded(proposal, tmp_path)
    kinds = {"purchase": (289, round(289 * 5.1, 2)), "return": (10, -51.0)}
    assert by_kind(shop) == kinds | {"adjustment": (1, 5.1)}
    assert shop.events.ts.min().execute() == datetime(2010, 12, 1, 8, 26)
    assert shop.check().usable


def test_a_german_export_in_monthly_files(tmp_path):
    folder = tmp_path / "shop"
    header = "Kundennummer;E-Mail;Beleg;Datum;Uhrzeit;Artikelnummer;Warengruppe;Menge;Betrag"
    for month in ("01", "02"):
        rows = [
            f"{i % 7:05};k{i}@example.org;{month}{i // 2};{1 + i % 28:02}.{month}.2024;09:15;"
            f"A{i % 3};{['Möbel', 'Getränke', 'Möbel'][i % 3]};2;1.249,50;EUR"
            for i in range(40)
        ]
        write(folder, f"Verkäufe_2024-{month}.csv", [f"{header};Währung", *rows], "cp1252")
    proposal = propose(folder)
    events = said(proposal)["events"]
    assert events["files"] == "Verkäufe_*.csv" and events["encoding"] == "cp1252"
    assert (events["decimal"], events["thousands"]) == (",", ".")
    assert events["ts"] == {"columns": ["Datum", "Uhrzeit"], "format": "%d.%m.%Y %H:%M"}
    assert said(proposal)["currency"] == "EUR"
    assert said(proposal)["products"]["category"] == "Warengruppe"
    assert "left out of reports: E-Mail (e-mail addresses)" in proposal.text
    assert "@example" not in proposal.text
    shop = loaded(proposal, tmp_path, "Europe/Berlin")
    assert by_kind(shop) == {"purchase": (80, 80 * 1249.5)}
    assert shop.events.ts.min().execute() == datetime(2024, 1, 1, 8, 15)
    assert shop.events.customer_id.min().execute() == "00000"
    assert shop.products.count().execute() == 3


def test_a_chinese_export_in_gb18030(tmp_path):
    rows = ["用户ID,订单号,商品编码,类目,数量,单价,下单时间"]
    rows += [
        f"u{i % 9},D{i // 2},{i % 4},乳制品,2,¥3.50,2023年1月{1 + i % 28}日 7:30" for i in range(60)
    ]
    write(tmp_path / "shop", "订单明细.csv", rows, "gb18030")
    proposal = propose(tmp_path / "shop")
    assert said(proposal)["currency"] == "CNY"
    # Where columns have Chinese names, it says why in Chinese.
    assert "# 核对：其他货币也这样书写或称呼" in proposal.text
    assert "存疑：" in " ".join(proposal.summary)
    assert 'customer_id = "用户ID"  # 按名称；抽样的 60 行中有 9 个不同取值' in proposal.text
    assert said(proposal)["events"]["symbol"] == "¥"
    shop = loaded(proposal, tmp_path, "Asia/Shanghai")
    assert by_kind(shop) == {"purchase": (60, 420.0)}
    assert shop.events.ts.min().execute() == datetime(2022, 12, 31, 23, 30)


def test_a_clickstream_in_seconds(tmp_path):
    rows = ["user_id,item_id,category_id,behavior,ts"]
    words = ["pv", "pv", "cart", "fav", "buy"]
    rows += [f"{i % 9},{i % 6},{i % 2},{words[i % 5]},{1511544070 + i}" for i in range(100)]
    proposal = propose(write(tmp_path / "shop", "UserBehavior.csv", rows))
    events = said(proposal)["events"]
    assert events["kind"]["values"] == {"pv": "view", "buy": "purchase"}
    assert events["ts"] == {"column": "ts", "format": "epoch_s"}
    assert "no counterpart is known of 'fav' (20 rows)" in proposal.text
    assert "naive_times" not in said(proposal)
    assert "MISSING: an amount" in proposal.text
    shop = loaded(proposal, tmp_path)
    kinds = shop.events.kind.execute().value_counts().to_dict()
    assert kinds == {"view": 40, "cart": 20, "fav": 20, "purchase": 20}
    assert shop.events.ts.min().execute() == datetime(2017, 11, 24, 17, 21, 10)
    assert shop.products.count().execute() == 6


DATABASE = (
    "orders AS SELECT i AS order_id, 1 + i % 9 AS customer_id, TIMESTAMP '2024-01-01' "
    "+ INTERVAL (i) HOUR AS order_date, if(i % 10 = 0, 'cancelled', 'delivered') AS "
    "status, 2.5 AS total FROM range(100) t(i)",
    "order_items AS SELECT i AS order_id, i % 3 AS product_id, 1 AS quantity FROM range(100) t(i)",
    "items AS SELECT i AS product_id, 'c' || i AS category_name FROM range(3) t(i)",
    "campaigns AS SELECT i AS campaign_id, DATE '2024-01-02' AS start_date, "
    "DATE '2024-01-09' AS end_date, 'voucher' AS campaign_type FROM range(2) t(i)",
    "mailings AS SELECT 1 AS campaign_id, i AS customer_id, TIMESTAMP '2024-01-02' AS sent_at "
    "FROM range(1, 6) t(i)",
    "redemptions AS SELECT 1 AS campaign_id, 2 AS customer_id, TIMESTAMP '2024-01-03' "
    "AS redeemed_at",
    "users AS SELECT i AS user_id, 'n' || i AS first_name FROM range(1, 10) t(i)",
    "pageviews AS SELECT 1 + i % 9 AS user_id, TIMESTAMP '2024-01-01' AS viewed_time "
    "FROM range(50) t(i)",
    "misc AS SELECT 1 AS x",
)


def test_a_database_with_tables_of_all_sorts_and_its_address(tmp_path):
    database = tmp_path / "sales.duckdb"
    with duckdb.connect(str(database)) as con:
        for statement in DATABASE:
            con.execute(f"CREATE TABLE {statement}")
    proposal = propose(f"duckdb://{database}")
    assert proposal.toml is None and "--shop shop.toml" in proposal.next_step()
    refused("say where: --out FILE", write_proposal, proposal)
    refused("cannot be written", write_proposal, proposal, database / "no" / "shop.toml")
    proposal = propose(database)
    content = said(proposal)
    assert [part["table"] for part in content["events"]] == ["orders", "pageviews"]
    assert content["events"][1]["kind"] == {"value": "view"}
    assert content["promotions"]["kind"]["values"] == {"voucher": "coupon"}
    tables = {"products": "items", "customers": "users"}
    tables |= {"exposures": "mailings", "responses": "redemptions"}
    assert {table: content[table]["table"] for table in tables} == tables
    text = flat(proposal)
    assert "order_items looks like events by its name, but lacks a customer" in text
    assert "belong to those of orders by order_id" in text
    assert "Not known what these are, and not used: misc." in text
    shop = loaded(proposal, tmp_path)
    assert by_kind(shop) == {"purchase": (100, 250.0), "view": (50, 0)}
    assert shop.events.filter(shop.events.order_status == "cancelled").count().execute() == 10
    assert shop.lacks("response models") is None


def test_a_warehouse_is_asked_as_well(postgres, tmp_path):
    postgres.run("postgres", "CREATE DATABASE guessed")
    postgres.run(
        "guessed",
        "CREATE TABLE invoices AS SELECT CASE WHEN i % 20 = 0 THEN 'C' ELSE '' END || i AS "
        '"InvoiceNo", i % 9 AS "CustomerID", CASE WHEN i % 20 = 0 THEN -1 ELSE 2 END AS qty, '
        "1.50::numeric(10, 2) AS price, '31/12/2010 8:30' AS \"InvoiceDate\", 3 AS total_cents "
        "FROM generate_series(1, 100) t(i)",
    )
    events = said(propose(postgres.url("guessed")))["events"]
    assert events["table"] == "invoices"
    assert events["kind"]["starts_with"] == {"C": "return"}
    assert events["ts"] == {"column": "InvoiceDate", "format": "%d/%m/%Y %H:%M"}
    assert events["amount"] == {"column": "total_cents", "scale": 0.01}
    shop = loaded(postgres.url("guessed"), tmp_path)
    assert by_kind(shop) == {"purchase": (95, 2.85), "return": (5, 0.15)}


def test_what_is_shaped_as_the_contract_needs_no_section(tmp_path):
    events = {"customer_id": ["a", "b"], "kind": ["purchase", "view"], "amount": [1.0, None]}
    times = pd.to_datetime(["2024-01-01 10:00", "2024-01-02 11:00"], utc=True)
    pd.DataFrame(events | {"ts": times}).to_parquet(tmp_path / "events.parquet")
    write(tmp_path, "products.csv", ["product_id,category", "A1,tea"])
    proposal = propose(tmp_path)
    assert set(said(proposal)) == {"name"}
    assert proposal.text.count("It needs no section.") == 2
    assert loaded(proposal, tmp_path).products.count().execute() == 1


def test_what_a_sample_leaves_open_the_whole_column_decides_or_is_marked(tmp_path):
    rows = ["client;date;montant", *(f"c{i % 50};01/02/2024;1,5" for i in range(10_100))]
    write(tmp_path, "ventes.csv", [*rows, "c1;25/02/2024;1.200,00"])
    events = said(propose(tmp_path))["events"]
    assert events["ts"] == {"column": "date", "format": "%d/%m/%Y"}
    assert (events["decimal"], events["thousands"]) == (",", ".")
    write(tmp_path, "ventes.csv", [*rows, "c1;01/02/2024;sept"])
    doubt = flat(propose(tmp_path))
    assert "CHECK: %m/%d/%Y fits them all as well" in doubt
    assert "1 values that are no number" in doubt and "sept" not in doubt


def test_ids_as_floats_returns_by_sign_and_a_file_of_nothing(tmp_path):
    rows = ["cust_id,order_date,qty,price", "12345.0,2024-01-01T10:00:00Z,2,1.5"]
    write(tmp_path, "export.csv", [*rows, "12346.0,2024-01-02T10:00:00Z,-1,1.5"])
    (tmp_path / "empty.csv").touch()
    proposal = propose(tmp_path)
    events = said(proposal)["events"]
    assert events["customer_id"] == {"column": "cust_id", "whole": True}
    assert events["kind"] == {"column": "qty", "negative": "return", "otherwise": "purchase"}
    assert "Not read: empty.csv is empty (0 bytes)" in proposal.text
    assert "naive_times" not in said(proposal)
    shop = loaded(proposal, tmp_path)
    assert by_kind(shop) == {"purchase": (1, 3.0), "return": (1, -1.5)}
    assert set(shop.events.customer_id.execute()) == {"12345", "12346"}


def test_a_purchase_is_not_counted_twice(tmp_path):
    write(tmp_path, "orders.csv", ["order_id,customer_id,ts,amount", "1,a,2024-01-01,5"])
    lines = ["order_id,customer_id,ts,product_id,amount"]
    lines += ["1,a,2024-01-01,P,2", "1,a,2024-01-01,Q,3"]
    write(tmp_path, "order_lines.csv", lines)
    clicks = [f"a,2024-01-01 12:00:00 UTC,{kind}" for kind in ("view", "buy")]
    write(tmp_path, "clicks.csv", ["user_id,ts,action", *clicks])
    proposal = propose(tmp_path)
    text = flat(proposal)
    assert [part["files"] for part in said(proposal)["events"]] == ["clicks.csv", "order_lines.csv"]
    assert "orders.csv looks like events as well: not used, since order_lines.csv says more" in text
    assert "its purchases are left to the table of orders" in text
    shop = loaded(proposal, tmp_path, "Asia/Tokyo")
    assert by_kind(shop)["purchase"] == (2, 5.0)
    # Those of the log are UTC, as it says; those of the orders are the shop's own.
    assert shop.events.ts.max().execute() == datetime(2024, 1, 1, 12)
    assert shop.events.ts.min().execute() == datetime(2023, 12, 31, 15)


def test_nothing_that_looks_like_events_and_an_archive_are_refused(tmp_path):
    write(tmp_path, "weather.csv", ["day,rain", "2024-01-01,3"])
    write(tmp_path, "orders.csv", ["order_id,total", "1,3"])
    said = spoilt(r"nothing here looks like events: .*weather\.csv", propose, tmp_path)
    assert "orders.csv lacks a customer and a time that can be read" in said
    refused("there is no file or folder", propose, tmp_path / "nowhere")
    archive = tmp_path / "archives" / "sales.zip"
    archive.parent.mkdir()
    archive.write_bytes(b"PK")
    for open_it in (propose, promolab.load_shop):
        for source in (archive, archive.parent):
            spoilt("unzip it", open_it, source)


SALES = [
    "Customer No,date,dollars",
    *(f"{i % 40:04d},2024-01-{1 + i % 28:02d},{i}.50" for i in range(1, 200)),
]


def test_a_title_is_skipped_an_archive_named_and_money_called_dollars_an_amount(tmp_path):
    write(tmp_path, "sales.csv", ["Weekly sales, all shops", "", *SALES])
    (tmp_path / "older.zip").write_bytes(b"PK")
    proposal = propose(tmp_path)
    assert said(proposal)["events"]["skip"] == 2
    assert "older.zip is a zip archive" in flat(proposal)
    shop = loaded(proposal, tmp_path)
    assert by_kind(shop)["purchase"][0] == 199
    assert any("older.zip" in sentence for sentence in shop.left_out)
    write(tmp_path, "sales.csv", SALES)
    proposal = propose(tmp_path)
    assert said(proposal)["events"]["amount"] == "dollars" and said(proposal)["currency"] == "USD"
    assert "CHECK: other currencies are written or called so as well" in proposal.text


def test_a_customer_that_no_name_or_a_wrong_one_tells_is_found_by_its_values(tmp_path):
    write(tmp_path, "sales.csv", SALES)
    write(tmp_path, "members.csv", ["ref,city", *(f"{i:04d},Leeds" for i in range(50))])
    proposal = propose(tmp_path)
    assert said(proposal)["customers"]["customer_id"] == "ref"
    assert "those of Customer No in sales.csv" in flat(proposal)
    assert loaded(proposal, tmp_path).customers.count().execute() == 50
    people = ["customer_id,ref,city", *(f"c{i},{i:04d},Leeds" for i in range(50))]
    write(tmp_path, "members.csv", people)
    assert said(propose(tmp_path))["customers"]["customer_id"] == "ref"


def test_ids_that_match_without_their_zeros_or_nowhere_are_seen_before_and_after(tmp_path):
    for more, form, asked, told in [
        ([], "", "CHECK: without its leading zeros customer_id is Customer No in sales.csv", None),
        (["00117,2024-01-05,3.50"], "", "agree only without their leading", "would match without"),
        ([], "x", "is it the same id?", "not one matches"),
    ]:
        write(tmp_path, "sales.csv", [*SALES, *more])
        people = [f"{form}{i},Leeds" for i in range(50)]
        write(tmp_path, "customers.csv", ["customer_id,city", *people])
        proposal = propose(tmp_path)
        assert asked in flat(proposal)
        found = loaded(proposal, tmp_path).check().to_frame().set_index("check").sentence
        if told is None:
            digits = {"column": "customer_id", "digits": 4}
            assert said(proposal)["customers"]["customer_id"] == digits
            assert "unknown_customer" not in found
        else:
            assert told in found["unknown_customer"]


def test_where_numbers_are_written_in_two_ways_each_column_says_its_own(tmp_path):
    rows = [f"K{i % 9};{1 + i % 28:02}/05/2024 08:11;2.0;9,95 €;0,50 €" for i in range(60)]
    write(tmp_path, "orders.csv", ["Client;Date;Pieces;Total;Discount", *rows])
    write(tmp_path, "redeemed.csv", ["Campaign;Client;Date", "P1;K1;2024-05-01 08:00:00"])
    proposal = propose(tmp_path)
    own = {"column": "Discount", "decimal": ",", "symbol": "€"}
    assert said(proposal)["events"]["discount"] == own
    # A file of what was redeemed holds responses.
    assert said(proposal)["responses"]["kind"] == {"value": "redeem"}
    events = loaded(proposal, tmp_path).events
    found = events.aggregate(d=events.discount.sum(), q=events.quantity.sum())
    assert found.execute().round(2).to_numpy().tolist() == [[30.0, 120.0]]
