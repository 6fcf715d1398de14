"""Spark as a source: how it grows, the weekly report through it, and a whole year's equal answers.

Run as ``python -m benchmarks.spark start|clean|features SHOP_FOLDER`` it measures once and prints
JSON: a session lives as long as its process, and so does what it holds.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from benchmarks.make_events import make_shop
from benchmarks.processes import Usage, run_watched
from benchmarks.size import LARGE, MAX_GROWTH, ONE_DATE, SIZES
from benchmarks.table import Row

if TYPE_CHECKING:
    import pandas as pd

RELATIVE = 1e-9
MORNING, STARTING = datetime(2017, 10, 30, 4), 18
"""When Complete Journey's campaign 18 starts."""
MAX_MB = 8 * 1024.0
MAX_TIMES = 10.0
CUSTOMERS, WEEKS = 20_000, 26
WORLD = f"simulated:customers={CUSTOMERS},weeks={WEEKS}"
LOCAL = "?spark.master=local[2]&spark.driver.memory=4g&spark.sql.shuffle.partitions=8"


def spark_rows(folder: Path, *, large: bool = False) -> Iterator[Row]:
    """Yield every row, or why none could be measured; shops made on the way land in ``folder``."""
    if why := lacking():
        yield Row("Spark", "", why, None)
        return
    yield from growth(folder, "clean")
    yield from growth(folder, "features", large=large)
    yield from a_year_on_three_engines(folder)
    yield all_that_is_asked(folder)
    yield from the_weekly_report(folder)


def lacking() -> str:
    """Return what Spark needs here and is not there; nothing if all is."""
    import importlib.util

    if importlib.util.find_spec("pyspark") is None:
        return "pyspark is not installed"
    return "" if shutil.which("java") else "there is no Java"


def growth(folder: Path, what: str, *, large: bool = False) -> Iterator[Row]:
    """Yield how the time of a step grows with the events, and what the processes hold."""
    called = {"clean": "clean", "features": "build_features"}[what]
    found: dict[int, tuple[dict[str, float], Usage]] = {}
    for events in [*SIZES, LARGE] if large else SIZES:
        shop = folder / f"{events}"
        if not shop.exists():
            make_shop(shop, events)
        usage = run_watched(["-m", "benchmarks.spark", what, str(shop)])
        found[events] = json.loads(usage.stdout.splitlines()[-1]), usage
    for smaller, larger in pairwise(found):
        before, after = (found[n][0]["seconds"] for n in (smaller, larger))
        yield Row(
            f"{called} on Spark local[2], {smaller:,} to {larger:,} events",
            f"≤ {MAX_GROWTH:.0f} × the time",
            f"{after / before:.1f} × ({before:.1f} s to {after:.1f} s, the session's start apart)",
            after / before <= MAX_GROWTH,
        )
    last = max(found)
    told, usage = found[last]
    note = "" if large or what == "clean" else f"; {LARGE:,} events only with --large"
    size = f"{told['rows']:,.0f} rows × {told['columns']:.0f} columns"
    moves = ", ".join(
        f"{told[what] / 2**30:.2f} GB {what}" for what in ("read", "shuffled", "spilled")
    )
    yield Row(
        f"{called} on Spark local[2], {last:,} events, memory of Python and Java together",
        f"≤ {MAX_MB / 1024:.0f} GB",
        f"{usage.sum_mb / 1024:.2f} GB; {size}; {moves}{note}",
        usage.sum_mb <= MAX_MB,
    )


def a_year_on_three_engines(folder: Path) -> Iterator[Row]:
    """Clean and describe Complete Journey on DuckDB, PostgreSQL and Spark."""
    import pytest

    import promolab
    from promolab.engines import connect_url
    from promolab.sources import save_shop
    from tests._postgres import running_postgres

    here = promolab.load_shop("complete_journey")
    save_shop(here, folder / "journey")
    ours, seconds = answers(here)
    own = sum(seconds.values())
    spark = connect_url(f"spark://{folder / 'journey'}{LOCAL}")
    yield held_against(ours, own, "Spark", lambda: of_connection(here, spark))
    try:
        with contextlib.closing(running_postgres()) as servers:
            warehouse = connect_url(next(servers).fill("journey", here.tables))
            yield held_against(ours, own, "PostgreSQL", lambda: of_connection(here, warehouse))
    except pytest.skip.Exception as reason:
        yield Row("Complete Journey on PostgreSQL", "", str(reason), None)


