"""What rows amount to: families of p values, guardrails, verdicts, and how often they are wrong."""

import json
import math

import numpy as np
import pytest
from scipy.special import lambertw
from scipy.stats import binom, norm
from statsmodels.stats.multitest import multipletests

from promolab.abtest import confidence_sequence, plan_experiment
from promolab.abtest.comparison import ArmComparison, Metric
from promolab.abtest.decision import (
    Case,
    adjusted,
    guardrail_of,
    judge_experiment,
    state_of,
    with_adjusted,
)
from promolab.abtest.experiment import segment_effects
from promolab.abtest.profit import MoneyTerms, money_of
from promolab.abtest.sequential import multiplier, p_at_any_time
from promolab.results import Estimate
from tests.draws import bounds, check_cover, draws, ends_of
from tests.refused import refused

Z = norm.ppf(0.975)
SALES = {"sales": Metric("sales")}
EARLY = {"early": "it ends on 3 May 2021"}
WORTH = {"sales": Metric("sales", worth=2.8)}
GUARDED = SALES | {"left": Metric("left", good="down", margin=3.0)}
DAYS, TESTS, N = 60, 1000, 500


def row(value: float, error: float, metric="sales", arm="mail", **said) -> ArmComparison:
    """Return a comparison of means with a normal interval."""
    e = Estimate(value, value - Z * error, value + Z * error, 2000)
    p = 2 * norm.sf(abs(value) / error) if error else math.nan
    sides = Estimate(10 + value, n=1000), Estimate(10, n=1000)
    return ArmComparison(
        metric, arm, "none", "mean", *sides, e, e * 0.1, p, std_error=error, **said
    )


def judged(rows, metrics, deciding=("sales",), guardrails=(), method="holm", **case):
    found = with_adjusted(rows, metrics, deciding, guardrails, method)
    kept = tuple(guardrail_of(r, metrics[r.metric]) for r in found if r.metric in guardrails)
    arms = {"none": 1000} | {r.arm: 1000 for r in found}
    return judge_experiment(Case(found, metrics, deciding, kept, (), arms, **case))


@pytest.mark.parametrize(("method", "theirs"), [("holm", "holm"), ("benjamini-hochberg", "fdr_bh")])
def test_p_values_are_those_of_statsmodels(method, theirs):
    p = np.random.default_rng(0).random(30) ** 3
    assert np.allclose(adjusted(p, method), multipletests(p, method=theirs)[1], atol=1e-12)


def test_guardrails_and_other_metrics_are_in_no_family_with_what_decides():
    metrics = SALES | {"visits": Metric("visits"), "left": Metric("left", good="down")}
    values = {"sales": 2, "visits": 3, "left": 3}
    rows = [row(x, 1, name, arm) for name, x in values.items() for arm in ("a", "b")]
    found = with_adjusted(rows, metrics, ["sales"], ["left"], "holm")
    p = [r.p_adjusted for r in found]
    assert p[:2] == pytest.approx([2 * rows[0].p] * 2)
    assert p[2:4] == pytest.approx([2 * rows[2].p] * 2) and all(map(math.isnan, p[4:]))


@pytest.mark.parametrize(
    ("value", "margin", "state", "bars"),
    [
        (-3.0, None, "kept", False),
        (1.0, None, "not sure", False),  # no margin: only harm that is shown bars
        (3.0, None, "broken", True),
        (1.0, 4.0, "kept", False),
        (1.0, 2.5, "not sure", True),
        (5.0, 2.5, "broken", True),
    ],
)
@pytest.mark.parametrize("good", ["down", "up"])
def test_a_guardrail_is_judged_by_its_whole_interval(value, margin, state, bars, good):
    sign = 1 if good == "down" else -1
    found = guardrail_of(row(sign * value, 1.0, "left"), Metric("left", good=good, margin=margin))
    assert (found.state, found.bars) == (state, bars)
    assert found.harm.value == value and "left" in found.summary()


