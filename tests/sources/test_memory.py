"""How much memory the engine takes before it goes to disk."""

import pandas as pd
from ibis.backends.duckdb import Backend

from promolab.engines.engine import connect, memory_limit
from tests.refused import refused


def test_the_limit_is_the_usual_one_or_as_the_environment_says(monkeypatch):
    for stated, meant, told in [("2 gb", "2GB", "1.8 GiB"), ("", "900MB", "858.3 MiB")]:
        monkeypatch.setenv("PROMOLAB_MEMORY", stated)
        (limit,) = connect(1).raw_sql("SELECT current_setting('memory_limit')").fetchone()
        assert memory_limit() == meant and limit == told
    assert memory_limit(10**8) == "900MB" and memory_limit(2 * 10**8) == "1200MB"  # of large files
    assert int(memory_limit(10**15).removesuffix("MB")) < 10**7  # as the machine allows
    for stated in ("lots", "0GB", "-1GB", "80%", "4"):
        monkeypatch.setenv("PROMOLAB_MEMORY", stated)
        refused(r"PROMOLAB_MEMORY = .* is no amount of memory; write one", connect, 1)


def test_columns_come_as_ibis_has_them_without_an_object_for_each_value():
    each = ["i * 0.5::DOUBLE", "i", "i::FLOAT", "'a' || i", "i % 3 = 0", "i::DECIMAL(9, 2)", "[i]"]
    each += ["TIMESTAMP '2024-01-01' + INTERVAL (i) HOUR", "DATE '2024-01-01' + i::INTEGER"]
    columns = [f"{one} AS c{k}" for k, one in enumerate(each)]
    columns += [f"CASE WHEN i % 2 = 0 THEN {one} END AS n{k}" for k, one in enumerate(each)]
    con = connect(1)
    for rows in (0, 1, 50):  # of one row the last columns hold nothing at all
        asked = con.sql(f"SELECT {', '.join(columns)} FROM range(1, {rows + 1}) AS r(i)")
        pd.testing.assert_frame_equal(con.execute(asked), Backend.execute(con, asked))
