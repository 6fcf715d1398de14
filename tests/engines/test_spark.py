"""Spark as a source: a real session answers as DuckDB does, and what it lacks is a sentence."""

import importlib.util
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ibis
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import promolab
from promolab.abtest import assign_table
from promolab.cleaning import known_by
from promolab.contract import Shop
from promolab.engines import connect, connect_to, connect_url, read_their_table
from promolab.engines.spark_session import HUGE, place_of, root
from promolab.errors import MissingExtraError
from promolab.scoring import score_table
from tests.engines.asked import AS_OF, ASKED, simulated_shop
from tests.refused import refused, spoilt
from tests.two_engines import NOW, RESULTS, dirty_shop, same, same_cleaning

pytest.importorskip("pyspark", reason="pyspark is not installed")
pytestmark = pytest.mark.when_changed("tests")
WHY = "there is no Java (Debian: apt-get install default-jre-headless)"
needs_java = pytest.mark.skipif(shutil.which("java") is None, reason=WHY)
# A session of a minute: nothing is gained by compiling what runs once, in Java or by Spark itself.
QUICK = (
    "?spark.driver.extraJavaOptions=-XX:TieredStopAtLevel=1 -XX:%2BUseSerialGC"
    "&spark.sql.shuffle.partitions=2&spark.sql.adaptive.enabled=false"
    "&spark.sql.codegen.wholeStage=false&spark.sql.codegen.factoryMode=NO_CODEGEN"
    "&spark.sql.constraintPropagation.enabled=false"
)


def written(shop: Shop, where: Path) -> Path:
    """Write a shop's tables as parquet, and nothing else."""
    where.mkdir()
    for name, table in shop.tables.items():
        table.to_parquet(where / f"{name}.parquet")
    return where


def read_from(con: Any, like: Shop, called: str = "{}") -> Shop:
    """Return a shop with the tables of another connection."""
    return like.with_tables({n: read_their_table(con, called.format(n)) for n in like.tables})


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return written(dirty_shop(), tmp_path_factory.mktemp("dirty") / "shop")


@pytest.fixture(scope="module")
def shops(folder) -> Iterator[tuple[Shop, Shop]]:
    """One dirty shop twice: in DuckDB and in Spark."""
    here = dirty_shop()
    con = connect_url(f"spark://{folder}{QUICK}", threads=2)
    yield here, read_from(con, here)
    con.disconnect()


@pytest.fixture(scope="module")
def cleaned(shops) -> list[tuple[Shop, Any]]:
    return [promolab.clean(shop, NOW) for shop in shops]


@pytest.fixture(scope="module")
def described(cleaned) -> list[pd.DataFrame]:
    return [RESULTS["features"](shop) for shop, _ in cleaned]


@needs_java
def test_cleaning_features_and_pairs_are_the_same_as_on_duckdb(cleaned, described):
    con = cleaned[1][0].backend
    assert con.name == "pyspark"
    assert con._session.sparkContext.pythonExec == sys.executable  # workers run what runs here
    same_cleaning(cleaned)
    (here, _), (there, _) = cleaned
    same(*described)
    same(RESULTS["pairs"](here), RESULTS["pairs"](there))


@needs_java
@pytest.mark.parametrize("others", [["x", "x"], ["x", None], []], ids=["full", "null", "empty"])
def test_what_another_table_lacks_is_looked_up_by_a_hash(shops, others):
    found = []
    for con in (connect(), shops[1].backend):
        ids, known = (
            con.create_table(name, ibis.memtable({"a": values}, schema={"a": "string"}), temp=True)
            for name, values in (("ids", ["x", "y", None]), ("known", others))
        )
        lacks = ids.a.notin(known.a)
        found.append(ids.mutate(lacks=lacks).order_by("a").lacks.execute().tolist())
    assert found[0] == found[1]
    # Spark's own NOT IN compares each row with each, which no large table ends.
    plan = con._session.sql(con.compile(ids.filter(lacks)))._jdf.queryExecution().executedPlan()
    assert "BroadcastHashJoin" in str(plan) and "NestedLoop" not in str(plan)


@needs_java
def test_plan_holdouts_and_readout_are_the_same_as_on_duckdb(shops, tmp_path):
    here, _ = promolab.clean(known_by(simulated_shop(), AS_OF))
    there = read_from(connect_url(f"spark://{written(here, tmp_path / 'shop')}"), here)
    one, other = ([*ASKED["plan"](shop), ASKED["experiment read"](shop)] for shop in (here, there))
    for mine, theirs in zip(one, other, strict=True):
        same(mine, theirs)
    assert {"standing", "promotion"} < set(one[0]["holdout"])


@needs_java
def test_the_number_of_partitions_changes_no_sum(cleaned):
    (here, _), (there, _) = cleaned
    session = there.backend._session
    for name, table in there.tables.items():
        session.sql(table.compile()).repartition(5).createOrReplaceTempView(f"{name}_in_five")
    few = RESULTS["favourites"](there)
    same(RESULTS["favourites"](here), few)
    session.conf.set("spark.sql.shuffle.partitions", "7")
    try:
        many = RESULTS["favourites"](read_from(connect_to(session), there, "{}_in_five"))
    finally:
        session.conf.set("spark.sql.shuffle.partitions", "2")
    pd.testing.assert_frame_equal(few, many, check_exact=True)