@pytest.mark.parametrize("part", [0.2, 1.0, 3.0])
def test_a_p_value_for_any_time_is_where_the_confidence_sequence_leaves_0(part):
    n = 5000 * part
    _, high = confidence_sequence(n, 0.0, 4.0, tuned_for=5000, level=0.9)
    errors = high[0] / math.sqrt(4.0 / n)
    assert p_at_any_time(errors, part, 0.1) == pytest.approx(0.1, rel=1e-9)
    assert p_at_any_time(errors + 1, part, 0.1) < 0.1 < p_at_any_time(errors - 1, part, 0.1)
    one = with_adjusted([row(9.0, 3.0)], SALES, ["sales"], [], "holm", {"mail": part})[0]
    assert one.p_adjusted == pytest.approx(p_at_any_time(3.0, part, 0.05))


@pytest.mark.parametrize(
    ("value", "error", "metric", "case", "word"),
    [
        (3, 1, {}, {}, "ship"),
        (-3, 1, {}, {}, "stop"),
        (1.8, 1, {}, {}, "go on"),
        (-3, 1, {"good": "down"}, {}, "ship"),
        (3, 1, {"good": "down"}, {}, "stop"),
        # It ends 1.96 above what was seen, 2.06 with room: of 0.7 below 2.8, of 0.8 not.
        (0.7, 1, {"worth": 2.8}, {}, "stop"),
        (0.8, 1, {"worth": 2.8}, {}, "go on"),
        (-0.7, 1, {"worth": 2.8, "good": "down"}, {}, "stop"),
        (-0.8, 1, {"worth": 2.8, "good": "down"}, {}, "go on"),
        # What is looked at on the way is not given up before its end.
        (-0.5, 1, {"worth": 2.8}, {"planned": 5000}, "go on"),
        (-0.5, 1, {"worth": 2.8}, {"planned": 2000}, "stop"),
        (-3, 1, {}, {"planned": 5000}, "stop"),
        (9, 1, {}, EARLY, "go on"),
        (-9, 1, {}, EARLY, "stop"),
        # Not worse by more than its margin is enough where one is stated.
        (-0.3, 0.5, {"margin": 2.0}, {}, "ship"),
        (-0.3, 1.0, {"margin": 2.0}, {}, "go on"),
        (-4, 0.5, {"margin": 2.0}, {}, "stop"),
    ],
)
def test_ship_stop_and_go_on(value, error, metric, case, word):
    assert judged([row(value, error)], {"sales": Metric("sales", **metric)}, **case).word == word


@pytest.mark.parametrize(
    ("values", "metrics", "word", "arm", "why"),
    [
        ([3, 4], SALES, "ship", "b", "a beats it, too"),
        ([0.1, 1.5], WORTH, "go on", "b", ""),
        # Nothing is stated: that little was seen is no reason.
        ([0.1], SALES, "go on", "a", "smallest effect worth finding is stated"),
        ([-0.5], SALES, "go on", "a", "smallest effect worth finding is stated"),
        ([0.8], WORTH, "go on", "a", "like that"),  # 2.8 errors: it was large enough
    ],
)
def test_of_several_arms_the_best_decides_and_a_small_gain_is_held_to_what_is_worth_finding(
    values, metrics, word, arm, why
):
    found = judged([row(x, 1, arm=name) for x, name in zip(values, "ab", strict=False)], metrics)
    assert (found.word, found.arm) == (word, arm) and why in found.why


@pytest.mark.parametrize(
    ("rows", "metrics", "gain", "said"),
    [
        ([row(1.8, 1)], SALES, 1.8, "about 2,900 more customers, 5 weeks at the pace so far,"),
        # Errors of 2 and an effect worth 2.8.
        ([row(-1.0, 2)], WORTH, 1.4, "would tell an effect of 2.80 in 4 of 5"),
        # The margin leaves 1.5, which 2.8 errors must fit into.
        ([row(5, 1), row(1.5, 1, "left")], GUARDED, 1.5, "left stays inside its margin is not"),
    ],
)
def test_how_many_more_customers_would_tell_is_what_the_plan_says(rows, metrics, gain, said):
    found = judged(rows, metrics, guardrails=["left"], weeks=3)
    assert found.word == "go on" and said in found.summary()
    assert found.more == pytest.approx(2000 * (((Z + norm.ppf(0.8)) / gain) ** 2 - 1))


