"""Spark as a source: how it grows, the weekly report through it, a whole year's equal answers."""

from __future__ import annotations

import contextlib
import shutil
import time
from collections.abc import Iterator
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from benchmarks.make_events import make_shop
from benchmarks.processes import Usage, fresh, run_watched
from benchmarks.report import ONE_DATE
from benchmarks.size import LARGE, RELATIVE, SIZES
from benchmarks.table import Row, Run, at_most, part, unmeasured

if TYPE_CHECKING:
    import pandas as pd

MORNING, STARTING = datetime(2017, 10, 30, 4), 18
"""When Complete Journey's campaign 18 starts."""
CUSTOMERS, WEEKS = 20_000, 26
CUSTOMERS, WEEKS = 20_000, 26
WORLD = f"simulated:customers={CUSTOMERS},weeks={WEEKS}"
LOCAL = "?spark.master=local[2]&spark.driver.memory=4g&spark.sql.shuffle.partitions=8"


@part("spark", "Spark")
def spark_rows(run: Run) -> Iterator[Row]:
    """Yield every row, or why none could be measured."""
    if why := lacking():
        yield unmeasured("Spark", why)
        return
    folder = run.scratch / "spark"
    yield from growth(folder, "clean", SIZES)
    yield from growth(folder, "build_features", (*SIZES, LARGE) if run.large else SIZES)
    yield from a_year_on_three_engines(folder)
    yield all_that_is_asked(folder)
    yield from the_weekly_report(folder)


def lacking() -> str:
    """Return what Spark needs here and is not there; nothing if all is."""
    import importlib.util

    if importlib.util.find_spec("pyspark") is None:
        return "pyspark is not installed"
    return "" if shutil.which("java") else "there is no Java"


def growth(folder: Path, what: str, sizes: tuple[int, ...]) -> Iterator[Row]:
    """Yield how the time of a step grows with the events, and what the processes hold."""
    found = {}
    for events in sizes:
        shop = folder / f"{events}"
        if not shop.exists():
            make_shop(shop, events)
        found[events] = fresh("spark:measured", what, shop)
    for (smaller, one), (larger, two) in pairwise(found.items()):
        times, told = two["seconds"] / one["seconds"], f"from {one['seconds']:.1f} s"
        grown = f"{what} on Spark local[2], {smaller:,} to {larger:,} events, but the start"
        yield at_most(grown, times, 12, "×", told)
    last = found[sizes[-1]]
    moves = ", ".join(f"{last[k] / 2**30:.2f} GB {k}" for k in ("read", "shuffled", "spilled"))
    what += f" on Spark local[2], {sizes[-1]:,} events, memory of Python and Java together"
    told = f"{last['rows']:,} rows × {last['columns']}; {moves}"
    yield at_most(what, last["sum_mb"] / 1024, 8, "GB", told)


def a_year_on_three_engines(folder: Path) -> Iterator[Row]:
    """Clean and describe Complete Journey on DuckDB, PostgreSQL and Spark."""
    import pytest

    import promolab
    from promolab.engines import connect_url
    from promolab.sources import save_shop
    from tests._postgres import running_postgres

    here = promolab.load_shop("complete_journey")
    save_shop(here, folder / "journey")
    ours = answers(here)
    spark = connect_url(f"spark://{folder / 'journey'}{LOCAL}")
    yield held_against(ours, "Spark", of_connection(here, spark))
    try:
        with contextlib.closing(running_postgres()) as servers:
            warehouse = connect_url(next(servers).fill("journey", here.tables))
            yield held_against(ours, "PostgreSQL", of_connection(here, warehouse))
    except pytest.skip.Exception as reason:
        yield unmeasured("Complete Journey on PostgreSQL", str(reason))


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
    what = f"{len(ASKED)} questions of a plan and its readout to a dirty shop, Spark and DuckDB"
    return _the_same(what, wrong)


