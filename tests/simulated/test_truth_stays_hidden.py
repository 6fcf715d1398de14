"""Nothing in tables, features or models can reach the truth."""

import re
from pathlib import Path

import pandas as pd
import pytest

from promolab.cleaning import clean
from promolab.contract import Shop
from promolab.features import build_features, build_pairs
from promolab.simulated.people import Customers
from promolab.simulated.truth import OUTCOMES, SimulatedShop, Truth
from promolab.sources import load_shop, save_shop
from promolab.sources.opening import simulated

TELLING = [f"{outcome}_{end}" for outcome in OUTCOMES for end in ("with", "without", "effect")]
SHOWN = {"age", "tier", "since", "household", "number", "channel"}
LATENT = {*Customers.__dataclass_fields__, "truth"} - SHOWN


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A shop that knows its truth, the same cleaned, and where it lies."""
    folder = tmp_path_factory.mktemp("hidden")
    shop = simulated(customers=300, weeks=12, folder=folder / "shop")
    return shop, clean(shop)[0], folder


def test_features_are_the_same_without_it_and_no_table_has_it(made, monkeypatch):
    shop, cleaned, _ = made
    monkeypatch.setattr(Truth, "effects", lambda *_: pytest.fail("the truth was asked for"))
    assert type(shop) is SimulatedShop and type(cleaned) is Shop and not hasattr(cleaned, "truth")
    moment = shop.truth.world.starts(10)
    known = [build_features(one, moment).execute() for one in (shop, cleaned)]
    pd.testing.assert_frame_equal(*(x.sort_values("customer_id", ignore_index=True) for x in known))
    # Not even of the shop that knows its truth.
    pairs = build_pairs(shop, as_of=shop.span()[1])
    for table in (*shop.tables.values(), *cleaned.tables.values(), known[0], pairs):
        assert not set(table.columns) & {*TELLING, *LATENT}


def test_it_is_written_nowhere(made):
    shop, cleaned, folder = made
    truth = shop.truth.effects(shop.truth.promotions[0])
    save_shop(cleaned, folder / "saved")
    numbers = truth.margin_effect[truth.margin_effect != 0].head(20).to_numpy()
    for content in (path.read_bytes() for path in folder.rglob("*") if path.is_file()):
        assert b"margin_effect" not in content and b"margin_with" not in content
        assert not any(number.tobytes() in content for number in numbers)
    assert type(load_shop(folder / "shop")) is Shop  # opened as a folder it knows nothing
    truth["margin_effect"] = 0.0  # what is given out is a copy
    assert shop.truth.effects(shop.truth.promotions[0]).margin_effect.abs().max() > 0


def test_features_import_nothing_of_the_simulation():
    rooms = "features profiles cleaning segmentation model metrics campaign abtest contract plots"
    package = Path(__file__).resolve().parents[2] / "promolab"
    telling = re.compile(r"sources\.simulated|import simulated|\.truth\b|[\"']truth[\"']")
    for room in rooms.split():
        paths = list((package / room).rglob("*.py"))
        assert paths and not [p for p in paths if telling.search(p.read_text(encoding="utf-8"))]
