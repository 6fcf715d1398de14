"""A made-up week, for explorers of a week's folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from promolab.features import build_candidates, build_features, build_pairs
from promolab.folder import RunFolder
from promolab.model import ResponseModel
from promolab.profiles import build_profiles, life_stages
from promolab.sources import load_shop
from tests.report.made_weeks import MadeShop

ZONE = "America/New_York"


@pytest.fixture(scope="session")
def drafted(tmp_path_factory) -> Iterator[MadeShop]:
    """A shop of 60 customers with a draft of its first week, and all that a week knows of them."""
    made = MadeShop(tmp_path_factory.mktemp("explored"), customers=60)
    with pytest.MonkeyPatch.context() as patch:
        # Made in process, its folder does not say as of when it is.
        patch.setattr(RunFolder, "as_of", property(lambda run: run.week.start(ZONE)))
        know(made.draft(0, list_size=30, holdout=0.2, standing_holdout=0.1))
        yield made


def know(run: RunFolder) -> None:
    """Write features, profiles, stages, a model and its scores into a week's folder."""
    shop = load_shop(run.path / "shop")
    features = build_features(shop, run.as_of).execute()
    run.write_table("features", features, by="customer_id")
    run.write_table("profiles", build_profiles(features), by="customer_id")
    run.write_table("life_stages", life_stages(features).assignments(), by="customer_id")
    pairs = build_pairs(shop, run.as_of).execute()
    columns = ["recency_days", "amount_84d", "orders_84d"]
    model = ResponseModel(columns=columns).fit(pairs, pairs["redeemed"])
    model.save(run.path / "model.safetensors")
    promotion = run.read_table("planned")["promotion_id"].iloc[0].item()
    rows = build_candidates(shop, run.as_of, [promotion]).execute()
    scores = rows[["customer_id", "promotion_id"]].assign(p_redeemed=model.probability(rows))
    scores = scores.assign(support="inside")
    run.write_table("scores", scores, by=["customer_id", "promotion_id"])


@pytest.fixture
def a_copy(drafted, tmp_path) -> Path:
    """The reports folder with that draft, to be changed."""
    import shutil

    return Path(shutil.copytree(drafted.out, tmp_path / "reports", symlinks=True))