def test_an_effect_of_the_planned_size_is_hardly_ever_given_up_and_none_mostly_is():
    rng, n = np.random.default_rng(11), draws()
    plan = plan_experiment(mean=10.0, sd=5.0, effect=1.0)
    error = 5.0 * math.sqrt(2 / plan.sizes["control"])
    metrics = {"sales": Metric("sales", worth=plan.effect)}
    words = {
        true: [judged([row(x, error)], metrics).word for x in rng.normal(true, error, n)]
        for true in (1.0, 0.0, -1.0)
    }
    assert words[1.0].count("stop") / n <= bounds(0.02, n)[1]
    assert words[0.0].count("stop") / n >= bounds(0.77, n)[0]
    assert words[-1.0].count("stop") / n >= bounds(0.99, n)[0]


def test_a_guardrail_bars_a_winner_and_its_multiplicity_hides_no_harm():
    metrics = SALES | {f"g{i}": Metric(f"g{i}", good="down") for i in range(10)}
    guards = [f"g{i}" for i in range(10)]
    # p = 0.01: adjusted for eleven it would be hidden.
    harmed = [row(5, 1), row(2.6, 1, "g0"), *(row(0, 1, f"g{i}") for i in range(1, 10))]
    found = judged(harmed, metrics, guardrails=guards)
    assert found.word == "stop" and "g0" in found.why
    other = [row(2.9, 1, arm="post"), *(row(0, 1, g, "post") for g in guards)]
    assert judged([*harmed, *other], metrics, guardrails=guards).arm == "post"


def test_false_ship_is_rarer_than_one_in_twenty_and_so_is_any_false_alarm():
    """Three arms share a control, and five metrics hang together."""
    names = [f"m{j}" for j in range(5)]
    metrics = {name: Metric(name) for name in names}
    shipped, alarmed, n, rng = 0, 0, draws(400), np.random.default_rng(3)
    for _ in range(n):
        levels = math.sqrt(0.5) * (rng.normal(size=(4, 1)) + rng.normal(size=(4, 5)))
        apart = dict(np.ndenumerate(levels[1:] - levels[0]))
        rows = [row(x, math.sqrt(2), names[j], f"arm {i}") for (i, j), x in apart.items()]
        found = with_adjusted(rows, metrics, names, [], "holm")
        alarmed += any(r.p_adjusted <= 0.05 for r in found)
        shipped += judged(rows, metrics, names).word == "ship"
    assert alarmed / n <= bounds(0.05, n)[1] and shipped / n <= bounds(0.025, n)[1]
    assert alarmed / n > 0.01  # the rule is no dead letter


def test_harm_beyond_its_margin_is_caught_and_hardly_ever_shipped():
    """Unsubscribes are up by twice the margin, sales by a lot."""
    metrics = SALES | {"left": Metric("left", good="down", margin=2.0)}
    rng, n = np.random.default_rng(5), draws(400)

    def words(mean):
        for x in rng.normal(mean, 1.0, n):
            yield judged([row(6, 1), row(x, 1, "left")], metrics, guardrails=["left"]).word

    harmed, at_margin = [*words(4.0)], [*words(2.0)]
    assert harmed.count("ship") == 0 and harmed.count("stop") > 0.4 * n
    assert at_margin.count("ship") / n <= bounds(0.025, n)[1]


def money_rows(margin, discount, cost: float):
    """Return the rows of `MoneyTerms.metrics` of arms of amounts, control first."""
    terms = MoneyTerms("margin", "discount", cost)
    parts = {"profit": margin, "spent": discount}
    parts["profit less spent"] = [m - d for m, d in zip(margin, discount, strict=True)]
    rows = {}
    for name, (control, mail) in parts.items():
        error = math.sqrt(control.var(ddof=1) / len(control) + mail.var(ddof=1) / len(mail))
        rows[name, "mail"] = terms.shifted(row(mail.mean() - control.mean(), error, name))
    return rows, terms


