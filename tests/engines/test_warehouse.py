"""A warehouse as a source: a real PostgreSQL answers as DuckDB does, and keeps its secrets."""

import gc
import importlib.util
import logging
import traceback
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import duckdb
import ibis
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

import promolab
from promolab.campaign.past.outcomes import known_before, sales_between
from promolab.campaign.past.schedule import timeline
from promolab.cli import main
from promolab.contract import Settings, Shop
from promolab.engines import connection as warehouse
from promolab.engines import is_url, until_next
from promolab.engines.connection import connect_url, list_their_tables, read_their_table
from promolab.engines.duckdb_answers import template_of
from promolab.errors import DataError, InputError, MissingExtraError, StepError
from promolab.sales import data_overview
from promolab.sources.mapping import Value
from promolab.sources.parsing import to_time
from tests._postgres import PASSWORD
from tests.made_up import cut
from tests.refused import refused, spoilt
from tests.two_engines import MOMENT, NOW, RESULTS, dirty_shop, same, same_cleaning


@pytest.fixture(scope="module")
def shops(postgres) -> Iterator[tuple[Shop, Shop]]:
    """One dirty shop twice: in DuckDB and in PostgreSQL."""
    here = dirty_shop()
    con = connect_url(postgres.fill("shop", here.tables))
    yield here, here.with_tables({name: read_their_table(con, name) for name in here.tables})
    con.disconnect()


@pytest.fixture(scope="module")
def cleaned(shops) -> list[tuple[Shop, Any]]:
    return [promolab.clean(shop, NOW) for shop in shops]


@pytest.mark.parametrize("name", [n for n in RESULTS if n != "features"])  # those: uncleaned
def test_features_and_pairs_are_the_same_as_on_duckdb(cleaned, name):
    (here, _), (there, _) = cleaned
    assert there.backend.name == "postgres"
    same(RESULTS[name](here), RESULTS[name](there))


def test_a_shop_that_was_not_cleaned_gives_the_same_and_dates_are_looked_up_at_once(shops):
    here, there = shops
    months = there.events.select(as_of=there.events.ts.truncate("M")).distinct()
    assert "LATERAL" not in there.backend.compile(until_next(there.events, months)).upper()
    # Ids that are empty have features of their own here: nobody cleaned them away.
    same(RESULTS["features"](here), RESULTS["features"](there))
    one, other = here.check(), there.check()
    same(one.to_frame(), other.to_frame())
    assert one.counts == other.counts
    spans = [cut(shop, NOW).span() for shop in shops]
    assert spans[0] == spans[1]


def test_cleaning_campaigns_and_pages_count_the_same_rows(cleaned):
    same_cleaning(cleaned)
    assert set(cleaned[0][1].rules["rule"]) >= {
        *("missing_key", "unknown_kind", "not_finite", "negative_amount", "negative_quantity"),
        *("outside_life", "ends_before_start", "unknown_promotion", "duplicate", "repeated_key"),
        *("odd_unit", "zero_quantity", "zero_amount", "unknown_product", "extreme_customer"),
    }
    days = ["2021-02-01", "2021-05-01", "2021-03-01", "2021-06-01 02:00"]
    spans = pd.DataFrame(np.reshape(days, (2, 2)).T, columns=["low", "high"])
    spans = spans.apply(pd.to_datetime, format="mixed").rename_axis("span").reset_index()
    for counted in (
        lambda shop: sales_between(shop, spans),
        lambda shop: known_before(shop, [MOMENT]),
        lambda shop: timeline(shop, MOMENT),
        lambda shop: data_overview(shop).days,
    ):
        same(*(counted(shop) for shop, _ in cleaned))


