"""DuckDB in this process: what a large shop's tables took is given back when they are dropped."""

import gc

from promolab.engines.engine import connect, memory_limit


def limit_of(con):
    return con.raw_sql("SELECT current_setting('memory_limit')").fetchone()[0]


def test_an_engine_of_a_large_shop_frees_what_dropped_tables_took_and_keeps_its_limit(monkeypatch):
    monkeypatch.delenv("PROMOLAB_MEMORY", raising=False)
    usual, large = connect(threads=1), connect(threads=1, size=10**9)
    assert not usual.roomy and large.roomy == (memory_limit(10**9) != memory_limit())
    large.roomy, before, stated = True, limit_of(large), []
    run = large.con.execute

    class Spy:
        def __getattr__(self, name):
            return getattr(con, name)

        def execute(self, query, *given):
            stated.append(query)
            return run(query, *given)

    con = large.con
    monkeypatch.setattr(large, "con", Spy())
    table = large.sql("SELECT range AS k FROM range(1000)").cache()
    assert table.count().execute() == 1000 and not any("SET memory" in one for one in stated)
    del table
    gc.collect()
    assert any("SET memory_limit" in one for one in stated) and limit_of(large) == before
