"""Titles, pictures and calls of simulated shops: what they tell is found, and nothing else is."""

import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import promolab
from promolab.cleaning import clean, known_by
from promolab.compare import choose_method
from promolab.features import (
    build_candidates,
    build_pairs,
    encode_media,
    vector_columns,
    with_vectors,
)
from promolab.folder import RunFolder
from promolab.language import speaking
from promolab.recommend import cold_scores, past_new_products, product_graph
from promolab.report.pages.offers import WeekOffers
from promolab.serve.live import LiveFeatures
from promolab.simulated.people import draw_customers
from promolab.simulated.shown import LATE, NEW, STYLES, TASTE, usual_orders
from promolab.simulated.world import BEGIN, World
from promolab.sources import save_shop
from promolab.weeks import Week
from tests.wording_lint import nonsense

WEEKS = 16
NOW = pd.Timestamp(BEGIN) + pd.Timedelta(weeks=WEEKS)


@pytest.fixture(scope="module")
def shops(tmp_path_factory):
    """The same shop of all three variants, and where it lies."""
    found = {}
    for variant in ("default", "media", "media_null"):
        folder = tmp_path_factory.mktemp(variant) / "shop"
        given = {"customers": 1_500, "weeks": WEEKS, "seed": 5, "folder": folder}
        found[variant] = promolab.load_shop("simulated", variant=variant, **given), folder
    return found


@pytest.fixture(scope="module")
def products(shops):
    shop, folder = shops["media"]
    rows = shop.products.execute().set_index("product_id").sort_index()
    return rows, folder


def lines(shop):
    events = shop.events.execute()
    bought = events[events["kind"] == "purchase"]
    return bought.sort_values(["order_id", "ts", "amount"], ignore_index=True)


def test_nothing_but_the_products_bought_hangs_on_it(shops):
    plain, taste, none = (lines(shops[v][0]) for v in ("default", "media", "media_null"))
    for name in ("customer_id", "order_id", "ts"):
        assert plain[name].equals(taste[name]) and plain[name].equals(none[name])
    for name in ("customers", "decisions", "exposures", "contact_rights"):
        tables = [shops[v][0][name].execute() for v in ("default", "media")]
        first = tables[0].columns[:2].tolist()
        one, other = (t.sort_values(first, ignore_index=True) for t in tables)
        pd.testing.assert_frame_equal(one, other)
    assert "title" not in shops["default"][0].products.columns
    assert shops["media_null"][0].products.execute().equals(shops["media"][0].products.execute())


def test_new_products_are_sold_late_and_lines_are_to_taste(shops, products):
    rows, _ = products
    style = rows["title"].str.split().str[0]
    assert set(style) == set(STYLES)
    for variant, share in (("media", TASTE + (1 - TASTE) / 3), ("media_null", None)):
        bought = lines(shops[variant][0])
        new = (bought["product_id"] - 1) % LATE == 0
        from_utc = NOW - pd.Timedelta(weeks=NEW, hours=8)
        assert (bought.loc[new, "ts"] >= from_utc).all() and new.sum() > 100
        counts = pd.crosstab(bought["customer_id"], bought["product_id"].map(style))
        often = counts[counts.sum(axis=1) >= 20]
        most = (often.max(axis=1) / often.sum(axis=1)).mean()
        assert abs(most - share) < 0.06 if share else most < 0.6


def test_pictures_have_their_styles_colour(products):
    rows, folder = products
    for path, title in zip(rows["image"][:20], rows["title"][:20], strict=True):
        seen = np.asarray(Image.open(folder / path)).mean(axis=(0, 1))
        away = {name: np.abs(seen - rgb).sum() for name, rgb in STYLES.items()}
        assert min(away, key=away.get) == title.split()[0]


def test_a_taste_is_found_in_titles_and_pictures_and_none_where_there_is_none(shops, products):
    """Of 2,000 customers, found in 10 shops of 10; where there is none in 1 (titles), 0 of 20."""
    rows, folder = products
    of = {"encoder": "statistics", "folder": folder}
    told = {
        "titles": encode_media(rows["title"]),
        "images": encode_media(rows["image"], "image", **of),
    }
    for variant in ("media", "media_null"):
        graph = product_graph(shops[variant][0], NOW)
        plain = past_new_products(graph)
        assert "adds" not in plain.summary() and not plain.vectors_help
        for vectors in told.values():
            found = past_new_products(graph, vectors=vectors)
            assert found.frame.drop(columns="shown").equals(plain.frame)
            assert found.vectors_help == (variant == "media")
            gap = found.mean("auc", "shown")
            assert gap.value == pytest.approx((found.frame["shown"] - found.frame["auc"]).mean())
            said = "is worth it" if variant == "media" else "not beyond noise, so it is not used"
            assert said in found.summary()


