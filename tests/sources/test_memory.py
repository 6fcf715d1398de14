"""How much memory the engine takes before it goes to disk."""

from promolab.engines.engine import MEMORY_LIMIT, connect, memory_limit
from tests.refused import refused


def test_the_limit_is_the_usual_one_or_as_the_environment_says(monkeypatch):
    for stated, meant, told in [("2 gb", "2GB", "1.8 GiB"), ("", MEMORY_LIMIT, "858.3 MiB")]:
        monkeypatch.setenv("PROMOLAB_MEMORY", stated)
        (limit,) = connect(1).raw_sql("SELECT current_setting('memory_limit')").fetchone()
        assert memory_limit() == meant and limit == told
    for stated in ("lots", "0GB", "-1GB", "80%", "4"):
        monkeypatch.setenv("PROMOLAB_MEMORY", stated)
        refused(r"PROMOLAB_MEMORY = .* is no amount of memory; write one", connect, 1)
