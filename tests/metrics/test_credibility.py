"""Mean ratios of past promotions: by hand, against Bühlmann and Straub's formula, and simulated."""

import json
import math

import numpy as np
import pytest
from statsmodels.stats.meta_analysis import combine_effects

from promolab.compare import expected_responses
from promolab.metrics.pooling import PastRatios, Spread, past_ratios, random_effects
from tests.draws import bounds, draws
from tests.refused import refused


def test_one_type_has_the_ratio_of_sums_and_of_several_the_little_known_lean_on_all() -> None:
    found = past_ratios([6, 158, 1, 196], [7.0, 184.5, 4.6, 211.7])
    assert found.mean() == pytest.approx((6 + 158 + 1 + 196) / (7.0 + 184.5 + 4.6 + 211.7))
    # A small promotion that missed by far hardly counts; as a geometric mean it would.
    assert past_ratios([100, 0], [100.0, 1.0]).mean() > 0.98
    total, size = [400.0, 520, 450, 60, 50, 70, 3], [100.0, 130, 110, 40, 35, 50, 1]
    types = ["A", "A", "A", "B", "B", "B", "C"]
    found = past_ratios(total, size, types, variance=lambda _: 0.5 / np.array(size), half=0)
    assert found.mean("A") == pytest.approx(1370 / 340, rel=0.05)
    assert found.mean("B") == pytest.approx(180 / 125, rel=0.05)
    new, known = found.predict(0.02, "D"), found.predict(0.02, "A")
    assert found.mean("B") < new.value < found.mean("A")
    assert new.ci_high / new.ci_low > 1.5 * known.ci_high / known.ci_low


def test_the_means_are_those_of_credibility_theory_and_read_back_from_json() -> None:
    """Z = τ²/(τ² + e²) with the errors and τ of the result itself, about the credible mean."""
    rng = np.random.default_rng(0)
    types = np.repeat(["A", "B", "C"], [6, 4, 2])
    size = rng.uniform(20, 200, 12)
    total = size * np.repeat([1.2, 0.8, 1.0], [6, 4, 2]) * rng.gamma(25, 1 / 25, 12)
    noise = 1 / size
    found = past_ratios(total, size, types, variance=lambda _: noise, half=0)
    overall = total.sum() / size.sum()
    x, v = np.empty((2, 3))
    for k, name in enumerate("ABC"):
        mine = types == name
        share = size[mine] / size[mine].sum()
        x[k] = total[mine].sum() / size[mine].sum() / overall
        spread = share**2 @ (noise[mine] + math.expm1(found.sd**2))
        v[k] = spread * (found.mean(name) / overall) ** 2
    w = 1 / v
    q = w @ (x - w @ x / w.sum()) ** 2
    tau2 = max(0.0, (q - 2) / (w.sum() - w @ w / w.sum()))
    z = tau2 / (tau2 + v)
    centre = (z @ x) / z.sum()  # Bühlmann and Straub weigh types by their credibility
    expected = (centre + z * (x - centre)) * overall
    assert [found.mean(name) for name in "ABC"] == pytest.approx(expected, rel=1e-4)
    found = past_ratios([18, 40, 21, 33, 20], [20.0, 30, 25, 30, 25], list("AABBB"))
    assert PastRatios.of(json.loads(json.dumps(found.to_dict()))) == found
    empty = PastRatios.of(json.loads(json.dumps(past_ratios([], []).to_dict())))
    assert empty.k == 0 and empty.types == ()


