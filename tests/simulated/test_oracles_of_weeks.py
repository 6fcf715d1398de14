"""Yardsticks of a shop that goes on: one knows each effect, one what can be seen of it."""

import shutil
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from promolab.contract import Shop
from promolab.simulated import GoingShop, World
from promolab.simulated import going_shop as module
from promolab.simulated.oracles import history
from promolab.simulated.world import NONE
from promolab.sources import load_shop

WORLD = World(customers=1_000, weeks=16, variant="weekly", seed=5, kinds=("coupon",))


@pytest.fixture(scope="module")
def going(tmp_path_factory: pytest.TempPathFactory) -> GoingShop:
    return GoingShop.begin(WORLD, tmp_path_factory.mktemp("oracle") / "shop", load_shop)


def test_what_is_seen_is_worth_less_than_all_and_features_end_at_the_week(going: GoingShop) -> None:
    latent, seen = going.latent_values(), going.attainable_values()
    assert seen.promotions == latent.promotions and (seen.customers == latent.customers).all()
    assert (seen.cost >= 0.2).all() and np.isfinite(seen.value).all()
    fifth = len(seen.customers) // 5
    gains = {}
    for name, value in (("latent", latent.value), ("seen", seen.value)):
        who = np.argsort(-value.max(axis=1), kind="stable")[:fifth]
        gains[name] = latent.value[who, value[who].argmax(axis=1)].mean()
    assert latent.value.mean() < 0.7 * gains["seen"] < 0.7 * 0.95 * gains["latent"]
    assert seen.value.mean() == pytest.approx(latent.value.mean(), abs=0.35)  # luck apart
    assert seen.cost.mean() == pytest.approx(latent.cost.mean(), rel=0.15)
    moments: list[datetime] = []

    def attributes(shop: Shop, moment: datetime) -> pd.DataFrame:
        moments.append(moment)
        found: pd.DataFrame = shop.customers.execute()
        return found[["customer_id", "age", "signup_channel"]]

    found = going.attainable_values(attributes)
    assert moments[-1] == going.starts - timedelta(hours=8)
    assert len(set(moments[:-1])) == 3  # rounds that are learned from
    alike = pd.DataFrame(np.round(found.value, 9)).drop_duplicates()
    assert len(alike) < len(found.value)  # of customers who look alike, it knows the same


def test_it_is_fitted_once_says_the_same_again_and_reads_nothing_of_the_truth(going, monkeypatch):
    first = going.attainable_values().value
    monkeypatch.setattr(GoingShop, "_learned", lambda *_: pytest.fail("it was fitted again"))
    monkeypatch.setattr(module, "option_values", lambda *_, **__: pytest.fail("it was asked"))
    assert np.array_equal(going.attainable_values().value, first)
    other = World(customers=1_000, weeks=16, variant="weekly", seed=6, kinds=("coupon",))
    # One independent draw serves all worlds that differ by their seed alone, but for its own.
    assert module._independent(other) == module._independent(WORLD) != other
    own = World(customers=1_000, weeks=16, variant="weekly", seed=module.INDEPENDENT)
    assert module._independent(own).seed != own.seed


def test_history_reads_nothing_at_or_after_its_moment(going: GoingShop, tmp_path: Path) -> None:
    moment = going.starts - timedelta(hours=8, weeks=3)
    before = history(going.shop(), moment)
    shutil.copytree(going.folder, tmp_path / "later")
    later = GoingShop.begin(WORLD, tmp_path / "later", load_shop)
    places = np.where(np.arange(1_000) % 2 == 0, 0, NONE)
    later.decide(*later.decisions_of(places))
    pd.testing.assert_frame_equal(history(later.shop(), moment), before)
    bought = going.shop().events.filter(lambda t: (t.ts < moment) & (t.kind == "purchase"))
    orders = bought.group_by("customer_id").aggregate(n=bought.order_id.nunique()).execute()
    assert before["orders"].sum() == orders["n"].sum()
