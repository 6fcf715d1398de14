"""Making a simulated shop, keeping it, and opening it again."""

import pytest

from promolab.cli import main
from promolab.simulated import tables as writing_tables
from promolab.simulated.truth import Truth
from promolab.simulated.world import World
from promolab.sources import load_shop
from promolab.sources.opening import simulated
from tests.refused import refused

SMALL = {"customers": 400, "weeks": 11}


def written(folder):
    return {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_the_same_seed_makes_the_same_shop_and_another_one_another(tmp_path):
    for name, seed in (("one", 0), ("two", 0), ("other", 1)):
        simulated(**SMALL, seed=seed, folder=tmp_path / name)
    one, two, other = (written(tmp_path / name) for name in ("one", "two", "other"))
    assert one == two
    same = {path.parts[0] for path in one if one[path] == other[path]}
    assert same == {"calendar", "products", "promotions", "promotion_products"}


def test_a_folder_is_used_again_and_what_was_not_finished_made_again(tmp_path, monkeypatch):
    folder = tmp_path / "kept"
    first = load_shop("simulated", **SMALL, folder=folder)
    with monkeypatch.context() as patch:
        patch.setattr(writing_tables, "write_shop", lambda *_: pytest.fail("made again"))
        again = load_shop("simulated", **SMALL, folder=str(folder))
    assert again.truth == first.truth == Truth(World(**SMALL))
    refused("something other", load_shop, "simulated", **SMALL, seed=9, folder=folder)
    whole = written(folder)
    (folder / "shop.toml").unlink()  # written last
    (folder / "events" / "part-00000.parquet").write_bytes(b"PAR1")
    simulated(**SMALL, folder=folder)
    assert written(folder) == whole


def test_a_folder_of_something_else_or_that_cannot_be_written_is_left_alone(tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    refused("empty folder", load_shop, "simulated", **SMALL, folder=tmp_path)
    refused("is a file", load_shop, "simulated", **SMALL, folder=tmp_path / "mine.txt")
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
    refused("cannot be written", simulated, **SMALL, folder=tmp_path / "mine.txt" / "shop")


def test_the_command_line_shows_it_and_keywords_go_before_what_the_source_states(capsys):
    shop = load_shop("simulated:customers=300,weeks=11", customers=200)
    assert shop.truth.world == World(customers=200, weeks=11)
    assert main(["data", "simulated:customers=300,weeks=11"]) == 0
    assert "decisions" in capsys.readouterr().out
    assert main(["data", "simulated:customers=300,variant=easy"]) == 2
    assert "variant 'easy' is unknown" in capsys.readouterr().err


def test_chunks_follow_one_another(tmp_path, monkeypatch):
    for module in ("tables", "truth"):
        monkeypatch.setattr(f"promolab.simulated.{module}.CHUNK", 150)
    shop = simulated(customers=401, weeks=11, seed=77, folder=tmp_path)
    truth = shop.truth.effects("W06-coupon")
    for ids in (shop.customers.execute().customer_id.sort_values(), truth.customer_id):
        assert ids.tolist() == list(range(1, 402))
    assert truth.margin_without.nunique() == 401
    bought = shop.events.filter(shop.events.kind == "purchase").execute()
    assert bought.groupby("order_id").customer_id.nunique().max() == 1
    assert bought.customer_id.max() > 300
    assert len(list((tmp_path / "events").iterdir())) == 3


def test_a_shop_of_one_kind_alone_and_one_whose_columns_hold_nothing_can_be_used():
    shop = simulated(customers=300, weeks=11, kinds=("full_reduction",))
    assert set(shop.promotions.execute().kind) == {"full_reduction"}
    assert set(shop.decisions.execute().action) <= {"W06-full_reduction", "none"}
    shop = simulated(customers=100)
    assert shop.reviews.promotion_id.notnull().sum().execute() == 0
    assert shop.check().usable and shop.reviews.promotion_id.type().is_string()