def test_the_interval_of_the_return_covers():
    """Redeemers buy more and cost a discount, contacts cost something."""
    rng, n, lift, found = np.random.default_rng(8), 400, 1.4, []
    for _ in range(draws()):
        redeem = rng.random(n) < 0.3
        control = rng.gamma(1.0, 4.0, n)
        given = np.where(redeem, rng.gamma(4.0, 0.5, n), 0.0)
        mail = rng.gamma(1.0, 4.0, n) + lift * given
        rows, terms = money_rows([control, mail], [np.zeros(n), given], 0.1)
        found.append(money_of(rows, {"mail": n}, terms)[0].returned)
    check_cover(ends_of(found), (lift * 0.6 - 0.1) / (0.6 + 0.1), slack=0.0)


def test_profit_and_return_are_those_of_arithmetic_and_a_loss_is_told_as_one():
    control, mail = np.array([1.0, 2, 3, 4]), np.array([3.0, 5, 4, 6])
    rows, terms = money_rows([control, mail], [np.zeros(4), np.array([0.5, 0.5, 1.0, 1.0])], 0.25)
    found = money_of(rows, {"mail": 4}, terms)[0]
    figures = found.profit, found.spent, found.returned, found.in_total
    assert [each.value for each in figures] == pytest.approx([1.75, 1.0, 1.75, 7.0])
    assert math.isnan(rows["profit", "mail"].relative.value)
    assert json.dumps(found.to_dict(), allow_nan=False)
    rows, terms = money_rows([np.arange(9.0), np.arange(9.0) - 5], [np.zeros(9), np.ones(9)], 0.0)
    told = money_of(rows, {"mail": 9}, terms)[0].summary()
    assert told.startswith("Mail lost 5 [2, 8] per customer, 45")


def by_segment(effects: dict[str, float], error: float = 1.0):
    rows = [row(value, error, segment=name) for name, value in effects.items()]
    return segment_effects(rows, SALES, "sales")


def test_segments_are_held_against_holm_and_cochran():
    found = by_segment({"new": 4.0, "old": 1.0, "gone": 0.5})
    p = [2 * norm.sf(x) for x in (4.0, 1.0, 0.5)]
    assert found.frame["p_adjusted"].tolist() == pytest.approx(multipletests(p, method="holm")[1])
    q = np.square(np.array([4.0, 1.0, 0.5]) - 5.5 / 3).sum()
    assert found.differ["q"].iloc[0] == pytest.approx(q) and found.differ["degrees"].iloc[0] == 2
    assert "4 [2, 6] higher in new" in found.summary()
    alike = by_segment({"new": 1.0, "old": 1.1})
    assert "segments are not told apart" in alike.summary() and by_segment({}) is None


def test_worse_is_who_is_worse_by_more_than_the_margin():
    """Intervals that begin above −1, end between 0 and −1, and beyond −1."""
    metrics = {"sales": Metric("sales", margin=1.0)}
    for value, state in ((-0.1, "not worse"), (-1.0, "not told apart"), (-3.0, "worse")):
        (found,) = with_adjusted([row(value, 0.4)], metrics, ["sales"], [], "holm")
        assert state_of(found, metrics["sales"]) == state
    # The p value of what is not worse is that of the distance from the margin.
    (found,) = with_adjusted([row(-0.1, 0.4)], metrics, ["sales"], [], "holm")
    assert found.p_adjusted == pytest.approx(2 * norm.sf(0.9 / 0.4))


@pytest.mark.parametrize("level", [0.9, 0.95, 0.99])
def test_the_width_is_that_of_the_paper(level):
    """Waudby-Smith et al., theorem 2.2: with ρ for one time, in their own form."""
    n, alpha = np.array([150.0, 900.0, 2000.0, 9000.0]), 1 - level
    low, high = confidence_sequence(n, n * 0 + 1, n * 0 + 9, level=level, tuned_for=2000)
    rho2 = (-lambertw(-(alpha**2) * math.exp(-1), -1).real - 1) / 2000
    grown = n * rho2 + 1
    expected = 3 * np.sqrt(2 * grown / (n**2 * rho2) * np.log(np.sqrt(grown) / alpha))
    np.testing.assert_allclose((high - low) / 2, expected, rtol=1e-12)
    np.testing.assert_allclose((high + low) / 2, 1, atol=1e-12)