def _the_same(what: str, wrong: list[str], told: str = "") -> Row:
    found = f"differ in {wrong}" if wrong else "equal"
    return Row(what, f"the same to {RELATIVE:g}", f"{found}{told}", not wrong)


def of_connection(here: Any, con: Any) -> Any:
    """Return the same shop with its tables as another engine has them."""
    from promolab.engines import read_their_table

    return here.with_tables({name: read_their_table(con, name) for name in here.tables})


def answers(shop: Any) -> tuple[dict[str, pd.DataFrame], float]:
    """Return what is held against another engine's: rows, features, pairs, a plan; and seconds."""
    import promolab

    begun = time.perf_counter()
    cleaned, report = promolab.clean(shop)
    found: dict[str, pd.DataFrame] = {"rows": report.rows, "rules": report.rules}
    for name, build in (("features", promolab.build_features), ("pairs", promolab.build_pairs)):
        found[name] = build(cleaned, ONE_DATE).execute()
    return found | a_plan(cleaned), time.perf_counter() - begun


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


def held_against(ours: tuple[dict[str, pd.DataFrame], float], engine: str, shop: Any) -> Row:
    """Return whether an engine's answers are DuckDB's."""
    (here, own), (theirs, seconds) = ours, answers(shop)
    wrong = [name for name in here if unequal(here[name], theirs[name])]
    told = f" ({', '.join(here)}; {seconds:.0f} s to {own:.0f} s)"
    return _the_same(f"Complete Journey on {engine} and on DuckDB", wrong, told)


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
    import os

    from promolab import load_shop
    from promolab.sources import save_shop

    shop = folder / "simulated"
    save_shop(load_shop(WORLD), shop)
    start = fresh("spark:measured", "start", shop)["seconds"]
    taken: dict[str, Usage] = {}
    for name, source in {"DuckDB": str(shop), "Spark": f"spark://{shop}{LOCAL}"}.items():
        line = ["-m", "promolab.cli", "report", "--source", source, "--out", str(folder / name)]
        line += ["--shop", str(shop / "shop.toml")]
        with patch.dict(os.environ, PROMOLAB_KEY="equal pseudonyms in both folders"):
            taken[name] = run_watched(line)
    weeks = {name: Path(usage.stdout.splitlines()[-1]).parent for name, usage in taken.items()}
    wrong, tables = unequal_tables(weeks["DuckDB"], weeks["Spark"])
    what = f"promolab report of {CUSTOMERS:,} simulated customers through Spark"
    yield _the_same(f"{what}, tables", wrong if tables else ["all"], f" ({tables} tables)")
    # The command looks at the shop, and its first step reads it: each starts a session.
    spark, duckdb = taken["Spark"].wall_seconds - 2 * start, taken["DuckDB"].wall_seconds
    told = f"{spark:.0f} s to {duckdb:.0f} s; a start {start:.1f} s"
    what += ", wall clock, the session's start apart"
    yield at_most(what, spark / duckdb, 10, "× DuckDB's", told)


def unequal_tables(one: Path, other: Path) -> tuple[list[str], int]:
    """Return which of two weeks' tables differ, and how many there are; the cleaned shop too."""
    import pandas as pd

    wrong, files = [], 0
    for place in ("tables", "shop"):
        names = {path.name for week in (one, other) for path in (week / place).glob("*.parquet")}
        for name in sorted(names):
            files += 1
            pair = [week / place / name for week in (one, other)]
            if not all(path.exists() for path in pair) or unequal(*map(pd.read_parquet, pair)):
                wrong.append(f"{place}/{name}")
    return wrong, files


def measured(what: str, folder: str) -> dict[str, float]:
    """Start a session; clean the shop through it, or describe every customer."""
    from promolab import build_features, clean, load_shop

    begun = time.perf_counter()
    shop = load_shop(f"spark://{folder}{LOCAL}", settings=Path(folder) / "shop.toml")
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