def test_who_bought_nothing_and_what_has_no_title_are_in_the_middle(shops, products):
    rows, _ = products
    graph = product_graph(shops["media"][0], NOW)
    vectors = encode_media(rows["title"], dimensions=3)
    asked, some = rows.index[:3].tolist(), graph.past.customers[:5].tolist()
    plain, scores = (cold_scores(graph, asked, [*some, -1], v) for v in (None, vectors))
    assert np.isfinite(scores).all(axis=None) and (scores.loc[-1] < scores.max()).all()
    untold = cold_scores(graph, asked, [*some, -1], vectors.drop(asked[0]))
    assert untold[asked[0]].equals(plain[asked[0]])  # of it nothing is told
    # By hand: the mean cosine with what was bought, and two orders that say nothing.
    unit = vectors - vectors.mean()
    unit = unit.div(np.linalg.norm(unit, axis=1), axis=0)
    weights = pd.DataFrame(graph.past.decayed(16).toarray(), columns=graph.past.products)
    near = (weights @ unit.loc[weights.columns]).div(weights.sum(axis=1) + 2, axis=0) @ unit.loc[
        asked
    ].T
    near = ((near - near.mean()) / near.std(ddof=0)).to_numpy()[:5]
    assert (scores - plain).to_numpy()[:5] == pytest.approx(near, abs=1e-9)


def only(shop, *names):
    """Return a shop with some of the columns that show or sound alone."""
    gone = {"products": ["title", "image"], "questions": ["sound"]}
    away = {table: [c for c in columns if c not in names] for table, columns in gone.items()}
    return shop.with_tables({n: t.drop(*away.get(n, ())) for n, t in shop.tables.items()})


@pytest.fixture(scope="module")
def called(shops):
    """Both shops with the vectors of their calls, and the pairs as of the last week."""
    found = {v: with_vectors(only(shops[v][0], "sound")) for v in ("media", "media_null")}
    return {v: (shop, build_pairs(shop, NOW).execute()) for v, shop in found.items()}


def test_a_voice_tells_what_is_expected_of_a_customer_or_nothing(shops, called):
    assert not shops["default"][0].has("questions")
    people = draw_customers(world := World(1_500, WEEKS, 5, "media"), 0, 1_500)
    told = np.log(people.rate + usual_orders(world, people).mean(axis=1))
    for variant, (shop, _) in called.items():
        calls = shop.questions.execute().set_index("customer_id").loc[people.number]
        assert len(calls) == 1_500 and set(vector_columns(calls)) == {"audio"}
        X = calls.filter(like="audio_").assign(one=1.0).to_numpy()
        left = told - X @ np.linalg.lstsq(X, told, rcond=None)[0]
        assert (left.var() < 0.1 * told.var()) == (variant == "media")
        assert left.var() < 0.1 * told.var() or left.var() > 0.98 * told.var()


def test_calls_enter_the_response_model_where_they_help_out_of_time(called):
    """Of 2,000 customers and 26 weeks, in 10 shops of 10; where they tell nothing, in 0 of 20."""
    for variant, (_, pairs) in called.items():
        choice = choose_method(pairs, "logistic", features="chosen")
        used, board = vector_columns(choice.features.columns), choice.features.weighed
        assert (used == {}) == (variant == "media_null") and board.models == ("none", "audio")
        assert (board.difference("audio").ci_high < 0) == (variant == "media")
        said = "so they are used" if used else "so they are not used"
        assert (
            said in choice.summary()
            and "past promotions (less is better): calls" in choice.summary()
        )
        with speaking("zh"):
            assert ("因此采用" in choice.summary()) == bool(used)
        assert nonsense(choice.summary()) == []
        # Whatever served before, vectors are weighed anew: the champion's own go, this week's come.
        plain = [c for c in choice.features.columns if not c.startswith("audio_")]
        told = {"model": "logistic", "options": {"l2": 30.0}, "features": [*plain, "text_00"]}
        kept = choose_method(pairs, features="chosen", champion=told).features
        assert kept.columns == choice.features.columns
        # Without vectors nothing is weighed, nor said; the features are the same.
        bare = pairs.drop(columns=vector_columns(pairs)["audio"])
        given = choose_method(bare, features="chosen").features
        assert given.columns == plain and given.weighed is None and "Vectors" not in given.why
    early = choose_method(pairs.assign(label_complete=False), features="chosen").features
    assert "could not be weighed" in early.why and not vector_columns(early.columns)