def test_a_table_is_written_as_duckdb_writes_it_and_a_part_at_a_time(shops, tmp_path, monkeypatch):
    for number, shop in enumerate(shops):
        rows = shop.events.order_by(list(shop.events.columns))
        warehouse.write_parquet(rows, tmp_path / f"{number}.parquet")
    here, there = (pq.read_table(tmp_path / f"{number}.parquet") for number in (0, 1))
    assert here.schema.equals(there.schema) and here.to_pandas().equals(there.to_pandas())
    monkeypatch.setattr(warehouse, "ROWS_AT_ONCE", 100)
    warehouse.write_parquet(shops[1].events, tmp_path / "events.parquet")
    file = pq.ParquetFile(tmp_path / "events.parquet")
    assert file.num_row_groups == -(-shops[0].events.count().execute() // 100)


def test_nothing_of_theirs_is_changed(shops, postgres):
    con = shops[1].backend
    for statement in ("DELETE FROM events", "CREATE TABLE mine (a int)"):
        spoilt("read-only", con.raw_sql, statement)
    with pytest.raises(NotImplementedError):
        con.create_table("mine", shops[1].events)
    assert list_their_tables(connect_url(postgres.url("shop"))) == sorted(shops[0].tables)


ODD = """
CREATE SCHEMA sales;
CREATE TYPE sort AS ENUM ('purchase', 'return');
CREATE TABLE sales."Orders" (id uuid, ts timestamptz, kind sort, amount numeric,
 rest numeric(10, 2), note varchar(5), code char(4));
INSERT INTO sales."Orders" VALUES ('a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11',
 '2021-03-28 02:30+02', 'return', 'NaN', 1.5, 'é', 'ab');
CREATE VIEW customers AS SELECT 1 AS "customer_id";
"""


def test_tables_of_other_schemas_and_odd_types_are_read(postgres):
    postgres.run("postgres", "CREATE DATABASE odd")
    postgres.run("odd", ODD)
    con = connect_url(postgres.url("odd"))
    assert list_their_tables(con) == ["customers", "sales.Orders"]
    orders = read_their_table(con, "sales.Orders")
    row = orders.execute().iloc[0]
    assert row[["kind", "rest", "note"]].tolist() == ["return", 1.5, "é"]
    assert row["id"] == "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11" and row["code"].strip() == "ab"
    assert np.isnan(row["amount"]) and orders.amount.type().is_floating()
    naive = orders.ts.cast("timestamp('UTC')").cast("timestamp").execute().iloc[0]
    assert naive == pd.Timestamp("2021-03-28 00:30")
    assert read_their_table(con, "public.customers").execute().customer_id.tolist() == [1]
    of_sales = list_their_tables(connect_url(postgres.url("odd/sales")))
    assert of_sales == ["Orders", "public.customers"]
    spoilt("'sales.orders'; did you mean 'sales.Orders'", read_their_table, con, "sales.orders")


def read_in_both(shops: Any, texts: list[str], read: Any) -> list[Any]:
    """Return what texts are read as by DuckDB; by the other engine it is the same."""
    found = []
    for con in (shop.backend for shop in shops):
        table = con.create_table(ibis.util.gen_name("texts"), pd.DataFrame({"v": texts}), temp=True)
        made = table.select("v", made=read(table.v, con.name)).execute().set_index("v").made
        found.append([None if pd.isna(made[text]) else made[text] for text in texts])
    assert found[0] == found[1]
    return found[0]


def test_text_that_cannot_be_cast_is_null_as_in_duckdb(shops):
    texts = {
        "float64": ["1.5", " -2e3 ", "1,5", "", ".5", "x", "5."],
        "int64": ["12", "-7", "x1", ""],
        "boolean": ["true", "f", "yes?", ""],
        "timestamp": [
            *("2021-02-28 10:00", "2021-02-29", "2020-02-29", "2021-13-01", "now", "x", ""),
            *("2021-3-5T8:05:01.25", "2021/03/05 24:01", "2021-04-31", "2000-02-29 00:00:00"),
        ],
        "timestamp('UTC')": ["2021-03-05 10:00:00+02:00", "2021-03-05 10:00:00Z", "2021-13-01"],
    }
    for kind, values in texts.items():
        read_in_both(shops, values, lambda text, _, kind=kind: text.try_cast(kind))


def read_time(form: str, text: Any, engine: str) -> Any:
    return to_time("ts", text, Value(format=form), Settings(zone="UTC"), engine)[0]


def test_times_in_a_format_are_read_as_in_duckdb(shops):
    for form, texts in [
        ("%m/%d/%Y %H:%M", ["12/1/2010 8:26", "31/12/2010 10:00", "02/30/2010 1:00", "", "1/2/3"]),
        ("%m/%d/%Y %H:%M", ["1/1/2010 8:26 PM", "1/2/2010", "2/29/2012 23:59", "1/2/2010 24:00"]),
        ("%d.%m.%y", ["01.02.69", "01.02.68", "31.04.21", "1.2.2021"]),
        ("%Y%m%d", ["20210305", "20210229", "2021"]),
        ("%d %b %Y %I:%M %p", ["5 Mar 2021 12:10 AM", "5 mar 2021 1:10 pm", "5 Foo 2021 1:10 PM"]),
        ("%Y-%m-%dT%H:%M:%S.%f%z", ["2021-03-05T10:00:00.250+0200", "2021-03-05T10:00:00.250"]),
    ]:
        found = read_in_both(shops, texts, partial(read_time, form))
        assert any(found) and not all(found)


TOML = """
name = "Retail"
zone = "Europe/London"

[events]
table = "erp.Invoices"
decimal = ","
thousands = "."
customer_id = { column = "CustomerID", whole = true }
ts = { column = "InvoiceDate", format = "%m/%d/%Y %H:%M" }
kind = { column = "InvoiceNo", starts_with = { C = "return" }, otherwise = "purchase" }
amount = { multiply = ["Quantity", "UnitPrice"] }
"""
INVOICES = """
CREATE SCHEMA erp;
CREATE TABLE erp."Invoices" ("InvoiceNo" text, "Quantity" int, "InvoiceDate" text,
 "UnitPrice" text, "CustomerID" text);
INSERT INTO erp."Invoices" VALUES ('5', 6, '7/1/2010 8:26', '1.002,55', '17850.0'),
 ('C5', -1, '12/1/2010 9:41', '27,5', '14527'), ('7', 1, '3/28/2010 1:30', '0,1', NULL);
"""


def test_a_shop_is_mapped_where_it_lies(postgres, tmp_path):
    toml = tmp_path / "shop.toml"
    toml.write_text(TOML, encoding="utf-8")
    with duckdb.connect(str(tmp_path / "shop.duckdb")) as con:
        con.execute(INVOICES)
    postgres.run("postgres", "CREATE DATABASE retail")
    postgres.run("retail", INVOICES)
    urls = (f"duckdb://{tmp_path}/shop.duckdb", postgres.url("retail"))
    here, there = (promolab.load_shop(url, settings=toml) for url in urls)
    same(*(shop.events.order_by("ts").execute() for shop in (here, there)))
    assert there.events.amount.sum().execute() == pytest.approx(6 * 1002.55 - 27.5 + 0.1)
    postgres.run("retail", 'UPDATE erp."Invoices" SET "InvoiceDate" = \'30/12/2010 8:00\'')
    spoilt("no time written as", promolab.load_shop, postgres.url("retail"), settings=toml)


PASSWORDS = """
    postgres://ann:s3cret@host/shop postgresql://ann:s3cret${REST}@host/shop
    postgres://ann:s3/cret@host/shop postgres://ann:s3?cret@host/shop
    postgres://ann:s3#cret@host/shop postgres://ann:s3@cret@host/shop
    postgres://host/shop?user=ann&password=s3cret postgres://host/shop?sslpassword=s3cret
    snowflake://host/shop?TOKEN=s3cret duckdb://file?motherduck_token=s3cret
"""


@pytest.mark.parametrize("url", PASSWORDS.split())
def test_a_password_in_an_address_is_refused_and_not_repeated(url):
    with pytest.raises(InputError, match="write no password into the address") as caught:
        connect_url(url)
    silent_on(["s3", "cret", "ann"], caught.value)


def silent_on(secrets: list[str], error: BaseException, more: str = "") -> None:
    """Check that an error shows no secret, its causes and its traceback included."""
    shown_anywhere = repr(error) + "".join(traceback.format_exception(error)) + more
    assert not [secret for secret in secrets if secret in shown_anywhere]


def test_an_address_and_a_drivers_error_are_shown_without_secrets(monkeypatch):
    assert warehouse.shown("postgres://ann:${P}@host:5433/shop?a=b") == "postgres://host:5433/shop"
    assert warehouse.shown("duckdb:///data/a@b.duckdb") == "duckdb:///data/a@b.duckdb"
    assert [is_url(s) for s in ("duckdb://a", "folder", "C://a", Path("a"))] == [True, *[False] * 3]
    monkeypatch.setenv("WORD", "a b/c@d")
    monkeypatch.setenv("PGPASSWORD", "other-secret")
    url = "postgres://ann:${WORD}@host/shop"
    text = 'postgres://ann:a%20b%2Fc%40d@host/shop or "a b/c@d", a+b%2Fc%40d, other-secret'
    error = RuntimeError(f'{text} for user "ann"\nsecond line')
    said = warehouse.sentence(error, url)
    assert said == ('postgres://host/shop or "${WORD}", ${WORD}, ${PGPASSWORD} for the user')


def test_a_wrong_address_and_a_driver_that_is_not_installed_are_said(monkeypatch):
    for url, said in [
        ("postgres://ann:${NOT_SET}@host/shop", "environment variable NOT_SET"),
        ("postgrs://host/shop", "did you mean 'postgres'"),
        ("duckdb://no/such.duckdb", "there is no DuckDB file"),
        ("sqlite:///no/such.sqlite", "there is no file"),
        ("postgres://host:x/shop", "a port that is no number"),
    ]:
        refused(said, connect_url, url)
    refused("not %j", template_of, "%Y %j")
    refused("states no day", template_of, "%H:%M")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"promolab\[postgres\]"):
        connect_url("postgres://host/shop")
    refused(r"ibis-framework\[impala\]", connect_url, "impala://host/shop")


