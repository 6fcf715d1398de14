"""Shops in files: what is read, what is refused and with which words, and what is written."""

import subprocess
import sys
from datetime import datetime
from pathlib import Path

import duckdb
import pandas as pd
import pytest

from promolab.contract import Settings
from promolab.onboarding.proposed import propose
from promolab.sources import load_shop, save_shop
from tests.refused import refused, spoilt

ROME = 'name = "Corner"\nzone = "Europe/Rome"\n'


def events(**columns: object) -> pd.DataFrame:
    rows = {"customer_id": ["007", "B2"], "kind": ["purchase", "view"], "product_id": ["A1", "A2"]}
    when = pd.to_datetime(["2021-03-01 10:00", "2021-07-01 11:30"])
    return pd.DataFrame(rows | {"ts": when, "amount": [2.5, None]} | columns)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "shop.toml").write_text(ROME)
    return tmp_path


def write_csv(folder: Path, text: str) -> None:
    (folder / "events.csv").write_text(text, encoding="utf-8")


def times(folder: Path) -> list[datetime]:
    ts = load_shop(folder).events.order_by("ts").ts.execute()
    return list(ts.dt.to_pydatetime())


def rows(shop) -> list[tuple[str, str, float | None]]:
    frame = shop.events.order_by("customer_id").execute()
    amounts = [None if pd.isna(a) else a for a in frame.amount]
    return list(zip(frame.customer_id, frame.kind, amounts, strict=True))


def test_parquet_csv_zipped_csv_and_duckdb_give_the_same_shop_saved_or_not(folder):
    frame = events(colour="red")
    for name in ("parquet", "csv", "gz", "db"):
        (folder / name).mkdir()
        (folder / name / "shop.toml").write_text(ROME)
    frame.to_parquet(folder / "parquet" / "events.parquet")
    frame.to_parquet(folder / "parquet" / "weather.parquet")  # no table of the contract
    frame.to_csv(folder / "csv" / "events.csv", index=False)
    frame.to_csv(folder / "gz" / "events.csv.gz", index=False)
    with duckdb.connect(str(folder / "db" / "my.duckdb")) as con:
        con.execute("CREATE TABLE events AS SELECT * FROM frame")
    for source in ("parquet", "csv", "gz", "db/my.duckdb"):
        shop = load_shop(folder / source)
        once, twice = folder / "saved" / source, folder / "twice" / source
        save_shop(shop, once)
        again = load_shop(once)
        save_shop(again, twice)
        assert (once / "events.parquet").read_bytes() == (twice / "events.parquet").read_bytes()
        assert source != "parquet" or again.events.schema() == shop.events.schema()
        assert len(shop.fingerprints) == 1
        for one in (shop, again):
            assert rows(one) == [("007", "purchase", 2.5), ("B2", "view", None)]
            assert "colour" in one.events.columns
            assert one.settings.name == "Corner" and one.zone == "Europe/Rome"
            assert set(one.tables) == {"customers", "events"}
            assert sorted(one.customers.customer_id.execute()) == ["007", "B2"]


def test_a_shop_that_nobody_named_is_called_as_its_folder_or_file(tmp_path, monkeypatch):
    folder, frame = tmp_path / "bakery", events()
    folder.mkdir()
    frame.to_parquet(folder / "events.parquet")
    assert load_shop(folder).settings == Settings(name="bakery") and load_shop(folder).zone == "UTC"
    with duckdb.connect(str(folder / "mill.duckdb")) as con:
        con.execute("CREATE TABLE events AS SELECT * FROM frame")
    shop = load_shop(folder)
    assert shop.left_out[0].startswith("mill.duckdb is a DuckDB")
    assert str(tmp_path) not in shop.left_out[0]  # pages show it
    assert load_shop(folder / "mill.duckdb").settings.name == "mill"
    (folder / "shop.toml").write_text('zone = "UTC"\n')
    monkeypatch.chdir(folder)
    assert load_shop(".", settings=folder / "shop.toml").settings.name == "bakery"


