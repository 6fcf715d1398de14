"""Nothing in tables, features or models can reach the truth."""

import re
from pathlib import Path

import pandas as pd
import pytest

from promolab.cleaning import clean
from promolab.contract import Shop
from promolab.features import build_features, build_pairs
from promolab.simulated.truth import OUTCOMES, SimulatedShop, Truth
from promolab.sources import load_shop, save_shop
from promolab.sources.opening import simulated

TELLING = [f"{outcome}_{end}" for outcome in OUTCOMES for end in ("with", "without", "effect")]
LATENT = ("rate", "sensitivity", "loyalty", "visible", "hidden", "settled", "averse", "truth")


@pytest.fixture(scope="module")
def shop():
    return simulated(customers=500, weeks=16)


@pytest.fixture(scope="module")
def cleaned(shop):
    return clean(shop)[0]


def test_a_cleaned_shop_is_a_plain_one_and_no_table_has_a_column_of_the_truth(shop, cleaned):
    assert type(shop) is SimulatedShop and isinstance(shop.truth, Truth)
    assert type(cleaned) is Shop
    with pytest.raises(AttributeError):
        cleaned.truth  # noqa: B018
    assert cleaned.cleaned and cleaned.settings == shop.settings
    for one in (shop, cleaned):
        for name in one.tables:
            assert not set(one[name].columns) & {*TELLING, *LATENT}


def test_features_are_the_same_without_it_and_pairs_ask_nothing_of_it(shop, cleaned, monkeypatch):
    monkeypatch.setattr(Truth, "effects", lambda *_: pytest.fail("the truth was asked for"))
    moment = shop.truth.world.starts(10)
    made = [build_features(one, moment).execute() for one in (shop, cleaned)]
    pd.testing.assert_frame_equal(*(x.sort_values("customer_id", ignore_index=True) for x in made))
    # Even of the shop that knows its truth, and no column has it.
    for table in (made[0], build_pairs(shop, as_of=shop.span()[1])):
        assert not set(table.columns) & {*TELLING, *LATENT}


def test_it_is_written_nowhere(tmp_path):
    shop = simulated(customers=300, weeks=11, folder=tmp_path / "shop")
    truth = shop.truth.effects(shop.truth.promotions[0])
    save_shop(clean(shop)[0], tmp_path / "saved")
    numbers = truth.margin_effect[truth.margin_effect != 0].head(20).to_numpy()
    for content in (path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()):
        assert b"margin_effect" not in content and b"margin_with" not in content
        assert not any(number.tobytes() in content for number in numbers)
    assert type(load_shop(tmp_path / "shop")) is Shop  # opened as a folder it knows nothing


def test_features_import_nothing_of_the_simulation():
    rooms = "features profiles cleaning segmentation model metrics campaign abtest contract plots"
    package = Path(__file__).resolve().parents[2] / "promolab"
    telling = re.compile(r"sources\.simulated|import simulated|\.truth\b|[\"']truth[\"']")
    paths = [path for room in rooms.split() for path in (package / room).rglob("*.py")]
    assert {path.relative_to(package).parts[0] for path in paths} == set(rooms.split())
    assert [path for path in paths if telling.search(path.read_text(encoding="utf-8"))] == []


def test_what_is_given_out_of_the_truth_is_a_copy(shop):
    first = shop.truth.promotions[0]
    changed = shop.truth.effects(first)
    changed["margin_effect"] = 0.0
    assert shop.truth.effects(first).margin_effect.abs().max() > 0
