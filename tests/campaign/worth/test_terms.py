"""How the effect of a kind moves to a promotion's own terms."""

import dataclasses
import math
from typing import Any

import pytest

from promolab import UpliftModel
from promolab.campaign.worth import moved_terms, scored_log, undiscounted
from promolab.campaign.worth.effect_values import terms_of
from promolab.effects import dose_response
from promolab.features import decisions_experiment
from promolab.promotions import Coupon, depth_of, read_promotions, threshold_of
from promolab.sources import simulated


@pytest.fixture(scope="module")
def shop() -> Any:
    return simulated(customers=600, weeks=13, variant="weekly", exploration=1.0, kinds="coupon")


@pytest.fixture(scope="module")
def model(shop: Any) -> UpliftModel:
    trial = decisions_experiment(shop, by="kind", early=True)
    return UpliftModel("dr", "ridge", folds=2).fit(trial)


def _coupon(shop: Any, rate: float, **changes: Any) -> Coupon:
    one = next(iter(read_promotions(shop).values()))
    assert isinstance(one, Coupon)
    return dataclasses.replace(one, rate=rate, **changes)


def test_coupons_of_two_depths_never_share_an_effect(shop: Any, model: UpliftModel) -> None:
    log = scored_log(model)
    drawn = sorted({one.rate for one in read_promotions(shop).values() if isinstance(one, Coupon)})
    assert len(drawn) == 3
    rates = shop.promotions.execute().set_index("promotion_id")["discount_rate"]
    measured = dose_response(model, rates[rates.index.isin(log["action"])])
    for rate in drawn:
        row = moved_terms(shop, log, [_coupon(shop, rate)], model).iloc[0]
        factor, error = measured.factor(rate)
        # Drawn to 1 as far as it is not known.
        assert abs(row["factor"] - 1) <= abs(factor - 1) and 0 < row["factor_se"] < error
        assert not row["extrapolated"]
    assert measured.factor(drawn[0]) != measured.factor(drawn[-1])
    deep = moved_terms(shop, log, [_coupon(shop, 0.4)], model).iloc[0]
    assert deep["extrapolated"]


def test_depth_and_terms_of_a_coupon_and_what_was_never_drawn_is_extrapolated(shop, model) -> None:
    log = scored_log(model)
    drawn = sorted({one.rate for one in read_promotions(shop).values() if isinstance(one, Coupon)})
    row = moved_terms(shop, log, [_coupon(shop, drawn[1])]).iloc[0]
    assert row["extrapolated"] and row["factor"] == 1
    rate = float(shop.promotions.execute()["discount_rate"].median())
    asked = moved_terms(shop, log, [_coupon(shop, rate, minimum=500.0)], model).iloc[0]
    assert asked["extrapolated"]
    share = _coupon(shop, 0.06, minimum=0.0)
    assert (depth_of(share), threshold_of(share)) == (0.06, 0.0)
    money = dataclasses.replace(share, rate=math.nan, value=5.0, minimum=20.0)
    assert (depth_of(money), threshold_of(money)) == (0.25, 20.0)
    assert terms_of(share) != terms_of(dataclasses.replace(share, rate=0.07))


def test_what_depths_add_before_discounts_is_told_by_the_window(shop: Any) -> None:
    """Whole margins hold too much chance for that: in them all depths came out the same."""
    trial = undiscounted(decisions_experiment(shop, by="kind", early=True))
    model = UpliftModel("dr", "ridge", folds=2).fit(trial)
    rates = shop.promotions.execute().set_index("promotion_id")["discount_rate"]
    late, soon = (dose_response(model, rates, early=each) for each in (False, True))
    assert soon.outcome == trial.early[0] and late.outcome == trial.outcomes[0]
    assert (soon.frame["std_error"] < 0.8 * late.frame["std_error"]).all()
    offers = [_coupon(shop, rate) for rate in soon.drawn]
    moved = moved_terms(shop, scored_log(model), offers, model)
    assert moved["factor"].iloc[0] < 1 < moved["factor"].iloc[2]
    assert not moved["extrapolated"].any()