def test_a_duckdb_file_is_read_as_a_warehouse(tmp_path):
    path = tmp_path / "their shop@home.duckdb"
    made = "CREATE TABLE events (a INT); CREATE SCHEMA crm; CREATE VIEW crm.v AS SELECT 1 b"
    with duckdb.connect(str(path)) as con:
        con.execute(made)
    con = connect_url(f"duckdb://{path}", threads=1)
    assert list_their_tables(con) == ["crm.v", "events"]
    assert read_their_table(con, "crm.v").execute().b.tolist() == [1]
    assert read_their_table(con, "main.events").columns == ("a",)
    spoilt("did you mean 'events'", read_their_table, con, "event")
    (tmp_path / "no.duckdb").write_text("no database")
    spoilt("is no DuckDB file", connect_url, f"duckdb://{tmp_path}/no.duckdb")


def test_a_server_that_fails_is_said_without_secrets(postgres, monkeypatch, capfd, caplog):
    monkeypatch.setenv("WORD", "wr0ng/word")
    caplog.set_level(logging.DEBUG)
    for url, said in [
        ("postgres://ann:${WORD}@127.0.0.1:1/shop", "//127.0.0.1:1/shop cannot be reached"),
        (postgres.url("postgres", user="locked:${WORD}"), "refuses the login"),
        (postgres.url("postgres", user="locked"), "refuses the login"),
        (postgres.url("nowhere"), "there is no such database"),
    ]:
        with pytest.raises(DataError, match=said) as caught:
            connect_url(url)
        assert capfd.readouterr() == ("", "") and main(["data", url]) == 2
        shown_anywhere = caplog.text + "".join(capfd.readouterr())
        silent_on(["wr0ng", "word/", "locked"], caught.value, shown_anywhere)


