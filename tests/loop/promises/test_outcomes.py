"""What is said before a week, and what came of it by assignment: parts add up, intervals hold."""

from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from promolab import UpliftModel, load_shop
from promolab.campaign.worth import scored_log, week_worth
from promolab.cleaning import known_by
from promolab.features import decisions_experiment
from promolab.loop.promises import forecast_week, week_outcomes, windows
from promolab.loop.promises.assignment import Assigned, assigned_of
from promolab.loop.promises.forecasts import _shrunk, ends_of
from promolab.loop.promises.outcomes import _Money
from promolab.loop.promises.windows import Span, brought_in
from promolab.metrics.pooling import past_ratios
from tests.draws import check_cover, draws
from tests.made_up import shop_of
from tests.refused import refused


@pytest.fixture(scope="module")
def shop():
    return load_shop("simulated", variant="weekly", customers=1_500, weeks=18, exploration=0.5)


def week_of(shop, number):
    """Return a round's decisions and their chances."""
    moments = sorted(shop.decisions.select("ts").distinct().execute()["ts"])
    rows = shop.decisions.filter(shop.decisions.ts == moments[number])
    chances = shop.decision_propensities.semi_join(rows, "decision_id").execute()
    return rows.execute(), chances


def segments_of(decisions):
    who = decisions["customer_id"]
    return pd.Series(np.where(who % 2, "odd", "even"), index=who)


def check_sums(rows, rel=None):
    """Check that promotions, and segments, sum to the whole."""
    for measure in ("redemptions", "spend", "added_profit"):
        mine = rows[rows["measure"] == measure]
        whole = mine[(mine["promotion_id"] == "") & (mine["segment"] == "")]["value"].iloc[0]
        for by in ("promotion_id", "segment"):
            assert mine[mine[by] != ""]["value"].sum() == pytest.approx(whole, rel=rel)


@pytest.fixture(scope="module")
def settled(shop):
    decisions, chances = week_of(shop, 2)
    named = {"as_of": shop.settings.life()[1], "segments": segments_of(decisions)}
    found = week_outcomes(shop, decisions, chances, week="2024-W30", **named)
    return decisions, found


def test_responses_are_counted_by_hand(settled, shop):
    decisions, found = settled
    assert set(found["state"]) == {"settled"} and set(found["week"]) == {"2024-W30"}
    check_sums(found)
    rows = found[(found["measure"] == "redemptions") & (found["promotion_id"] != "")]
    offers = shop.promotions.execute().set_index("promotion_id")
    responses = shop.responses.execute()
    assert len(rows) > 3
    for row in rows.itertuples():
        offer = offers.loc[row.promotion_id]
        kind = "purchase" if offer["kind"] == "recommendation" else "redeem"
        mine = responses[responses["promotion_id"] == row.promotion_id]
        mine = mine[(mine["kind"] == kind) & (mine["ts"] < offer["ends_at"])]
        mine = mine[mine["ts"] >= offer["starts_at"]]
        got = set(decisions.loc[decisions["action"] == row.promotion_id, "customer_id"])
        assert (row.value, row.n) == (len(got & set(mine["customer_id"])), len(got))


def test_a_week_is_provisional_until_all_is_over_and_nothing_later_is_read(shop):
    decisions, chances = week_of(shop, 2)
    ts = decisions["ts"].iloc[0].to_pydatetime()
    over, now = ts + timedelta(days=14 + 30), ts + timedelta(days=20)
    hour = timedelta(hours=1)
    for moment, states in ((ts, []), (over - hour, ["provisional"]), (over, ["settled"])):
        found = week_outcomes(shop, decisions, chances, as_of=moment)
        assert found["state"].unique().tolist() == states
    found = week_outcomes(shop, decisions, chances, as_of=now)
    again = week_outcomes(known_by(shop, now), decisions, chances, as_of=now)
    pd.testing.assert_frame_equal(found, again)


def test_profit_is_unbiased_and_covered_where_chances_follow_what_customers_are_worth():
    rng, n, found = np.random.default_rng(0), 1_500, []
    usual = rng.gamma(2.0, 30.0, n)
    effect = np.column_stack([0.2 * usual, np.full(n, -5.0)])
    chance = np.clip(0.1 + usual / 200, 0.1, 0.9)  # whoever buys much is contacted more often
    odds = np.repeat((chance / 2 / (1 - chance))[:, None], 2, axis=1)
    who, segment = np.arange(n), np.full(n, "all", dtype=object)
    for _ in range(draws(400)):
        action = np.where(rng.uniform(size=n) < chance, rng.integers(0, 2, n), -1)
        week = Assigned(who, ("A", "B"), action, odds, segment, who, datetime(2024, 7, 1))
        gain = np.where(week.got, effect[who, np.maximum(action, 0)], 0.0)
        margin = usual + gain + 40 * rng.normal(size=n)
        money = _Money(week, margin, np.zeros(n), np.zeros(2), np.zeros(2))
        row = money.of(next(week.groups(by_segment=False)), 0.9)[1]
        true = gain[week.got].sum()
        found.append([row[end] - true for end in ("value", "ci_low", "ci_high")])
    check_cover(found, 0.0, 0.9, slack=0.02)


