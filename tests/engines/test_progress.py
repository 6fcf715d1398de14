"""Long engine work shows how far it is; short work and files show nothing."""

import io
import sys
import threading
import time

from promolab.engines.engine import PATIENCE, Watch, connect


def test_a_short_query_shows_nothing_and_a_long_one_a_bar_that_goes_away():
    out = io.StringIO()
    state = Watch(out)
    for now in (0.0, PATIENCE / 2):
        state.tell(50.0, now)
    state.tell(-1.0, PATIENCE)
    state.tell(10.0, PATIENCE + 0.1)  # another query: its own two seconds begin
    assert out.getvalue() == ""
    out = io.StringIO()
    state = Watch(out)
    state.tell(1.0, 0.0)
    state.tell(40.0, PATIENCE + 1)
    assert "40%" in out.getvalue()
    state.tell(-1.0, PATIENCE + 2)
    assert state.bar is None and out.getvalue().endswith("\r")


def test_a_connection_tells_how_far_it_is_where_stderr_is_a_terminal(monkeypatch):
    before = threading.active_count()
    con = connect()
    assert threading.active_count() == before and con is not None

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr("promolab.engines.engine.PATIENCE", 0.2)
    con = connect()
    until, size = time.monotonic() + 20, 4_000
    while "query" not in terminal.getvalue() and time.monotonic() < until:
        rows = f"range({size}) a, range({size}) b"
        con.raw_sql(f"SELECT sum(a.range * b.range) FROM {rows}").fetchall()
        size = size * 3 // 2  # until it is long here
    assert "query" in terminal.getvalue()
