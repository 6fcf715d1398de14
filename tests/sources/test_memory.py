"""How much memory the engine takes before it goes to disk."""

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
