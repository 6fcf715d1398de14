"""Experiment: the figures are those of `promolab.plan_experiment`."""

import pandas as pd

import promolab
from promolab import widgets
from tests.refused import refused


def test_a_move_gives_the_plan_of_the_library_and_arms_share_the_level():
    made = widgets.experiment(rate=0.05, outcome_days=0)
    text = made.move(lift=0.2, power=0.9, arrivals=500.0).text
    plan = promolab.plan_experiment(rate=0.05, lift=0.2, power=0.9, arrivals=500)
    assert plan.summary() in text
    daily = promolab.plan_experiment(rate=0.05, lift=0.2, power=0.9, sequential=True)
    assert f"looked at every day {daily.customers:,}" in text
    made = widgets.experiment(mean=40, sd=80)
    text = made.move(arms=4, days=14, sequential=True).text
    assert "3 comparisons, each" in text and "In 14 days a test read once finds" in text


def test_the_baseline_is_taken_from_a_table_and_what_cannot_be_is_a_sentence():
    table = pd.DataFrame({"bought": [0, 1, 0, 0] * 50, "before": [0, 1, 0, 1] * 50})
    made = widgets.experiment(table, "bought", earlier="before")
    assert made.state.baseline == 0.25 and "CUPED" in made.move(lift=0.1).text
    made = widgets.experiment(rate=0.6)
    assert "a share lies between 0 and 1" in made.move(lift=0.9).text
    refused("sd", widgets.experiment, mean=40)
