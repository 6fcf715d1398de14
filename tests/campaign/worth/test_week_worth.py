"""What the promotions of a week are worth, and how the effect of a kind moves to their terms."""

import math
from dataclasses import asdict, replace

import numpy as np
import pandas as pd
import pytest

from promolab import UpliftModel
from promolab.campaign.past import known_at
from promolab.campaign.worth import (
    effect_values,
    load_worth,
    moved_terms,
    save_effects,
    scored_log,
    undiscounted,
    week_worth,
)
from promolab.effects import dose_response
from promolab.features import decisions_experiment
from promolab.folder import open_run
from promolab.metrics.pooling import past_ratios
from promolab.promotions import depth_of, read_promotions, threshold_of
from promolab.report import begin_run
from promolab.sources import simulated
from tests.made_up import cut
from tests.refused import refused

NOW = "2024-09-08 16:00"
KINDS = ["coupon", "full_reduction", "limited_time_discount", "recommendation"]
IDS = ["W16-recommendation", "W16-coupon"]


@pytest.fixture(scope="module")
def shop():
    return simulated(customers=1_500, weeks=16, exploration=1.0)


@pytest.fixture(scope="module")
def model(shop):
    return fitted(shop)


def fitted(shop):
    trial = decisions_experiment(shop, by="kind", early=True, as_of=NOW)
    return UpliftModel("dr", "ridge").fit(trial)


@pytest.fixture(scope="module")
def log(model):
    return scored_log(model)


@pytest.fixture(scope="module")
def worth(shop, model, log):
    return week_worth(shop, NOW, model, log, IDS)


def test_a_row_per_customer_with_the_effect_of_the_kind_less_the_contact(shop, worth, model):
    table = known_at(shop, NOW)
    known = table["customer_id"].tolist()
    assert worth.customers.tolist() == known
    for name in ("value", "value_se", "cost", "cost_se"):
        assert np.isfinite(getattr(worth.amounts, name)).all()
    assert worth.support.shape == worth.headline.shape == (len(known), 2)
    assert worth.places([known[3], "nobody"]).tolist() == [3, -1]
    rows = table.reindex(columns=list(model.covariates_))
    assert sorted(worth.promotions) == sorted(IDS)
    for place, name in enumerate(worth.promotions):
        effect = model.effect(rows)[(name.removeprefix("W16-"), "effect")]
        np.testing.assert_allclose(worth.amounts.value[:, place], effect - 0.2)


def test_past_decisions_are_those_of_the_log_at_this_weeks_cost(log, worth) -> None:
    rows = worth.rows
    assert len(rows) == len(log) and list(rows.arms) == worth.promotions
    for place, name in enumerate(worth.promotions):
        kind = name.removeprefix("W16-")
        np.testing.assert_allclose(rows.gamma[:, place], log[f"score.{kind}"] - 0.2)
        mean = worth.amounts.cost[:, place].mean()
        assert rows.cost[:, place].mean() == pytest.approx(mean)
    coupon = worth.promotions.index("W16-coupon")
    assert rows.cost[:, coupon].std() > 0  # who is expected to redeem more is charged more


def test_what_a_supplier_pays_is_no_cost_of_the_shop(log, worth) -> None:
    amounts, coupon = worth.amounts, worth.promotions.index("W16-coupon")
    offers = [*amounts.promotions]
    offers[coupon] = replace(offers[coupon], funder_share=0.25)
    share = np.where(np.arange(2) == coupon, 0.25, 0.0)
    cost = amounts.cost - share * amounts.discount
    changed = replace(amounts, promotions=tuple(offers), cost=cost)
    plain, funded = worth.rows, effect_values.policy_rows(log, changed)
    paid = share * (plain.cost - 0.2)  # all but the contact
    np.testing.assert_allclose(funded.cost, plain.cost - paid)
    np.testing.assert_allclose(funded.gamma, plain.gamma + paid)
    np.testing.assert_allclose(funded.effect, plain.effect + paid)