def test_odds_are_chances_over_nothing():
    decisions = pd.DataFrame({"decision_id": ["a", "b", "c"], "customer_id": [1, 2, 3]})
    decisions = decisions.assign(ts=pd.Timestamp("2024-07-01"), action=["P", "none", "none"])
    decisions["holdout"] = ["none", "promotion", "standing"]
    drawn = [("a", "P", 0.9), ("a", "none", 0.1), ("b", "P", 0.8), ("b", "none", 0.2)]
    chances = pd.DataFrame(drawn, columns=["decision_id", "action", "propensity"])
    week = assigned_of(decisions, chances, segments=pd.Series({1: "good"}))
    assert week.customers.tolist() == [1, 2] and week.action.tolist() == [0, -1]
    assert np.allclose(week.odds[:, 0], [9.0, 4.0]) and np.allclose(week.weight, [0.0, 4.0])
    assert week.segment.tolist() == ["good", "No segment"]
    refused("decision_propensities", assigned_of, decisions, chances.drop(columns="propensity"))


def of_two_segments(odds):
    """Forty in each of two segments got A, which a supplier pays half of, and forty nothing."""
    segment = np.repeat(np.array(["in", "out"], dtype=object), 80)
    action = np.tile(np.repeat([0, -1], 40), 2)
    ts = datetime(2024, 7, 1)
    return Assigned(np.arange(160), ("A",), action, odds, segment, np.arange(160), ts)


def test_a_segments_money_is_of_its_own_customers_alone():
    """Got it: 10 of margin, 2 off. Got nothing: 4, 1 off; outside 90 off, which is not theirs."""
    week = of_two_segments(np.ones((160, 1)))
    inside = week.segment == "in"
    margin = np.where(week.got, 10.0, 4.0)
    discount = np.where(week.got, 2.0, np.where(inside, 1.0, 90.0))
    money = _Money(week, margin, discount, np.array([0.1]), np.array([0.5]))
    group = next(one for one in week.groups() if one.segment == "in")
    spend, profit = (row["value"] for row in money.of(group, 0.9))
    assert spend == pytest.approx(40 * (0.5 * 2 - 0.5 * 1) + 40 * 0.1)
    assert profit == pytest.approx(40 * (10 + 0.5 * 2) - 40 * (4 + 0.5 * 1) - 40 * 0.1)


def test_where_half_could_not_have_got_nothing_there_is_no_comparison():
    odds = np.ones((160, 1))
    whole = next(of_two_segments(odds).groups())
    assert whole.enough(of_two_segments(odds))
    odds[:20] = odds[80:100] = 0.0  # half of those who got it: 40 that count are many, not enough
    half = of_two_segments(odds)
    assert half.comparable.sum() == 40 and not whole.enough(half)
    money = _Money(half, np.zeros(160), np.zeros(160), np.zeros(1), np.zeros(1))
    for row in money.of(whole, 0.9):
        assert row["identification"] == "not identified" and np.isnan(row["value"])


def test_what_is_bought_between_the_decision_and_the_start_is_not_what_came():
    """Decided on a Monday, a week of lead; 8 of margin each at 40 %."""
    day, ts = timedelta(days=1), datetime(2024, 7, 1)
    rows = [(1, -3), (1, 2), (1, 8), (2, 6), (2, 30), (2, 43)]
    events = pd.DataFrame(rows, columns=["customer_id", "day"])
    events = events.assign(ts=pd.Timestamp(ts) + events.pop("day") * day, kind="purchase")
    events = events.assign(product_id="p", order_id=range(6), amount=20.0, discount=0.0)
    products = pd.DataFrame({"product_id": ["p"], "category": "c", "margin_rate": 0.4})
    shop = shop_of({"events": events, "products": products})
    span = Span(ts, ts + 7 * day, ts + 14 * day, ts + 42 * day)
    found = brought_in(shop, np.array([1, 2]), span, ts + 60 * day)
    assert found.margin.tolist() == pytest.approx([8.0, 8.0])
    assert found.before[:, 1].tolist() == pytest.approx([8.0, 0.0])


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
    held = windows.held_by(shop, who, ts, amounts.promotions)
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
    beside = windows.noise_of(
        shop, amounts.customers, Span(ts, low, end, end + windows.HORIZON), ts
    ).usual
    true = truth.effects(amounts.names[0]).set_index("customer_id")["discount_without"]
    true = true.reindex(amounts.customers).to_numpy()
    top = beside >= np.quantile(beside, 0.9)
    assert (beside >= 0).all()
    # Charged by what was taken off lately, the top tenth had 2.7 times too much against the others.
    assert beside[top].mean() / true[top].mean() < 1.3 * beside.mean() / true.mean()
    who = np.arange(len(beside))
    for j, one in enumerate(offers):
        given = amounts, who, np.full(len(who), j), beside
        both = [windows.taken_off_each(*given, after=after) for after in (True, False)]
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
