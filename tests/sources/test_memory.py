"""How much memory the engine takes before it goes to disk."""

import pytest

from promolab.engines.engine import MEMORY_LIMIT, connect, memory_limit
from tests.refused import refused


def _limit() -> str:
    (limit,) = connect(1).raw_sql("SELECT current_setting('memory_limit')").fetchone()
    return str(limit)


def test_the_limit_is_the_usual_one_or_as_the_environment_says(monkeypatch):
    monkeypatch.delenv("PROMOLAB_MEMORY", raising=False)
    assert memory_limit() == MEMORY_LIMIT and _limit() == "858.3 MiB"
    monkeypatch.setenv("PROMOLAB_MEMORY", "2 gb")
    assert memory_limit() == "2GB" and _limit() == "1.8 GiB"
    monkeypatch.setenv("PROMOLAB_MEMORY", "")
    assert memory_limit() == MEMORY_LIMIT


@pytest.mark.parametrize("stated", ["lots", "0GB", "-1GB", "80%", "4"])
def test_what_is_no_amount_of_memory_is_said(stated: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROMOLAB_MEMORY", stated)
    refused(r"PROMOLAB_MEMORY = .* is no amount of memory; write one", connect, 1)