def test_terms_never_drawn_are_no_headline_and_a_kind_never_drawn_has_no_value(shop, model, log):
    offers = shop.promotions
    rate = (offers.promotion_id == "W16-coupon").ifelse(0.4, offers.discount_rate)
    deep = shop.with_tables(shop.tables | {"promotions": offers.mutate(discount_rate=rate)})
    found = week_worth(deep, NOW, model, log, IDS)
    coupon = found.promotions.index("W16-coupon")
    assert found.amounts.extrapolated.tolist() == [place == coupon for place in range(2)]
    assert not found.headline[:, coupon].any() and found.headline[:, 1 - coupon].any()
    assert found.rows.arms == ("W16-recommendation",)
    less = log.drop(columns=[c for c in log if str(c).endswith(".coupon")])
    assert week_worth(shop, NOW, model, less, IDS).promotions == ["W16-recommendation"]
    assert week_worth(shop, NOW, model, less, ["W16-coupon"]) is None


def test_without_effects_there_is_no_worth_and_an_unknown_promotion_is_named(shop, model, log):
    empty = scored_log(UpliftModel().fit(None, refuse=False))
    assert empty.empty and week_worth(shop, NOW, model, empty, IDS) is None
    said = "promotion 'W99-coupon' is not among the shop's"
    refused(said, week_worth, shop, NOW, model, log, ["W99-coupon"])


def test_what_comes_later_changes_nothing(shop, worth):
    later = shop.with_tables(shop.tables | {"events": cut(shop, NOW).events})
    assert later.events.count().execute() < shop.events.count().execute()
    model = fitted(later)
    found = week_worth(later, NOW, model, scored_log(model), IDS)
    np.testing.assert_allclose(found.amounts.value, worth.amounts.value)
    np.testing.assert_allclose(found.amounts.cost, worth.amounts.cost)


def test_a_later_page_works_out_the_same_and_keeps_nothing_of_nothing(shop, model, worth, tmp_path):
    run = begin_run(tmp_path / "lab", source="simulated", week="2024-W37", shop=shop)
    save_effects(run, shop, model, IDS)
    assert pd.Timestamp(run.as_of) == pd.Timestamp(NOW)
    ratios = past_ratios([18, 40, 21, 33, 20], [20.0, 30, 25, 30, 25])
    run.record("response", {"past_ratios": asdict(ratios)})
    scores = pd.DataFrame({"customer_id": range(500), "promotion_id": IDS[1], "p_redeemed": 0.25})
    run.write_table("scores", scores, by="customer_id")
    # The forecast of responses that all pages give, customer by customer.
    told = effect_values.expected_chances(run, shop)
    assert np.allclose(told["chance"], 0.25 * ratios.mean("coupon")) and len(told) == 500
    found = load_worth(run, shop, IDS)
    np.testing.assert_allclose(found.amounts.value, worth.amounts.value)
    np.testing.assert_array_equal(found.rows.arms, worth.rows.arms)
    # What is taken off follows from it where it is known, and not from the effect.
    mine = np.isin(found.customers, np.arange(500))
    coupon, tip = (found.amounts.place(one) for one in ("W16-coupon", "W16-recommendation"))
    own, others = found.amounts.discount[:, coupon], worth.amounts.discount[:, coupon]
    assert not np.allclose(own[mine], others[mine])
    np.testing.assert_allclose(own[~mine], others[~mine])
    np.testing.assert_allclose(found.amounts.cost[:, tip], worth.amounts.cost[:, tip])
    assert load_worth(run, shop, []) is None
    run = open_run(tmp_path, week="2024-W37")
    save_effects(run, shop, UpliftModel().fit(None, refuse=False), [])
    assert not (run.path / "uplift.safetensors").exists()
    assert load_worth(run, shop, IDS[:1]) is None


