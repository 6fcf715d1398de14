"""Sentences read well whatever the figures: none, one, negative, thousands, a single row."""

import itertools
import math
from dataclasses import replace

import pytest

from promolab.campaign.outlook.economics import LaunchEconomics
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
