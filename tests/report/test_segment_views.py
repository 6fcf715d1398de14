"""Methods and segments side by side, as the page shows them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from promolab import Segmenter
from promolab.errors import InputError
from promolab.report.pages import segment_views as views
from promolab.segmentation import compare_methods, segment_response
from promolab.segmentation.segmenter import METHODS


@pytest.fixture(scope="module")
def features() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    orders = rng.poisson(8, 200) + 1
    told = {"customer_id": range(200), "orders": orders, "recency_days": rng.integers(1, 90, 200)}
    return pd.DataFrame(told).assign(amount=orders * rng.lognormal(3, 0.5, 200))


@pytest.fixture(scope="module")
def segmenter(features) -> Segmenter:
    columns = ["orders", "recency_days", "amount"]
    return Segmenter(k=3, bootstraps=2, references=0, columns=columns).fit(features)


def test_the_two_largest_are_compared(segmenter, features) -> None:
    pair = views.largest_two(segmenter.profile())
    assert pair is not None and [pair.first, pair.second] == segmenter.names_[:2]
    single = Segmenter(bootstraps=0).fit(features.head(2))
    assert views.largest_two(single.profile()) is None


def test_answers_have_intervals_and_a_verdict() -> None:
    half = [1, 0, 0, 0] * 25 + [0] * 100
    told = {"customer_id": range(200), "promotion_id": "P", "redeemed": half}
    found = segment_response(pd.DataFrame(told), ["<b>a</b>"] * 100 + ["b"] * 100)
    shown = views.answers(found).text
    assert "25 % [18, 34]" in shown and "12.5 [" in shown and "below 0.001" in shown
    assert "<b>a" not in shown and ">more<" in shown and ">less<" in shown
    assert views.answers(None).text == ""


def test_words_of_the_page_are_explained() -> None:
    assert "adjusted Rand index" in views.words().text


def test_methods_that_are_there_are_not_fitted_again(features, segmenter) -> None:
    rfm = Segmenter("rfm", bootstraps=2).fit(features)
    ways = views.fitted_methods("rfm, hdbscan", [segmenter, rfm], features)
    assert [way.method for way in ways] == ["kmeans", "rfm", "hdbscan"]
    assert ways[0] is segmenter and ways[1] is rfm
    rows = views.method_rows(compare_methods(ways))
    assert set(views.method_columns()) <= set(rows)
    assert rows["separation"].str.contains(r"^–|\[").all()
    with pytest.raises(InputError, match="did you mean 'kmeans'"):
        views.fitted_methods("rfm, kmean", [segmenter], features)
    assert set(METHODS) >= {way.method for way in ways}