def test_a_password_of_the_environment_is_shown_nowhere(postgres, monkeypatch, tmp_path, capfd):
    monkeypatch.setenv("WORD", PASSWORD)
    url = postgres.url("postgres", user="locked:${WORD}")
    con = connect_url(url)
    assert con.raw_sql("SELECT current_user").fetchall() == [("locked",)]
    assert PASSWORD not in f"{con!r} {con.con} {con._con_args} {con.__dict__}"
    with pytest.raises(DataError, match="refuses a query") as caught:
        con.raw_sql("SELECT * FROM pg_authid")
    assert main(["data", url]) == 2
    out, err = capfd.readouterr()
    assert "has no table 'events'" in err
    silent_on([PASSWORD, "s3cret", "p@ss", "p%40ss"], caught.value, out + err)
    monkeypatch.delenv("WORD")
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    assert connect_url(postgres.url("postgres", user="locked")).name == "postgres"
    monkeypatch.delenv("PGPASSWORD")
    own, escaped = tmp_path / "pgpass", PASSWORD.replace("\\", "\\\\").replace(":", "\\:")
    own.write_text(f"127.0.0.1:{postgres.port}:*:locked:{escaped}\n", encoding="utf-8")
    own.chmod(0o600)
    monkeypatch.setenv("PGPASSFILE", str(own))
    assert connect_url(postgres.url("postgres", user="locked")).name == "postgres"


def test_a_connection_that_breaks_off_is_said(shops, postgres, capfd):
    con = connect_url(postgres.url("shop"))
    tables = {name: read_their_table(con, name) for name in shops[0].tables}
    shop = Shop(tables, Settings(name="Shop", zone="UTC"))
    stored = shop.events.limit(3).cache()
    batches = shop.events.to_pyarrow_batches(chunk_size=10)
    next(iter(batches))
    process = con.con.info.backend_pid
    postgres.run("postgres", f"SELECT pg_terminate_backend({process}, 5000)")
    uses: Any = partial(list, batches), shop.span, partial(promolab.build_features, shop, MOMENT)
    for use in uses:
        with pytest.raises(StepError, match=r"connection to postgres://127.* broke off") as lost:
            use()
        assert not isinstance(lost.value, warehouse.engine_errors())
        assert "owner" not in str(lost.value)
    del stored
    gc.collect()
    assert "Traceback" not in capfd.readouterr().err