def all_that_is_asked(folder: Path) -> Row:
    """Ask a dirty simulated shop for all that a plan and its readout take, on both engines."""
    import promolab
    from promolab.cleaning import known_by
    from promolab.engines import connect_url
    from promolab.sources import save_shop
    from tests.engines.asked import ASKED, LATER, simulated_shop

    here = simulated_shop()
    save_shop(here, folder / "asked")
    spark = connect_url(f"spark://{folder / 'asked'}{LOCAL}")
    pair = [promolab.clean(known_by(s, LATER))[0] for s in (here, of_connection(here, spark))]
    wrong = []
    for name, ask in ASKED.items():
        told = [frames if isinstance(frames := ask(shop), list) else [frames] for shop in pair]
        if any(unequal(one, other) for one, other in zip(*told, strict=True)):
            wrong.append(name)
    return Row(
        "what a plan and its readout ask of a dirty simulated shop, Spark and DuckDB",
        f"the same to {RELATIVE:g}",
        f"{len(ASKED)} questions, {f'differ in {wrong}' if wrong else 'equal'}: {', '.join(ASKED)}",
        not wrong,
    )


def of_connection(here: Any, con: Any) -> Any:
    """Return the same shop with its tables as another engine has them."""
    from promolab.engines import read_their_table

    return here.with_tables({name: read_their_table(con, name) for name in here.tables})


def answers(shop: Any) -> tuple[dict[str, pd.DataFrame], dict[str, float]]:
    """Return what is held against another engine's, and seconds: rows, features, pairs, a plan."""
    import promolab

    found: dict[str, pd.DataFrame] = {}
    seconds: dict[str, float] = {}
    begun = time.perf_counter()
    cleaned, report = promolab.clean(shop)
    found["rows"], found["rules"] = report.rows, report.rules
    seconds["clean"] = time.perf_counter() - begun
    for name, build in (("features", promolab.build_features), ("pairs", promolab.build_pairs)):
        begun = time.perf_counter()
        found[name] = build(cleaned, ONE_DATE).execute()
        seconds[name] = time.perf_counter() - begun
    begun = time.perf_counter()
    found |= a_plan(cleaned)
    seconds["plan"] = time.perf_counter() - begun
    return found, seconds


def a_plan(shop: Any) -> dict[str, pd.DataFrame]:
    """Return decisions, with holdouts, and the funnel of a week's plan by made-up chances."""
    import pandas as pd

    from promolab.campaign.plan import plan_week
    from promolab.cleaning import known_by

    shop = shop.with_tables(shop.tables, seen=None)  # it lies in DuckDB alone
    customers = sorted(shop.customers.customer_id.execute())
    scores = pd.DataFrame({"customer_id": customers, "promotion_id": STARTING})
    scores["p_redeemed"] = ((scores.index * 7_919) % 997 + 1) / 1_000
    plan = plan_week(known_by(shop, MORNING), scores, MORNING, [STARTING])
    return {"decisions": plan.decisions, "steps": plan.steps, "funnel": plan.funnel}


def held_against(
    ours: dict[str, pd.DataFrame], own: float, engine: str, shop: Callable[[], Any]
) -> Row:
    """Return whether an engine's answers are DuckDB's."""
    theirs, seconds = answers(shop())
    wrong = [name for name in ours if unequal(ours[name], theirs[name])]
    sizes = ", ".join(f"{name} {len(f):,} × {f.shape[1]}" for name, f in ours.items())
    said = f"differ in {wrong}" if wrong else "equal"
    return Row(
        f"Complete Journey on {engine} and on DuckDB",
        f"the same to {RELATIVE:g}",
        f"{sizes}: {said} ({sum(seconds.values()):.0f} s to {own:.0f} s)",
        not wrong,
    )


def unequal(one: pd.DataFrame, other: pd.DataFrame) -> str:
    """Return in what two frames differ by more than 10⁻⁹; nothing if in nothing."""
    import pandas as pd

    try:
        pd.testing.assert_frame_equal(one, other, check_dtype=False, rtol=RELATIVE, atol=RELATIVE)
    except AssertionError as error:
        return str(error).splitlines()[0]
    return ""


