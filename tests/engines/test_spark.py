"""Spark as a source: a real session answers as DuckDB does, and what it lacks is a sentence."""

from __future__ import annotations

import importlib.util
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import promolab
from promolab.contract import Shop
from promolab.engines import connect_url, read_their_table
from promolab.engines.spark_session import place_of
from promolab.errors import DataError, InputError, MissingExtraError
from tests.two_engines import NOW, RESULTS, dirty_shop, same

pytest.importorskip("pyspark", reason="pyspark is not installed")
needs_java = pytest.mark.skipif(
    shutil.which("java") is None,
    reason="there is no Java (Debian: apt-get install default-jre-headless)",
)
# A session of a minute: nothing is gained by compiling what runs once.
QUICK = (
    "?spark.sql.shuffle.partitions=2&spark.driver.extraJavaOptions=-XX:TieredStopAtLevel=1"
    "&spark.sql.adaptive.enabled=false"
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """The dirty shop as a folder of parquet."""
    where: Path = tmp_path_factory.mktemp("shop")
    for name, table in dirty_shop().tables.items():
        table.to_parquet(where / f"{name}.parquet")
    return where


@pytest.fixture(scope="module")
def shops(folder) -> Iterator[tuple[Shop, Shop]]:
    """One dirty shop twice: in DuckDB and in Spark."""
    here = dirty_shop()
    con = connect_url(f"spark://{folder}{QUICK}", threads=2)
    there = here.with_tables({name: read_their_table(con, name) for name in here.tables})
    yield here, there
    con.disconnect()


@pytest.fixture(scope="module")
def cleaned(shops) -> list[tuple[Shop, Any]]:
    return [promolab.clean(shop, NOW) for shop in shops]


@needs_java
def test_cleaning_keeps_and_quarantines_the_same_rows(cleaned):
    (here, one), (there, other) = cleaned
    assert there.backend.name == "pyspark"
    same(one.rows, other.rows)
    same(one.rules, other.rules)
    for name in here.tables:
        columns = list(here[name].columns)
        same(*(shop[name].order_by(columns).execute() for shop in (here, there)))
    rows = [
        [(r.table, r.rule, json.loads(r.row)) for r in found.itertuples()]
        for found in (one.quarantine.execute(), other.quarantine.execute())
    ]
    assert rows[0] == rows[1]


@needs_java
@pytest.mark.parametrize("name", ["features", "pairs"])
def test_features_and_pairs_are_the_same_as_on_duckdb(cleaned, name):
    (here, _), (there, _) = cleaned
    same(RESULTS[name](here), RESULTS[name](there))


@needs_java
def test_a_shop_is_opened_from_an_address_a_session_and_a_connection(shops, folder):
    session = shops[1].backend._session
    by_address = promolab.load_shop(f"spark://{folder}", settings=None)
    assert by_address.events.count().execute() == shops[0].events.count().execute()
    session.read.parquet(str(folder / "events.parquet")).createOrReplaceTempView("events")
    by_name = promolab.load_shop(session)
    same(
        *(
            shop.events.group_by("kind").agg(n=shop.events.count()).order_by("kind").execute()
            for shop in (by_address, by_name)
        )
    )
    with pytest.raises(DataError, match="no table 'event'; did you mean 'events'"):
        read_their_table(shops[1].backend, "event")


@needs_java
def test_a_session_in_another_zone_is_refused(shops):
    other = shops[1].backend._session.newSession()
    other.conf.set("spark.sql.session.timeZone", "America/New_York")
    with pytest.raises(InputError, match=r"clock of the Spark session is 'America/New_York'"):
        promolab.load_shop(other)


@needs_java
def test_times_in_nanoseconds_are_refused_in_a_sentence(shops, tmp_path):
    import pandas as pd
    import pyarrow as pa
    import pyarrow.parquet as pq

    when = pa.array(pd.to_datetime(["2021-03-01"]).to_numpy(), pa.timestamp("ns"))
    rows = pa.table({"customer_id": ["A"], "ts": when, "kind": ["view"]})
    pq.write_table(rows, tmp_path / "events.parquet", version="2.6")
    with pytest.raises(DataError, match="nanoseconds, which Spark does not read"):
        promolab.load_shop(f"spark://{tmp_path}")


def test_what_spark_needs_here_is_said(monkeypatch, tmp_path):
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    with pytest.raises(InputError, match="runs on Java 17 or newer, and JAVA_HOME"):
        connect_url("spark:///data/shop")
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "pyspark" else found(name)
    )
    with pytest.raises(MissingExtraError, match=r"promolab\[spark\]"):
        connect_url("spark:///data/shop")


def test_an_address_without_a_place_is_refused():
    with pytest.raises(InputError, match="names no place where Spark runs"):
        place_of("spark://data/shop")
    with pytest.raises(InputError, match="not opened from a dict"):
        promolab.load_shop({})