def test_a_pair_has_the_means_of_what_was_heard_and_bought_before(shops, called):
    shop, pairs = called["media"]
    calls = shop.questions.execute().merge(pairs[["customer_id", "as_of"]].drop_duplicates())
    means = calls[calls["ts"] < calls["as_of"]].groupby(["customer_id", "as_of"])
    means = means[vector_columns(calls)["audio"]].mean().reset_index()
    both = pairs[["customer_id", "as_of"]].merge(means, how="left")
    assert 0.02 < both["audio_00"].isna().mean() < 0.6
    assert np.allclose(both.iloc[:, 2:], pairs[both.columns[2:]], atol=1e-6, equal_nan=True)
    titled = with_vectors(only(shops["media"][0], "title"))
    goods = titled.products.execute().set_index("product_id").filter(like="text_")
    bought = lines(titled)[lambda d: d["ts"] < NOW][["customer_id", "product_id"]].drop_duplicates()
    mean = goods.loc[bought["product_id"]].groupby(bought["customer_id"].to_numpy()).mean()
    found = build_candidates(titled, NOW, [titled.promotions.promotion_id.max().execute()])
    found = found.execute().set_index("customer_id")[goods.columns].loc[mean.index]
    assert np.allclose(found, mean, atol=1e-6)
    # A service keeps them as of the beginning, and says so.
    live = LiveFeatures(titled, NOW)
    row = live.row(mean.index[0], 10**18)
    assert [row[c] for c in goods] == pytest.approx(mean.iloc[0], abs=1e-6)
    assert np.isnan(live.row(-1, 10**18)["text_00"]) and "text_00" in live.stale


def test_no_path_leads_into_a_weeks_folder_and_what_cannot_be_read_is_said(shops, tmp_path):
    shop = only(known_by(shops["media"][0], BEGIN + pd.Timedelta(weeks=2)), "sound", "image")
    (calls := tmp_path / "shop" / "calls").mkdir(parents=True)
    heard = shop.questions.sound.execute()
    for path in heard:
        shutil.copy(shops["media"][1] / path, calls)
    raw = with_vectors(replace(shop, folder=tmp_path / "shop"), tmp_path / "cache")
    assert vector_columns(raw.questions.columns) and len(raw.questions.execute()) == len(heard)
    said = "products.image: a file cannot be read; encode_media says which"
    assert raw.left_out == (said,) and not vector_columns(raw.products.columns)
    known = clean(known_by(shops["media"][0], BEGIN + pd.Timedelta(weeks=2)))[0]
    week = with_vectors(known, tmp_path / "cache").without_personal()  # as step 01 does
    save_shop(week, tmp_path / "week")
    loaded = promolab.load_shop(tmp_path / "week")
    assert set(vector_columns(loaded.products.columns)) == {"image", "text"}
    assert with_vectors(loaded).questions.columns == raw.questions.columns  # not a second time
    files = [p for folder in ("week", "cache") for p in (tmp_path / folder).rglob("*.*")]
    assert len(files) > len(heard) and not any(b"calls/" in p.read_bytes() for p in files)
    assert not {p.stem for p in (tmp_path / "cache").rglob("*.npy")} & {
        p.stem for p in calls.iterdir()
    }
    assert with_vectors(replace(shop, folder=None)).left_out == (
        said,
        said.replace("products.image", "questions.sound"),
    )


def test_the_page_ranks_for_products_that_nobody_bought_where_titles_help(shops, tmp_path):
    for variant in ("media", "media_null"):
        shop, run = shops[variant][0], RunFolder(tmp_path, Week.parse("2024-W38"))
        graph = product_graph(shop, NOW)
        week = WeekOffers(run, shop, graph, (), (), (), 0)
        told = week.cold().text
        assert ("<table" in told) == ("that nobody has bought yet" in told) == (variant == "media")
        if variant == "media":
            rows = shop.products.execute().set_index("product_id").sort_index()
            new = [p for p in graph.products["product_id"] if p not in graph.past.products][:10]
            scores = cold_scores(graph, new, vectors=encode_media(rows["title"]))
            for product in new:
                assert run.pseudonym([scores[product].idxmax()])[0] in told
            assert told.count("<tr") == 1 + len(new)