@needs_java
def test_customers_are_scored_and_assigned_on_the_engine(shops, described, tmp_path):
    con, frame = shops[1].backend, described[1]
    rows = con.create_table("described", frame, temp=True)
    X = frame[["orders_84d", "amount_84d"]]
    model = promolab.ResponseModel().fit(X, (frame["recency_days"] < 60).astype(int))
    found = score_table(model, rows, f"{tmp_path}/scores")
    chances = model.probability(X)
    assert (found.n, found.expected["response"]) == (len(frame), pytest.approx(chances.sum()))
    scores = con._session.read.parquet(f"{tmp_path}/scores").toPandas().set_index("customer_id")
    assert scores.p_response[frame["customer_id"]].to_numpy() == pytest.approx(chances, abs=1e-12)
    draw = ("spring", {"holdout": 0.3, "send": 0.7}, 5)
    arms = assign_table(rows, *draw, f"{tmp_path}/arms").execute()
    alone = promolab.assign(frame["customer_id"], *draw).frame
    one, other = (each.set_index("customer_id").arm.to_dict() for each in (arms, alone))
    assert one == other
    refused("is there already", assign_table, rows, *draw, f"{tmp_path}/arms")
    twice = (rows.union(rows), *draw, f"{tmp_path}/twice")
    refused("missing or stands there twice", assign_table, *twice)


@needs_java
def test_a_shop_is_opened_from_addresses_and_a_session_in_its_own_zone(shops, folder):
    session = shops[1].backend._session
    session.sql("CREATE DATABASE corner")
    session.sql(f"CREATE TABLE corner.events USING parquet LOCATION '{folder}/events.parquet'")
    session.read.parquet(str(folder / "events.parquet")).createOrReplaceTempView("events")
    (folder / "shop.toml").write_text('zone = "Europe/London"')
    sources = (f"spark://{folder}", "spark://local/corner", session)
    loaded = [promolab.load_shop(source) for source in sources]
    (folder / "shop.toml").unlink()
    assert loaded[0].zone == "Europe/London"
    assert len({shop.events.count().execute() for shop in (*loaded, shops[0])}) == 1
    # Both sessions that an address opens: of longer code Java would only interpret each row.
    for shop in (shops[1], loaded[0]):
        assert shop.backend._session.conf.get(HUGE) == "8000"
    spoilt("no table 'event'; did you mean 'events'", read_their_table, shops[1].backend, "event")
    elsewhere = "spark://elsewhere:7077/shop"
    refused(f"open {elsewhere} in another process", connect_url, elsewhere)
    other = shops[1].backend._session.newSession()
    other.conf.set("spark.sql.session.timeZone", "America/New_York")
    refused(r"clock of the Spark session is 'America/New_York'", promolab.load_shop, other)


@needs_java
def test_types_that_spark_reads_otherwise(shops, tmp_path):
    when = pa.array(pd.to_datetime(["2021-03-01"]).to_numpy(), pa.timestamp("ns"))
    rows = pa.table({"customer_id": pa.array([7], pa.uint64()), "ts": when, "kind": ["view"]})
    pq.write_table(rows, tmp_path / "events.parquet", version="2.6")
    spoilt("nanoseconds, which Spark does not read", promolab.load_shop, f"spark://{tmp_path}")
    rows = rows.set_column(1, "ts", when.cast(pa.timestamp("us")))
    pq.write_table(rows, tmp_path / "events.parquet", version="2.6")
    # Whole numbers without a sign are decimals to Spark, and times without a zone no instants.
    events = promolab.load_shop(f"spark://{tmp_path}").events
    assert events.customer_id.type().is_integer()
    row = events.execute().iloc[0]
    assert (row.customer_id, row.ts) == (7, pd.Timestamp("2021-03-01"))
    rows = pa.table({"customer_id": [7], "at": pa.array([1], pa.time64("us"))})
    pq.write_table(rows, tmp_path / "customers.parquet")
    spoilt("refuses a query", promolab.load_shop, f"spark://{tmp_path}")


def test_the_bottom_of_an_error_and_what_spark_needs_are_said(monkeypatch, tmp_path):
    started = "An error occurred while calling o45.conf.\n: java.lang.IllegalArgumentException: Bad"
    assert str(root(RuntimeError(started))) == "IllegalArgumentException: Bad"
    deeper = "\n\tat a.b(C.scala:1)\nCaused by: a.b.C: the number should be int, but was x\n\tat d"
    assert str(root(RuntimeError(started + deeper))) == "C: the number should be int, but was x"
    refused("names no place where Spark runs", place_of, "spark://data/shop")
    refused("not opened from a dict", promolab.load_shop, {})
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    refused("runs on Java 17 or newer, and JAVA_HOME", connect_url, "spark:///data/shop")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"promolab\[spark\]"):
        connect_url("spark:///data/shop")
