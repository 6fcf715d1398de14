"""DuckDB in this process: what a large shop's tables took is given back when they are dropped."""

import gc

from promolab.engines import engine


def test_an_engine_of_a_large_shop_frees_what_dropped_tables_took_and_keeps_its_limit(monkeypatch):
    monkeypatch.setenv(engine.MEMORY_VARIABLE, "1500MB")
    con, stated = engine.connect(threads=1), []
    own = con.con

    class Spy:
        def __getattr__(self, name):
            return getattr(own, name)

        def execute(self, query, *given):
            stated.append(query)
            return own.execute(query, *given)

    monkeypatch.setattr(con, "con", Spy())
    for _ in range(2):
        table = con.sql("SELECT range AS k FROM range(1000)").cache()
        assert table.count().execute() == 1000
        del table
        gc.collect()
    assert [one for one in stated if "memory" in one] == ["SET memory_limit = '1500MB'"] * 2
    monkeypatch.delenv(engine.MEMORY_VARIABLE)
    assert not engine.connect(threads=1).limit
