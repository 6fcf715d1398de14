"""Sentences read well whatever the figures: none, one, negative, thousands, a single row."""

import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

import promolab
from promolab import metrics
from promolab.campaign.outlook.economics import LaunchEconomics
from promolab.effects.differences import compare_arms
from promolab.errors import PromolabError
from promolab.results import Estimate
from promolab.wording import money, number, percent
from tests.report.test_launch_figures import ROW
from tests.wording_lint import nonsense

NAN = math.nan
SPANS = [
    *((0.0, 0.0, 0.0), (1.0, 1.0, 1.0), (1.0, NAN, NAN), (0.0, NAN, NAN), (NAN, NAN, NAN)),
    *((1.2, 0.4, 1.9), (-1.0, -11.0, 7.0), (-3.0, -5.0, -1.0), (-0.001, -0.003, 0.001)),
    *((104.4, 104.4, 104.4 + 1e-9), (20.3340668, 20.3340667, 20.3340669), (1e-9, -1e-9, 3e-9)),
    *((12_345.6, 11_000.0, 13_800.0), (-54_321.0, -60_000.0, -50_000.0), (1.0, 0.98, 1.02)),
]


@pytest.mark.parametrize("span", SPANS)
def test_figures(span):
    told = [number(*span), number(*span, unit="points"), percent(*span), money(*span)]
    told += [number(*span, decimals=d) for d in (0, 1, 3)]
    assert nonsense("\n".join(told)) == []


def scored() -> Iterator[tuple[Any, Any]]:
    """Yield labels and chances of the odd kinds."""
    yield [1], [0.4]
    yield [0, 1], [0.5, 0.5]
    yield [0, 1], [0.0, 1.0]
    yield [1, 0], [0.0, 1.0]
    yield [0] * 5 + [1], np.linspace(0.1, 0.6, 6)
    yield [0, 1] * 30, [0.5] * 60
    yield [1] * 4, [0.2, 0.4, 0.6, 0.8]
    rng = np.random.default_rng(0)
    y = (rng.random(3_000) < 0.2).astype(int)
    yield y, np.full(len(y), y.mean())
    yield y, np.clip(0.2 + 0.1 * rng.standard_normal(len(y)), 0.001, 0.999)
    yield y, 0.98 - 0.95 * y  # as wrong as can be


@pytest.mark.parametrize("name", "roc calibration lift precision_recall".split())
def test_metrics_of_scores(name):
    said = [made(getattr(metrics, name), y, p) for y, p in scored()]
    assert any(said) and nonsense("\n".join(said)) == []


def made(how: Callable[..., Any], *given: Any, **options: Any) -> str:
    """Return what a result says, and its figure's words; nothing where the input is refused."""
    import matplotlib.pyplot as plt

    try:
        found = how(*given, **options)
    except PromolabError:
        return ""
    told = [found.summary()]
    try:
        axes = found.plot()
        told += [axes.get_title(loc) for loc in ("left", "center")]
    except (PromolabError, AttributeError):
        pass
    plt.close("all")
    return "\n".join(told)


def trials() -> Iterator[tuple[Any, Any]]:
    """Yield outcomes and arms (called 0 and 1) of the odd kinds."""
    rng = np.random.default_rng(1)
    for n in (4, 60, 2_000):
        arm = np.arange(n) % 2
        yield np.zeros(n), arm
        yield np.ones(n), arm
        yield arm.astype(float), arm
        yield 5.0 - 3.0 * arm + 0.1 * rng.standard_normal(n), arm
        yield np.where(np.arange(n) == 1, 1e5, 0.0), arm
        yield (rng.random(n) < 0.02).astype(float), arm


def test_arms_called_by_numbers():
    said = [made(compare_arms, y, arm, control=0) for y, arm in trials()]
    said += [made(compare_arms, y, arm.astype(str), control="0") for y, arm in trials()]
    told = "\n".join(said)
    assert nonsense(told) == [] and "Arm 1 " in told and "arm 0 " in told
    assert not [line for line in told.splitlines() if line[:2] in ("1 ", "0 ")]


def test_effects_of_arms_called_by_numbers():
    rng = np.random.default_rng(2)
    n = 400
    frame = pd.DataFrame({"member": np.arange(n), "sent": np.arange(n) % 2})
    frame["age"] = rng.integers(18, 80, n)
    frame["spend"] = 9.0 - 2.0 * frame["sent"] + rng.standard_normal(n)
    names = {"customer_id": "member", "arm": "sent", "outcomes": ["spend"], "propensity": 0.5}
    trial = promolab.load_experiment(frame, **names, covariates=["age"])
    model = promolab.UpliftModel("dr").fit(trial)
    told = [trial.summary(), model.checks_.summary(), model.average().summary()]
    told += [model.average().plot().get_title(loc="left")]
    assert nonsense("\n".join(told)) == []
    assert "Arm 1 takes" in told[2]


def test_what_promotions_may_cost():
    """Of nobody, of one and of many, whatever the interval."""
    for contacts, held, value in itertools.product((0, 1, 40_000), (0, 1, 60), (0.0, 1.0, 9e6)):
        for low, high in ((NAN, NAN), (value, value), (value / 2, 2 * value + 1)):
            e = Estimate(value, low, high, 1)
            row = replace(ROW, contacts=contacts, held=held, redemptions=e, discount=e, cost=e)
            row = replace(row, break_even=e, visible=NAN if held < 2 else 1.0, days=1.0)
            for rows in ((row,), (row, replace(row, promotion_id=7, name="Discount 7"))):
                week = LaunchEconomics(rows)
                told = [week.opening(), week.summary(), row.say("sees"), row.say("rates_line")]
                assert nonsense("\n".join(told)) == [], week
