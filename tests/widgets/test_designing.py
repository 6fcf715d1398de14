"""Promotion design: each design's parts add up to the profit of the sweep."""

import pytest

from promolab import widgets
from promolab.promotions import FullReduction
from tests.promotions.test_design import Measured
from tests.promotions.test_values import WINDOW
from tests.widgets.designed import designed

OFFER = FullReduction(promotion_id="F", threshold=200, reduction=15, contact_cost=0.05, **WINDOW)
BY = Measured((180.0, 230.0, 300.0), (1.1, 1.0, 0.9), 0.1)


@pytest.mark.parametrize("more", [{}, {"promotion": OFFER, "by_threshold": BY}])
def test_the_waterfall_of_every_design_ends_at_its_profit(more):
    made = widgets.promotion_design(**designed(**more))
    found = made.prepared_now()
    assert [split.net.value for split in found.splits] == found.frame["profit"].tolist()
    for split in found.splits:
        assert split.bars["amount"].sum() == pytest.approx(split.net.value)


def test_it_begins_with_what_is_recommended_and_thresholds_slide_where_they_were_drawn():
    made = widgets.promotion_design(**designed())
    assert made.state.depth == made.prepared_now().depth
    deepest = max(depth for _, depth in made.controls["depth"].options)
    for depth in (deepest, 0.1):
        assert ("never drawn: it is a guess" in made.move(depth=depth).text) == (depth > 0.1)
    made = widgets.promotion_design(**designed(promotion=OFFER, by_threshold=BY))
    assert list(made.controls) == ["depth", "threshold"]
    assert "from 300" in made.move(threshold=300.0).text.replace("300 USD", "300")
