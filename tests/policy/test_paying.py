"""Nothing is spent where past decisions do not show that it pays."""

import numpy as np
import pytest

from benchmarks.money import BUDGET, made_up, spending_nothing
from promolab import allocate
from promolab.errors import InputError
from promolab.policy import PolicyRows, money_answer, pays_to_spend
from promolab.policy.valuing import NOTHING_SHARES


def test_where_promotions_do_nothing_it_is_rarely_taken_to_pay():
    assert sum(spending_nothing(100)) <= 5


def test_where_they_pay_it_is_seen_and_the_bound_is_the_one_sided_one():
    assert all(spending_nothing(10, strength=4.0))
    rows = made_up(0, 4.0).rows
    sure, surer = (pays_to_spend(rows, budget=BUDGET * 4_000, level=level) for level in (0.9, 0.99))
    assert surer.profit.ci_low < sure.profit.ci_low < sure.profit.value
    assert sure.summary().startswith("It pays to spend: by 4,000 past decisions it adds ")


def _rows(horizon: float, window: float | None) -> PolicyRows:
    """One arm for 4,000 customers, with these means over the horizon and in the window."""
    rng = np.random.default_rng(1)
    far, near = rng.normal(size=(2, 4_000, 1))
    even, fold, who = np.ones((4_000, 1)), np.arange(4_000) % 5, np.arange(4_000)
    soon = None if window is None else near - near.mean() + window
    gamma = 3 * (far - far.mean()) + horizon
    return PolicyRows(gamma, even, 0.1 * even, fold, who, ("mail",), soon=soon)


def test_where_the_window_is_sure_less_certainty_of_the_horizon_is_enough():
    assert not pays_to_spend(_rows(0.08, None))  # 1.3 standard errors
    sure = pays_to_spend(_rows(0.08, 0.5), currency="EUR")
    assert sure and sure.soon and sure.loss < 0.1
    assert sure.summary().endswith("In the window alone promotions are sure to earn their cost.")
    assert "the chance of a loss is 10 %, and 20 % is tolerated" in sure.summary()
    doubtful = pays_to_spend(_rows(0.04, 0.5))  # what lasts is not sure enough
    assert not doubtful and "tolerated. In the window alone" in doubtful.summary()
    assert not pays_to_spend(_rows(-0.2, 0.5))  # bought earlier, not more


def test_where_the_window_shows_nothing_the_bound_is_as_strict_as_without_it():
    for window in (-0.5, 0.0):
        nothing = pays_to_spend(_rows(0.08, window))
        assert not nothing and not nothing.soon and nothing.loss > 0.4


def test_an_allocation_that_does_not_pay_spends_on_those_drawn_alone_and_says_why():
    pays = pays_to_spend(made_up(0, 0.0).rows, currency="EUR")
    assert not pays
    value = np.ones((500, 2))
    nothing = allocate(value, value, budget=100, pays=pays)
    assert nothing.contacted == 0 and nothing.value == 0
    assert "Nothing is spent beyond what is learned from" in nothing.summary()
    learning = allocate(value, value, budget=100, pays=pays, explore=0.1)
    assert learning.drawn is not None
    assert 0 < learning.spend < 60
    assert np.allclose(learning.drawn.propensities[:, -1], 0.9 + 0.1 / 3)


def test_the_money_answer_of_such_an_allocation_is_that_of_those_drawn():
    rows = made_up(0, 0.0).rows
    plan = allocate(
        rows.effect, rows.cost, budget=160, pays=pays_to_spend(rows, budget=160), explore=0.1
    )
    found = money_answer(rows, plan=plan)
    assert found.contacts == plan.contacted
    assert found.profit.value == pytest.approx(0.1 * 0.75 * 4_000 * rows.gamma.mean())


def test_what_cannot_be_is_refused_in_a_sentence():
    with pytest.raises(InputError, match=r"level = 0\.4; expected a number between 0\.5 and 1"):
        pays_to_spend(made_up(0).rows, level=0.4)


def test_of_scores_alone_the_chance_of_nothing_follows_from_a_one_sided_p_value():
    """At 2.05 standard errors p = .02: q = e p log(1/p) ÷ (1 + that) = .176, and a loss .193."""
    error = NOTHING_SHARES / np.sqrt(4_000)
    found = pays_to_spend(_rows(2.054 * 3 * error, None))
    assert found.nothing == pytest.approx(0.1755, abs=0.002)
    assert found and found.loss == pytest.approx(0.192, abs=0.002)
    assert not pays_to_spend(_rows(1.9 * 3 * error, None))
    assert pays_to_spend(_rows(1.8 * 3 * error, None)).profit.ci_low > 0  # 1.64 of one side
    assert not pays_to_spend(_rows(2.054 * 3 * error, None), tolerated=0.1)
    assert [pays_to_spend(_rows(0.08, z * error)).soon for z in (1.5, 1.8)] == [False, True]


def test_past_rounds_that_did_nothing_make_it_less_likely_that_it_pays():
    rows = _rows(2.054 * 3 * NOTHING_SHARES / np.sqrt(4_000), None)
    never, always = (pays_to_spend(rows, past=[q] * 4) for q in (1.0, 0.0))
    assert never.nothing > 0.5 > 0.2 > always.nothing and always and not never
    odds = 0.1755 / (1 - 0.1755) * 5  # (1 + 4) ÷ (2 + 4) before
    assert never.nothing == pytest.approx(odds / (1 + odds), abs=0.01)