def the_weekly_report(folder: Path) -> Iterator[Row]:
    """Make the report of a simulated shop from a folder, and from the same folder through Spark."""
    from promolab import load_shop
    from promolab.sources import save_shop

    shop = folder / "simulated"
    save_shop(load_shop(WORLD), shop)
    begun = run_watched(["-m", "benchmarks.spark", "start", str(shop)])
    start = json.loads(begun.stdout.splitlines()[-1])["seconds"]
    sources = {"DuckDB": str(shop), "Spark": f"spark://{shop}{LOCAL}"}
    taken: dict[str, Usage] = {}
    for name, source in sources.items():
        line = ["-m", "promolab.cli", "report", "--source", source, "--out", str(folder / name)]
        line += ["--shop", str(shop / "shop.toml")]
        with patch.dict(os.environ, PROMOLAB_KEY="equal pseudonyms in both folders"):
            taken[name] = run_watched(line)
    weeks = {name: Path(usage.stdout.splitlines()[-1]).parent for name, usage in taken.items()}
    wrong, tables = unequal_tables(weeks["DuckDB"], weeks["Spark"])
    what = f"promolab report of {CUSTOMERS:,} simulated customers through Spark"
    yield Row(
        f"{what}, tables",
        f"the same to {RELATIVE:g}",
        f"{tables} tables, {f'differ in {wrong}' if wrong else 'equal'}",
        tables > 0 and not wrong,
    )
    # The command looks at the shop, and its first step reads it: each starts a session.
    spark, duckdb = taken["Spark"].wall_seconds - 2 * start, taken["DuckDB"].wall_seconds
    yield Row(
        f"{what}, wall clock",
        f"≤ {MAX_TIMES:.0f} × DuckDB's, the session's start apart",
        f"{spark / duckdb:.1f} × ({spark:.0f} s to {duckdb:.0f} s; a start {start:.1f} s)",
        spark / duckdb <= MAX_TIMES,
    )


def unequal_tables(one: Path, other: Path) -> tuple[list[str], int]:
    """Return which of two weeks' tables differ, and how many there are; the cleaned shop too."""
    import pandas as pd

    wrong, files = [], 0
    for part in ("tables", "shop"):
        names = {path.name for week in (one, other) for path in (week / part).glob("*.parquet")}
        for name in sorted(names):
            files += 1
            pair = [week / part / name for week in (one, other)]
            if not all(path.exists() for path in pair) or unequal(*map(pd.read_parquet, pair)):
                wrong.append(f"{part}/{name}")
    return wrong, files


def measured(what: str, shop_folder: Path) -> dict[str, float]:
    """Start a session; clean the shop through it, or describe every customer."""
    from promolab import build_features, clean, load_shop

    begun = time.perf_counter()
    shop = load_shop(f"spark://{shop_folder}{LOCAL}", settings=shop_folder / "shop.toml")
    shop.backend.raw_sql("SELECT 1").collect()
    started = time.perf_counter()
    if what == "start":
        return {"seconds": started - begun}
    before = moved(shop.backend)
    if what == "clean":
        shop, report = clean(shop)
        rows, columns = int(report.rows["rows_kept"].sum()), len(shop.events.columns)
    else:
        rows, columns = build_features(shop, ONE_DATE).execute().shape
    seconds = time.perf_counter() - started
    after = moved(shop.backend)
    sizes = {name: after[name] - before[name] for name in after}
    return {"seconds": seconds, "rows": rows, "columns": columns, **sizes}


def moved(con: Any) -> dict[str, float]:
    """Return the bytes that all stages so far read, sent to each other and wrote to disk."""
    spark = con._session.sparkContext
    none = spark._gateway.new_array(spark._jvm.double, 0)
    store = spark._jsc.sc().statusStore()
    found = store.stageList(None, False, False, none, spark._jvm.java.util.ArrayList())
    stages = [found.apply(place) for place in range(found.size())]
    return {
        "read": float(sum(stage.inputBytes() for stage in stages)),
        "shuffled": float(sum(stage.shuffleWriteBytes() for stage in stages)),
        "spilled": float(sum(stage.diskBytesSpilled() for stage in stages)),
    }


if __name__ == "__main__":
    print(json.dumps(measured(sys.argv[1], Path(sys.argv[2]))))
