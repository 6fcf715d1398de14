"""What the step pages show: overviews, whom it compares, the alarm."""

from __future__ import annotations

from types import SimpleNamespace

import pandas as pd
import pytest

from promolab.model import ResponseModel
from promolab.report.pages import steps
from promolab.wording import answer_to


def backtest(auc: float, positives: int, pooled: float) -> SimpleNamespace:
    rows = pd.DataFrame({"promotion_id": [1], "auc": [auc], "positives": [positives]})
    return SimpleNamespace(by_promotion=rows, pooled=SimpleNamespace(auc=pooled))


@pytest.mark.parametrize(
    ("auc", "positives", "pooled", "alarm"),
    [
        (0.95, 100, 0.8, True),
        (0.95, 99, 0.8, False),
        (0.80, 500, 0.91, True),
        (0.90, 500, 0.90, False),
    ],
)
def test_too_good_an_auc_raises_the_alarm(auc, positives, pooled, alarm):
    assert steps.leakage_alarm(backtest(auc, positives, pooled)).startswith("Alarm") is alarm


def test_words_are_those_of_the_promotions_kind():
    quiet = backtest(0.8, 500, 0.8)
    assert "100 redeemers" in steps.leakage_alarm(quiet)
    assert "100 responders" in steps.leakage_alarm(quiet, answer_to(["coupon", "full_reduction"]))
    launch = SimpleNamespace(words=answer_to("recommendation"), model=object())
    assert "likely to buy, not whom a promotion changes" in steps.meaning(launch).text


def test_a_customer_is_explained_in_plain_words():
    orders = [i % 7 for i in range(60)]
    rows = pd.DataFrame({"customer_id": range(60), "orders": orders, "promotion_kind": "coupon"})
    model = ResponseModel().fit(rows[["orders"]], [int(i > 4) for i in orders])
    chances = rows[["customer_id"]].assign(p_redeemed=model.probability(rows))
    pairs = rows.assign(label_complete=True)
    launch = SimpleNamespace(model=model, scores=chances, candidates=rows, pairs=pairs)
    shown = steps.explained(launch, SimpleNamespace(pseudonym=lambda ids: ["C-1"])).text
    assert f"Customer C-1 has a chance of {100 * chances.p_redeemed.max():.1f} % to redeem" in shown
    assert "P(" not in shown.split("<img")[0] and shown.count("<img") == 1


def test_without_a_model_a_sentence_stands_for_the_figures():
    launch = SimpleNamespace(model=None, why="No response model yet: <too> few.", scores=None)
    text = steps.coefficients(launch).text
    assert text == '<p class="absent">No response model yet: &lt;too&gt; few.</p>'
    assert "Nobody is ranked" in steps.explained(launch, None).text
