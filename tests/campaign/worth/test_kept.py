"""What page 05 leaves for the pages after it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from promolab import UpliftModel
from promolab.campaign.worth import keep_effects, kept_worth, scored_log, week_worth
from promolab.features import decisions_experiment
from promolab.folder import open_run
from promolab.report import begin_run
from promolab.sources import simulated

IDS = ["W16-coupon", "W16-limited_time_discount"]


def test_a_later_page_works_out_the_same(tmp_path: Path) -> None:
    shop = simulated(customers=1_000, weeks=16, exploration=1.0)
    run = begin_run(tmp_path / "lab", source="simulated", week="2024-W37", shop=shop)
    model = UpliftModel("dr", "ridge").fit(decisions_experiment(shop, by="kind", early=True))
    keep_effects(run, shop, model, IDS)
    found = kept_worth(run, shop, IDS)
    there = week_worth(shop, run.as_of, model, scored_log(model), IDS)
    assert found is not None and there is not None
    np.testing.assert_allclose(found.amounts.value, there.amounts.value)
    np.testing.assert_allclose(found.amounts.cost, there.amounts.cost)
    assert kept_worth(run, shop, []) is None


def test_where_nothing_is_known_nothing_is_kept(tmp_path: Path) -> None:
    shop = simulated(customers=300, weeks=12)
    run = open_run(tmp_path, week="2024-W33")
    keep_effects(run, shop, UpliftModel().fit(None, refuse=False), [])
    assert not (run.path / "uplift.safetensors").exists()
    assert kept_worth(run, shop, ["W12-coupon"]) is None
