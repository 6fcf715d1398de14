"""The learned policy of a rehearsal sees what a shop would, and nothing of the truth behind it."""

import re
import shutil
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import promolab.loop as room
from promolab.contract import Shop
from promolab.loop.rehearsal.learned_policy import learned_week
from promolab.simulated import GoingShop, Truth, World
from promolab.simulated.people import Customers
from promolab.sources import load_shop

WORLD = World(customers=300, weeks=14, variant="weekly", seed=2)
TELLING = ("latent_values", "attainable_values", "added_profit", "spent")


@pytest.fixture(scope="module")
def going(tmp_path_factory: pytest.TempPathFactory) -> GoingShop:
    return GoingShop.begin(WORLD, tmp_path_factory.mktemp("world") / "shop", load_shop)


def decided(shop: Shop, going: GoingShop, week: int | None = None) -> pd.DataFrame:
    """Return the learned policy's decisions of a week, by default the one to decide."""
    week = going.week if week is None else week
    starts = WORLD.starts(week) - timedelta(hours=8)
    names = [p.id for p in World(customers=300, weeks=week + 1, variant="weekly").promotions]
    how = {"budget": 150.0, "explore": 0.1, "holdout": 0.1, "seed": week}
    made = learned_week(shop, starts, names[-12:], going.contactable, **how)
    assert made.worth is not None  # it learned, and did not leave all to chance
    keys = ["decision_id", "action"]
    both = made.decisions.merge(made.chances, on=keys, suffixes=("", "_there"))
    return both.sort_values(keys, ignore_index=True)


@pytest.fixture(scope="module")
def usual(going: GoingShop) -> pd.DataFrame:
    return decided(going.shop(), going)


def test_tables_alone_lead_to_the_same_decisions_whatever_comes_later(
    going, usual, tmp_path, monkeypatch
):
    """Of a copy of the tables two weeks on, while whatever tells the truth fails when asked."""
    shutil.copytree(going.folder, tmp_path / "later")
    later = GoingShop.begin(WORLD, tmp_path / "later", load_shop)
    for _ in range(2):
        places: Any = np.random.default_rng(later.week).integers(-1, 12, 300)
        later.decide(*later.decisions_of(places))
    assert later.shop().decisions.ts.max().execute() > going.shop().decisions.ts.max().execute()
    left = shutil.ignore_patterns("kept", "going.json")
    shutil.copytree(later.folder, tmp_path / "copy", ignore=left)
    assert not list((tmp_path / "copy").rglob("*.npy"))
    assert type(going.shop()) is Shop and not hasattr(going.shop(), "truth")
    for name in TELLING:
        monkeypatch.setattr(GoingShop, name, lambda *_, **__: pytest.fail("the truth was asked"))
    monkeypatch.setattr(Truth, "effects", lambda *_, **__: pytest.fail("the truth was asked"))
    for module in ("promolab.simulated.oracles", "promolab.simulated.going_shop"):
        for name in ("option_values", "moved"):
            monkeypatch.setattr(f"{module}.{name}", lambda *_, **__: pytest.fail("it was asked"))
    pd.testing.assert_frame_equal(decided(load_shop(tmp_path / "copy"), going), usual)


def test_tables_tell_who_may_be_contacted_and_name_nothing_hidden(going: GoingShop) -> None:
    shop = going.shop()
    rights, past = shop.contact_rights.execute(), shop.decisions.execute()
    allowed = rights.loc[rights["allowed"], "customer_id"]
    standing = past.loc[past["holdout"] == "standing", "customer_id"]
    assert sorted(set(allowed) - set(standing)) == going.contactable.tolist()
    # No column of the shop is one of who its customers are behind what they do.
    shown = {"age", "tier", "since", "household", "number"}
    hidden = {*Customers.__dataclass_fields__} - shown
    assert shop.tables
    for name in shop.tables:
        assert not (set(shop[name].columns) & hidden) - {"channel"}, name


def test_only_what_rehearses_knows_of_simulated_shops() -> None:
    """Not the steps of the learned policy, and nothing of the loop that real shops use."""
    here = Path(str(room.__file__)).parent
    telling = re.compile(r"promolab\.simulated|GoingShop|latent|attainable|\btruth\b")
    paths = [path for path in here.rglob("*.py") if telling.search(path.read_text("utf-8"))]
    knows = {path.relative_to(here).as_posix() for path in paths}
    assert not {one for one in knows if not one.startswith("rehearsal/")}
    assert "rehearsal/learned_policy.py" not in knows