def test_rounds_that_differ_by_more_than_chance_are_seen() -> None:
    rng = np.random.default_rng(0)
    shift = np.repeat([-2.0, 0.0, 2.0, 4.0], 1_000)
    log = pd.DataFrame({"ts": np.repeat([1, 2, 3, 4], 1_000)})
    log["score.mail"] = 5 + shift + rng.normal(size=4_000)
    log["score.call"] = 10 + 2 * shift[::-1] + rng.normal(size=4_000)
    log["score.idle"] = rng.normal(size=4_000)  # adds nothing, and tells nothing of a share
    assert effect_values.spread_of(log) == pytest.approx(np.std([3, 5, 7, 9], ddof=1) / 6, rel=0.1)
    assert effect_values.spread_of(log[log["ts"] == 1]) == 0.0
    log["score.mail"], log["score.call"] = log["score.mail"] - shift, np.nan
    assert effect_values.spread_of(log) < 0.02
    # A round of one tells nothing of how rounds differ.
    log = pd.DataFrame({"ts": np.repeat([1, 2, 3], 500)})
    log["score.mail"] = np.repeat([4.0, 5.0, 6.0], 500) + rng.normal(size=1_500)
    alone = pd.DataFrame({"ts": [4], "score.mail": [900.0]})
    assert 0.1 < effect_values.spread_of(log) == effect_values.spread_of(pd.concat([log, alone]))


@pytest.fixture(scope="module")
def weekly():
    return simulated(customers=600, weeks=13, variant="weekly", exploration=1.0, kinds="coupon")


@pytest.fixture(scope="module")
def of_depths(weekly):
    trial = decisions_experiment(weekly, by="kind", early=True)
    return UpliftModel("dr", "ridge", folds=2).fit(trial)


def _coupon(shop, rate, **changes):
    return replace(next(iter(read_promotions(shop).values())), **{"rate": rate, **changes})


def test_coupons_of_two_depths_never_share_an_effect(weekly, of_depths):
    shop, model, log = weekly, of_depths, scored_log(of_depths)
    rates = shop.promotions.execute().set_index("promotion_id")["discount_rate"]
    drawn = sorted(rates.unique())
    assert len(drawn) == 3
    measured = dose_response(model, rates[rates.index.isin(log["action"])])
    for rate in drawn:
        row = moved_terms(shop, log, [_coupon(shop, rate)], model).iloc[0]
        factor, error = measured.factor(rate)
        # Drawn to 1 as far as it is not known.
        assert abs(row["factor"] - 1) <= abs(factor - 1) and 0 < row["factor_se"] < error
        assert not row["extrapolated"]
    assert measured.factor(drawn[0]) != measured.factor(drawn[-1])
    # What was never drawn is extrapolated: another depth, another threshold.
    for coupon in (_coupon(shop, 0.4), _coupon(shop, drawn[1], minimum=500.0)):
        assert moved_terms(shop, log, [coupon], model).iloc[0]["extrapolated"]
    row = moved_terms(shop, log, [_coupon(shop, drawn[1])]).iloc[0]
    assert row["extrapolated"] and row["factor"] == 1


def test_depth_and_terms_of_a_coupon(weekly):
    share = _coupon(weekly, 0.06, minimum=0.0)
    assert (depth_of(share), threshold_of(share)) == (0.06, 0.0)
    money = replace(share, rate=math.nan, value=5.0, minimum=20.0)
    assert (depth_of(money), threshold_of(money)) == (0.25, 20.0)
    assert effect_values.terms_of(share) != effect_values.terms_of(replace(share, rate=0.07))


def test_what_depths_add_before_discounts_is_told_by_the_window(weekly):
    """Whole margins hold too much chance for that: in them all depths came out the same."""
    trial = undiscounted(decisions_experiment(weekly, by="kind", early=True))
    model = UpliftModel("dr", "ridge", folds=2).fit(trial)
    rates = weekly.promotions.execute().set_index("promotion_id")["discount_rate"]
    late, soon = (dose_response(model, rates, early=each) for each in (False, True))
    assert soon.outcome == trial.early[0] and late.outcome == trial.outcomes[0]
    assert (soon.frame["std_error"] < 0.8 * late.frame["std_error"]).all()
    offers = [_coupon(weekly, rate) for rate in soon.drawn]
    moved = moved_terms(weekly, scored_log(model), offers, model)
    assert moved["factor"].iloc[0] < 1 < moved["factor"].iloc[2]
    assert not moved["extrapolated"].any()
