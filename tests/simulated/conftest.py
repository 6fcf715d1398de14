"""One simulated shop for the tests that read its tables."""

from pathlib import Path

import pytest

from promolab.sources.opening import simulated


def written(folder: Path) -> dict[Path, bytes]:
    """Return all that lies in a folder."""
    return {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.fixture(scope="session")
def shop():
    """Three rounds of decisions over 4,000 customers; tests leave it as it is."""
    return simulated(customers=4_000, weeks=21, seed=1)


@pytest.fixture(scope="session")
def events(shop):
    """Its events, with local time and the week since the world began."""
    begin = shop.truth.world.starts(0)
    found = shop.events.mutate(local=shop.local(shop.events.ts)).execute()
    return found.assign(week=(found.local - begin).dt.days // 7)
