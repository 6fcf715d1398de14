"""What is said before a week: two intervals, parts that add up, no luck of what looked best."""

from dataclasses import replace

import numpy as np
import pytest

from promolab import UpliftModel, load_shop
from promolab.campaign.worth import scored_log, week_worth
from promolab.cleaning import known_by
from promolab.features import decisions_experiment
from promolab.loop.promises import forecast_week
from promolab.loop.promises.forecasts import _shrunk, ends_of
from promolab.loop.promises.windows import HORIZON, Span, held_by, noise_of, taken_off_each
from promolab.metrics.pooling import past_ratios
from tests.draws import draws
from tests.loop.promises.test_outcomes import check_sums, segments_of, week_of


@pytest.fixture(scope="module")
def week():
    shop = load_shop("simulated", variant="weekly", customers=1_000, weeks=16, exploration=0.5)
    decisions, chances = week_of(shop, -1)
    ts = decisions["ts"].iloc[0]
    known = known_by(shop, ts)
    trial = decisions_experiment(known, by="kind", early=True, as_of=ts)
    model = UpliftModel("dr", "ridge").fit(trial)
    actions = sorted(set(chances["action"]) - {"none"})
    worth = week_worth(known, ts, model, scored_log(model), actions)
    return known, decisions, chances, worth, ts, shop.truth


@pytest.fixture(scope="module")
def said(week):
    shop, decisions, chances, worth, ts, _ = week
    got = decisions[decisions["action"] != "none"].rename(columns={"action": "promotion_id"})
    ratios = past_ratios([18, 40, 21, 33, 20], [20.0, 30, 25, 30, 25])
    named = {"response": got.assign(p_redeemed=0.1), "ratios": ratios, "as_of": ts}
    named |= {"week": "2024-W39", "segments": segments_of(decisions)}
    return forecast_week(shop, decisions, chances, worth, **named)


def test_rows_add_up_rates_are_of_those_contacted_and_the_readout_is_less_sure(said):
    check_sums(said, rel=0.02)
    assert (said["ci_low"] <= said["value"]).all() and (said["value"] <= said["ci_high"]).all()
    known = said[said["readout_low"].notna()]
    wider = (known["readout_low"] < known["ci_low"]) & (known["ci_high"] < known["readout_high"])
    assert len(known) and wider.all()
    keys = ["promotion_id", "segment"]
    counts, rates = (
        said[said["measure"] == name].set_index(keys) for name in ("redemptions", "response_rate")
    )
    assert np.allclose(rates["value"], counts["value"] / counts["n"])


def test_spend_is_near_the_truth_and_promotions_that_run_on_are_known(week):
    shop, decisions, chances, worth, ts, truth = week
    amounts = worth.amounts
    shifted = replace(amounts, cost=3 * amounts.cost, value=amounts.value - 5)
    found = forecast_week(shop, decisions, chances, replace(worth, amounts=shifted), as_of=ts)
    spend = found[(found["promotion_id"] == "") & (found["measure"] == "spend")].iloc[0]
    got = decisions[(decisions["action"] != "none") & (decisions["holdout"] != "standing")]
    true = 0.2 * len(got)
    for name, mine in got.groupby("action"):
        effects = truth.effects(name).set_index("customer_id")["discount_effect"]
        true += effects.loc[mine["customer_id"]].sum()
    assert spend["value"] == pytest.approx(true, rel=0.2)
    assert spend["ci_low"] < true < spend["ci_high"] < 1.5 * true
    who = decisions["customer_id"].to_numpy()
    held = held_by(shop, who, ts, amounts.promotions)
    made = shop.decisions.execute()
    before = made[(made["ts"] == made["ts"].max()) & (made["action"] != "none")]
    mine = before[before["customer_id"].isin(who)]
    assert {str(p.promotion_id): set(who[has]) for p, has in held} == {
        name: set(rows["customer_id"]) for name, rows in mine.groupby("action")
    }


def test_what_runs_beside_is_expected_not_the_luck_of_who_had_much_lately(week):
    shop, _, _, worth, ts, truth = week
    amounts, offers = worth.amounts, worth.amounts.promotions
    low, end = min(one.starts_at for one in offers), max(one.ends_at for one in offers)
    beside = noise_of(shop, amounts.customers, Span(ts, low, end, end + HORIZON), ts).usual
    true = truth.effects(amounts.names[0]).set_index("customer_id")["discount_without"]
    true = true.reindex(amounts.customers).to_numpy()
    top = beside >= np.quantile(beside, 0.9)
    assert (beside >= 0).all()
    # Charged by what was taken off lately, the top tenth had 2.7 times too much against the others.
    assert beside[top].mean() / true[top].mean() < 1.3 * beside.mean() / true.mean()
    who = np.arange(len(beside))
    for j, one in enumerate(offers):
        given = amounts, who, np.full(len(who), j), beside
        both = [taken_off_each(*given, after=after) for after in (True, False)]
        if one.kind == "recommendation":  # what begins later takes as much as what began before
            np.testing.assert_allclose(both[0], 2 * both[1])
        assert (both[0] >= both[1]).all()


def test_where_effects_are_not_known_no_profit_is_said_and_of_nobody_nothing(week):
    shop, decisions, chances, worth, ts, _ = week
    found = forecast_week(shop, decisions, chances, None, as_of=ts)
    profit = found[found["measure"] == "added_profit"]
    assert (profit["identification"] == "not identified").all() and profit["value"].isna().all()
    assert "redemptions" not in set(found["measure"])  # no model of responses was handed in
    found = forecast_week(shop, decisions.assign(action="none"), chances, worth, as_of=ts)
    assert found.empty


def test_intervals_of_counts_hold_and_what_looked_best_is_not_promised_too_much():
    rng = np.random.default_rng(1)
    value, sd = 80.0, 12.0
    s = np.sqrt(np.log1p((sd / value) ** 2))
    mean = value * np.exp(s * rng.normal(size=20_000) - s * s / 2)
    ends = ends_of(value, sd**2, value, 1.645)
    for name, drawn, off in (("ci", mean, 0.01), ("readout", rng.poisson(mean), 0.02)):
        inside = (drawn >= ends[f"{name}_low"]) & (drawn <= ends[f"{name}_high"])
        assert abs(inside.mean() - 0.9) < off
    assert ends_of(value, sd**2, value, 1.645, most=81)["ci_high"] == 81
    rng, kinds, error = np.random.default_rng(0), 4, np.tile([2.0, 1.0], 4)
    naive, shrunk, inside = [], [], []
    for _ in range(draws(1_000)):
        true = np.empty(2 * kinds)
        true[0::2], true[1::2] = 2.0 + rng.normal(size=kinds), 0.5 * rng.normal(size=kinds)
        found = true + rng.normal(size=2 * kinds) * error
        estimate, left = _shrunk(found, np.diag(error**2))
        best = 2 * int(np.argmax(found[0::2]))
        naive.append(found[best] - true[best])
        shrunk.append(estimate[best] - true[best])
        inside.append(abs(shrunk[-1]) <= 1.645 * np.sqrt(left[best, best]))
    assert np.mean(naive) > 1.2 and abs(np.mean(shrunk)) < np.mean(naive) / 3
    assert 0.85 <= np.mean(inside) <= 0.96
    found = np.array([1.0, 0.5, 3.0, 2.0])
    estimate, left = _shrunk(found, 1e-8 * np.eye(4))
    assert np.allclose(estimate, found, atol=1e-4)
    assert np.allclose(left, 1e-8 * np.eye(4), atol=1e-9)
