"""Page 06: lists for all who are ranked, what they rest on, and what they lack."""

import json
import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from promolab.display import Html
from promolab.folder import open_run
from promolab.recommend import PastOffers, Recommender, product_graph, rank_offers
from promolab.recommend.offer_features import Features, on_offer
from promolab.report import week_offers
from promolab.report.pages.offers import NoOffers, WeekOffers, _unlike
from tests.recommend.conftest import NOW, bought, coupons, in_duckdb, known, shop

__all__ = ["bought", "coupons", "known", "shop"]  # fixtures


def run_of(folder, promotions):
    """A run of the week of `NOW` with scores and outlook of some promotions."""
    manifest = {"parameters": {"week": "2024-W23"}, "as_of": NOW.isoformat()}
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    run = open_run(folder, week="2024-W23")
    rng = np.random.default_rng(0)
    pairs = pd.MultiIndex.from_product([range(122), promotions]).to_frame(index=False)
    pairs.columns = ["customer_id", "promotion_id"]
    pairs["p_redeemed"], pairs["support"] = rng.random(len(pairs)), "inside"
    run.write_table("scores", pairs, by=["customer_id", "promotion_id"])
    told = {"promotion_id": promotions, "customers": 60, "usual": 60, "expected": 20.0}
    rows = pd.DataFrame(told | {"ci_low": 10.0, "ci_high": 40.0})
    run.write_table("outlook", rows, by="promotion_id")
    return run


@pytest.fixture(scope="module")
def week(coupons, tmp_path_factory) -> WeekOffers:
    found = week_offers(run_of(tmp_path_factory.mktemp("week"), ["P4"]), of_all(coupons), most=5)
    assert isinstance(found, WeekOffers)
    return found


def of_all(tables, **changes):
    """Return a shop of some tables and all its customers."""
    everybody = pd.DataFrame({"customer_id": range(122)})
    return in_duckdb({**tables, "customers": everybody, **changes})


def pieces(found) -> dict[str, str]:
    told = {n: getattr(found, n)() for n in ("again", "methods", "lists", "cold", "method")}
    return {n: t.text if isinstance(t, Html) else t.summary() for n, t in told.items()}


def test_every_piece_names_no_customer_and_a_list_is_written_for_all_who_were_scored(week):
    told = pieces(week)
    assert all(told.values()) and told["lists"].count("<table") == 3
    named = re.findall("<caption>(.*?):", told["lists"])
    shown = [who for who, *_ in _unlike(week.graph, week.offers[0].frame["customer_id"].unique())]
    assert named == week.run.pseudonym(shown).tolist() and len(named) == 3
    assert "page Plan" in told["method"]
    assert week.to_table().text.count("<tr") == 2
    week.write()
    rows = week.run.read_table("offers")
    places = rows.groupby("customer_id")["place"]
    assert len(places) == 122 and (places.cumcount() + 1 == rows["place"]).all()
    assert week.run.metrics["offers"]["P4"]["offers"] == 12


def test_a_page_before_the_plan_counts_no_contacts_and_says_when_lists_differ_little(week):
    offers = week.offers[0]
    again = offers.frame.loc[offers.frame["bought_before"], "expected"].sum()
    assert week.repeats(offers) == pytest.approx(again / offers.frame["expected"].sum())
    assert "so many are contacted" not in week.to_table().text
    assert "they differ little" not in offers.summary()
    first = offers.frame["offer"].where(offers.frame["place"] != 1, "k")
    told = replace(offers, frame=offers.frame.assign(offer=first)).summary()
    assert "One coupon, k, stands on 100 % of the lists: they differ little." in told


def test_own_purchases_rank_where_they_ranked_better(coupons, tmp_path, week, monkeypatch):
    shop = of_all(coupons)
    graph = product_graph(shop, NOW)
    known = shop.events.filter(shop.events.ts < NOW)
    learned = Recommender("tifu").fit(known, shop.products, as_of=NOW)
    found = rank_offers(shop, "P4", learned, graph=graph, most=12, enough=1.0, own=True)
    features = Features(graph, on_offer(graph, "P4"), NOW)
    own = features.of(np.arange(len(graph.past.customers)))[..., 0]
    best = found.frame[found.frame["place"] == 1]
    place = pd.Index(found.frame["offer"].unique()).sort_values().get_indexer(best["offer"])
    rows = pd.Index(graph.past.customers).get_indexer(best["customer_id"])
    assert np.allclose(own[rows, place], own[rows].max(axis=1))
    assert "Own purchases alone rank them" in found.summary()
    assert "Own purchases" not in week.offers[0].summary()
    ranked = pd.DataFrame({"promotion_id": "P", "customer_id": range(40), "own": 0.5})
    worse = ranked.assign(ndcg=0.4 + 0.01 * (ranked["customer_id"] % 3), taken=1)
    worse = worse.assign(**{f"held_{k}": 0.5 for k in (1, 3, 5, 10)})
    assert PastOffers(worse, 10).own_better
    assert "which are used instead" in PastOffers(worse, 10).summary()
    even = worse.assign(ndcg=0.5 + 0.2 * (ranked["customer_id"] % 2) - 0.1)
    assert not PastOffers(even, 10).own_better
    monkeypatch.setattr(PastOffers, "own_better", True)
    made = week_offers(run_of(tmp_path, ["P4"]), of_all(coupons), most=5)
    assert made.offers[0].own and made.to_dict()["P4"]["by_own"]


def test_a_promotion_without_products_or_ranks_and_a_shop_without_ids_say_so(coupons, tmp_path):
    run = run_of(tmp_path, ["P4"])
    bare = coupons["promotion_products"].query("promotion_id != 'P4'")
    found = week_offers(run, in_duckdb({**coupons, "promotion_products": bare}))
    assert found.summary() == "Coupons P4 names no offers to choose from."
    events = coupons["events"].drop(columns="product_id")
    none = week_offers(run, in_duckdb({"events": events}))
    assert isinstance(none, NoOffers) and "events.product_id" in none.summary()
    assert not any(pieces(none).values())
    none.write()
    assert none.run.read_table("offers").empty
    found = week_offers(run_of(tmp_path, []), in_duckdb(coupons), kinds=["popularity"])
    assert found.unranked == ("P4",) and not found.offers
    assert "Coupons P4 starts, but nobody is ranked for it" in found.summary()


def test_coupons_of_one_promotion_and_products_of_another_are_one_table(coupons, tmp_path):
    held = coupons["promotion_products"].copy()
    held.loc[held["promotion_id"] == "P3", "coupon_id"] = None
    later = coupons["promotions"].copy()
    later.loc[later["promotion_id"] == "P3", ["starts_at", "ends_at"]] += pd.Timedelta(days=31)
    shop = of_all(coupons, promotion_products=held, promotions=later)
    found = week_offers(run_of(tmp_path, ["P3", "P4"]), shop, most=3)
    assert [offers.kind for offers in found.offers] == ["product", "coupon"]
    found.write()
    assert set(found.run.read_table("offers")["offer"].str[0]) == {"p", "k"}
