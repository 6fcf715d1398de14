"""Threshold: what it looks up is what the library computes."""

import re

import numpy as np
import pandas as pd
import pytest

from promolab import metrics, widgets
from tests.refused import refused


@pytest.fixture(scope="module")
def ranked():
    draw = np.random.default_rng(1)
    score = np.round(draw.normal(size=3000), 1)  # ties
    return draw.random(3000) < 1 / (1 + np.exp(2 - score)), score


def test_the_cut_counts_whole_runs_and_money_by_hand_and_its_cells_add_up(ranked):
    y, score = ranked
    made = widgets.threshold(y, score, benefit=7, cost=2, currency="EUR")
    made.move(share=0.3)
    found = made.prepared_now()
    top = found.rows_at(0.3)
    least = np.sort(score)[::-1][top - 1]
    assert top == (score >= least).sum() >= 900
    assert found.found[top] == y[score >= least].sum()
    tops = [score >= least for least in np.unique(score)]
    profit = {int(top.sum()): 7 * y[top].sum() - 2 * top.sum() for top in tops}
    assert found.best(7, 2) == (max(profit, key=profit.__getitem__), max(profit.values()))
    assert found.best(1, 5) == (0, 0.0)  # no contact pays
    text = widgets.threshold(*ranked).move(share=0.2).text
    table = text[text.index("<tbody>") : text.index("</tbody>")]
    rows = [re.findall(r">([\d,]+) · ", row) for row in table.split("</tr>")[:3]]
    cells = np.array([[int(one.replace(",", "")) for one in row] for row in rows])
    assert (cells[:, :2].sum(axis=1) == cells[:, 2]).all()
    assert (cells[:2].sum(axis=0) == cells[2]).all() and cells[2, 2] == 3000


def test_a_table_of_rows_is_taken_with_its_customers_as_clusters(ranked):
    y, score = ranked
    customer = np.arange(3000) // 3
    frame = pd.DataFrame({"y": y, "p": score, "customer_id": customer})
    auc = metrics.roc(y, score, cluster=customer)
    assert widgets.threshold(frame).prepared_now().auc == auc.estimate
    refused("no column 'p'", widgets.threshold, frame[["y"]])
    refused("give a backtest", widgets.threshold, y)


def test_curves_are_thinned_and_the_ends_stay():
    draw = np.random.default_rng(0)
    made = widgets.threshold(draw.random(20_000) < 0.3, draw.normal(size=20_000))
    roc = made.prepared_now().roc
    assert len(roc.x) <= 200 and (roc.x[0], roc.y[-1]) == (0.0, 1.0)
    assert len(made.move(share=0.5).text) < 40_000


def test_the_cut_stands_on_its_curve_and_goes_to_the_whole_list(ranked):
    y, score = ranked
    made = widgets.threshold(y, score)
    for share in (0.3, 1.0):
        text = made.move(share=share).text
        drawn = text[text.index("Average precision") :]
        bottom, top = map(float, re.search(r"M70.0 ([\d.]+)L70.0 ([\d.]+)", drawn).groups())
        height = float(re.search(r"M[\d.]+ ([\d.]+)h0", drawn)[1])
        cut = made.prepared_now().rows_at(share)
        precision = y[np.argsort(-score, kind="stable")][:cut].mean()
        assert height == pytest.approx(bottom - precision * (bottom - top), abs=0.06)
    assert cut == 3000
