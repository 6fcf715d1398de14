"""Titles and pictures of simulated products: a taste found in them, or none where there is none."""

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import promolab
from promolab.features import encode_media
from promolab.recommend import cold_scores, past_new_products, product_graph
from promolab.simulated.shown import LATE, NEW, STYLES, TASTE
from promolab.simulated.world import BEGIN

WEEKS = 16
NOW = pd.Timestamp(BEGIN) + pd.Timedelta(weeks=WEEKS)


@pytest.fixture(scope="module")
def shops(tmp_path_factory):
    """The same shop of all three variants, and where it lies."""
    found = {}
    for variant in ("default", "media", "media_null"):
        folder = tmp_path_factory.mktemp(variant) / "shop"
        given = {"customers": 1_500, "weeks": WEEKS, "seed": 3, "folder": folder}
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