def test_intervals_hold_and_what_is_expected_adds_up_to_what_comes() -> None:
    """Counts of promotions of two types, many times: the geometric mean expects a tenth less."""
    rng = np.random.default_rng(1)
    runs, hits, expected, geometric, came, widths = draws(), 0, 0.0, 0.0, 0.0, []
    types = np.array(["A"] * 5 + ["B"] * 9)
    for _ in range(runs):
        size = rng.uniform(10, 120, 14)
        between = np.exp(rng.normal(-0.5 * 0.4**2, 0.4, 14)) * np.where(types == "A", 1.0, 0.7)
        counts = rng.poisson(size * between)
        seen = slice(0, 13)
        found = past_ratios(counts[seen], size[seen], types[seen])
        e = expected_responses(size[13], found, 0.9, "B")
        hits += e.ci_low <= counts[13] <= e.ci_high
        widths.append(math.log(e.ci_high / e.ci_low))
        expected, came = expected + e.value, came + counts[13]
        logs = np.log((counts[5:13] + 0.5) / (size[5:13] + 0.5))
        geometric += size[13] * math.exp(logs.mean())
    least, most = bounds(0.9, runs, 0.01)
    assert least <= hits / runs <= most
    assert expected / came == pytest.approx(1.0, abs=3 * 0.45 / runs**0.5)
    assert geometric / expected < 0.95
    ideal = 2 * 1.645 * math.sqrt(0.4**2 + 1 / 45)
    assert np.median(widths) < 1.5 * ideal


def test_too_little_is_refused_and_types_nobody_answered_do_not_draw_the_others_to_none() -> None:
    nothing = past_ratios([], [])
    assert nothing.k == 0 and math.isnan(nothing.mean("A")) and "no promotion" in nothing.summary()
    assert PastRatios.of(None) == nothing or math.isnan(PastRatios.of(None).mean())
    two = past_ratios([3, 5], [4.0, 4.0], ["A", "B"])
    assert two.types == ("",) and two.mean("B") == 1.0
    assert math.isnan(two.predict(0.1).ci_low)
    none = past_ratios([0] * 5, [10.0] * 5)
    assert none.mean() == pytest.approx(0.5 / 50)
    e = none.predict(1 / (10 * none.mean() + 0.5))
    assert 0 < e.ci_low < e.value <= e.ci_high
    refused("every size above 0", past_ratios, [1, 2], [1.0, 0.0])
    total, size = [70, 95, 62, 0, 0, 0, 73, 61], [60.0, 78, 67, 12, 7, 9, 70, 52]
    types = ["coupon"] * 3 + ["tip"] * 3 + ["voucher"] * 2
    found = past_ratios(total, size, types)
    assert found.mean("coupon") == pytest.approx(227 / 205, rel=0.05)
    assert found.mean("voucher") == pytest.approx(134 / 122, rel=0.05)
    few = found.predict(1 / (10 * found.mean("tip") + 0.5), "tip")
    assert 0 < few.value < 0.1 and few.ci_high < 1
    # Nor is all lost where no promotion differs from its type by more than chance.
    even = past_ratios([14, 11, 5, 0, 15, 10, 7, 0, 22, 8, 7, 0], [10.0] * 12, list("ABCD") * 3)
    assert even.sd == 0 and even.mean("A") > 1 and 0 < even.mean("D") < 0.2


def test_random_effects_are_those_of_statsmodels_and_few_or_unusable_promotions_are_said() -> None:
    rng = np.random.default_rng(0)
    values, variances = rng.normal(0.8, 0.1, 12), rng.uniform(1e-3, 2e-2, 12)
    reference = combine_effects(values, variances, method_re="dl")
    mine = random_effects(values, variances)
    assert mine.mean == pytest.approx(reference.mean_effect_re, rel=1e-10)
    assert mine.sd**2 == pytest.approx(reference.tau2, rel=1e-10)
    assert mine.se == pytest.approx(reference.sd_eff_w_re, rel=1e-10)
    assert Spread.from_dict(mine.to_dict()) == mine
    flat = random_effects([1.0, 1.0, 1.0], [0.1, 0.2, 0.1])
    assert flat.sd == 0 and flat.mean == pytest.approx(1)
    one = Spread.from_dict(random_effects([0.7, np.nan, 0.5], [0.01, 0.01, 0.0]).to_dict())
    assert (one.mean, one.k) == (0.7, 1) and math.isnan(one.ci_low) and math.isnan(one.sd)
    assert random_effects([], []).k == 0
    refused(r"expected \(k,\) both", random_effects, [1, 2], [1])