def test_it_is_narrowest_where_it_is_tuned_and_says_nothing_before_the_burn_in():
    fractions = np.geomspace(0.05, 20, 400)
    best = fractions[np.argmin(multiplier(fractions, 0.05))]
    assert best == pytest.approx(1, abs=0.02)
    assert multiplier(1.0, 0.05) / 1.959964 == pytest.approx(1.5485, abs=1e-4)
    low, high = confidence_sequence([99, 100], [1, 1], [1, 1], tuned_for=1000)
    assert np.isinf(low[0]) and np.isinf(high[0]) and np.isfinite([low[1], high[1]]).all()
    low, high = confidence_sequence([0, 5], [math.nan, 1], [1, 0], tuned_for=10, burn_in=0)
    assert low[0] == -math.inf and low[1] == high[1] == 1
    refused("expected numbers, one per look", confidence_sequence, ["many"], 1, 1, tuned_for=10)


def revenue(rng, lift=1.0):
    """Daily totals and squares of N customers, of whom 2 % buy: shapes (tests, days)."""
    buyers = rng.binomial(N, 0.02 * lift, (TESTS, DAYS))
    amounts = rng.lognormal(3, 1, buyers.sum())
    at = np.repeat(np.arange(buyers.size), buyers.ravel())
    return [np.bincount(at, a, buyers.size).reshape(TESTS, DAYS) for a in (amounts, amounts**2)]


def conversion(rng, lift=1.0):
    return [rng.binomial(N, 0.05 * lift, (TESTS, DAYS)).astype(float)] * 2


def paths(draw, lift=1.0, seed=0):
    rng, n = np.random.default_rng(seed), N * np.arange(1, DAYS + 1)
    means, variances = [], []
    for times in (lift, 1.0):
        total, squares = (np.cumsum(part, axis=1) for part in draw(rng, times))
        means.append(total / n)
        variances.append((squares / n - (total / n) ** 2) / n)
    return means[0] - means[1], np.sqrt(sum(variances)), 2 * n


@pytest.mark.parametrize("draw", [conversion, revenue])
def test_an_a_a_test_that_is_looked_at_every_day_is_called_in_5_of_100_at_most(draw):
    difference, error, n = paths(draw)
    alarms = 0
    for d, e in zip(difference, error, strict=True):
        low, high = confidence_sequence(n, d, e**2 * n, tuned_for=n[-1])
        alarms += int(((low > 0) | (high < 0)).any())
    assert alarms <= binom.ppf(0.99, TESTS, 0.05)
    naive = (np.abs(difference) > 1.96 * error)[:, 3:].any(axis=1).mean()
    assert naive > 0.2  # the same data, looked at with an interval made for one look


def test_the_truth_is_seldom_outside_and_an_effect_of_14_tenths_found_in_8_of_10():
    difference, error, n = paths(revenue, 1.2, seed=2)
    half, truth = error * multiplier(n / n[-1], 0.05), 0.2 * 0.02 * math.exp(3.5)
    missed = (np.abs(difference - truth) > half)[:, 3:].any(axis=1).sum()
    assert missed <= binom.ppf(0.99, TESTS, 0.05)
    # Of conversion; of revenue, where it takes more customers, in benchmarks.
    _, error, _ = paths(conversion)
    effect = 1.4 * (1.96 + 0.8416) * np.median(error[:, -1])
    difference, error, n = paths(conversion, 1 + effect / 0.05, seed=1)
    called = difference > error * multiplier(n / n[-1], 0.05)
    assert called[:, 3:].any(axis=1).mean() >= 0.8
    assert called[:, -1].mean() >= 0.75  # most of it at the end already