def test_times_with_a_zone_are_instants_and_others_utc_or_midnights(folder):
    wanted = [datetime(2021, 3, 1, 10), datetime(2021, 7, 1, 10)]
    for first, second in [
        ("2021-03-01T10:00:00Z", "2021-07-01T10:00:00Z"),
        ("2021-03-01 11:00:00+01:00", "2021-07-01 12:00:00+02:00"),
        ("2021-03-01 11:00:00+01", "2021-07-01 03:00:00-07"),
    ]:
        write_csv(folder, f"customer_id,ts,kind\nA,{first},view\nB,{second},view\n")
        assert times(folder) == wanted
    write_csv(folder, f"customer_id,ts,kind\nA,{first},view\nB,2021-03-01 10:00,view\n")
    spoilt(r"events\.ts mixes 1 times with a zone and 1 without", load_shop, folder)
    write_csv(folder, "customer_id,ts,kind\nA,2021-03-01,view\nB,2021-03-01 01:30:00,view\n")
    assert times(folder) == [datetime(2021, 3, 1), datetime(2021, 3, 1, 1, 30)]
    (folder / "events.csv").unlink()
    local = pd.to_datetime(["2021-03-01 11:00", "2021-07-01 12:00"]).tz_localize("Europe/Rome")
    events(ts=local).to_parquet(folder / "events.parquet")
    assert times(folder) == wanted


def test_local_times_are_read_across_the_change_to_summer_time_and_turned_only_once(folder):
    (folder / "shop.toml").write_text(ROME + 'naive_times = "local"\n')
    local = ("2021-03-28 01:30:00", "2021-03-28 03:30:00")
    write_csv(folder, "customer_id,ts,kind\nA,{},view\nB,{},view\n".format(*local))
    # Two hours apart on the wall, one in time.
    wanted = [datetime(2021, 3, 28, 0, 30), datetime(2021, 3, 28, 1, 30)]
    assert times(folder) == wanted
    save_shop(load_shop(folder), folder / "saved")
    assert times(folder / "saved") == wanted
    (folder / "events.csv").unlink()
    events(ts=pd.to_datetime(local)).to_parquet(folder / "events.parquet")
    assert times(folder) == wanted


def test_missing_tables_other_files_and_unknown_sources_are_said(tmp_path):
    spoilt(r"\(tables found: none\); expected events\.parquet", load_shop, tmp_path)
    with duckdb.connect(str(tmp_path / "my.duckdb")) as con:
        con.execute("CREATE TABLE event AS SELECT 1 AS x")
    spoilt("has no table 'events'; did you mean 'event'", load_shop, tmp_path / "my.duckdb")
    for read in (load_shop, propose):
        spoilt(r"my\.duckdb is a DuckDB file.*give that file in place", read, tmp_path)
    pd.DataFrame({"product_id": ["A"], "category": ["x"]}).to_parquet(tmp_path / "products.parquet")
    spoilt(r"has no table 'events' \(tables found: products\)", load_shop, tmp_path)
    refused("'complete_journy': did you mean 'complete_journey'", load_shop, "complete_journy")
    (tmp_path / "other.duckdb").write_text("hello " * 1000)
    said = spoilt("is no DuckDB file, or a damaged one", load_shop, tmp_path / "other.duckdb")
    assert "exported" not in said


def test_a_duckdb_file_that_another_program_writes_is_said(tmp_path):
    path = tmp_path / "shop.duckdb"
    code = f"import duckdb; con = duckdb.connect({str(path)!r}); print(1, flush=True); input()"
    line = [sys.executable, "-c", code]
    with subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None and other.stdout.readline()
        said = spoilt(r"another program has it open .*copy", load_shop, path)
        other.communicate(b"\n")
    assert "PID" not in said and sys.executable not in said
