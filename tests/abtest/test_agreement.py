"""The engine's figures are those of arrays, of statsmodels, of tea-tasting and by hand."""

import math

import numpy as np
import pytest
from scipy.stats import t as student
from statsmodels.stats.proportion import proportions_ztest

from promolab.abtest.comparison import Metric
from promolab.abtest.measured import measure_arms
from promolab.effects import compare_arms
from tests.abtest.made_up import shop

CLOSE = {"rel": 1e-9, "abs": 1e-12}


def only(frame, metric, **how):
    return measure_arms(frame, {"m": metric}, **how).rows[0]


@pytest.fixture(scope="module")
def two():
    frame = shop(3000, arms=("control", "mail"))
    rng = np.random.default_rng(5)
    chance = rng.choice([0.3, 0.5, 0.8], len(frame))
    frame["arm"] = np.where(rng.random(len(frame)) < chance, "mail", "control")
    return frame.assign(chance=np.where(frame["arm"] == "mail", chance, 1 - chance))


@pytest.mark.parametrize("clustered", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(
    "metric", [Metric("spend", "mean"), Metric("spend", earlier="before"), Metric("bought")]
)
def test_it_is_what_compare_arms_says(two, metric, weighted, clustered):
    """Households are in both arms here, so that their covariance counts."""
    how = {"propensity": "chance"} if weighted else {}
    how |= {"cluster": "home"} if clustered else {}
    row = only(two, metric, **how)
    known = {
        "weight": 1 / two["chance"] if weighted else None,
        "cluster": two["home"] if clustered else None,
        "earlier": two[metric.earlier] if metric.earlier else None,
    }
    same = compare_arms(two[metric.column], two["arm"], control="control", **known)
    assert row.difference.ends == pytest.approx(same.estimate.ends, **CLOSE)
    assert row.treated.ends == pytest.approx(same.treated.ends, **CLOSE)
    assert row.baseline.ends == pytest.approx(same.control.ends, **CLOSE)
    assert row.correlation == pytest.approx(same.correlation, **CLOSE)
    if row.kind == "mean":
        assert row.p == pytest.approx(same.p_value, **CLOSE)


def test_rows_of_a_customer_belong_together(two):
    many = two.loc[np.repeat(two.index, 1 + two.index % 3)].reset_index(drop=True)
    many["spend"] *= np.random.default_rng(1).gamma(4.0, 0.25, len(many))
    row = only(many, Metric("spend", earlier="before"))
    how = {"cluster": many["customer_id"], "earlier": many["before"]}
    same = compare_arms(many["spend"], many["arm"], control="control", **how)
    assert row.difference.ends == pytest.approx(same.estimate.ends, **CLOSE)


def test_the_p_value_of_shares_is_that_of_statsmodels(two):
    hits = two.groupby("arm")["bought"].agg(["sum", "size"])
    theirs = proportions_ztest(hits["sum"], hits["size"])[1]
    assert only(two, "bought").p == pytest.approx(theirs, **CLOSE)


def test_means_and_ratios_are_those_of_tea_tasting(two):
    tasting = pytest.importorskip("tea_tasting")
    frame = two.assign(variant=(two["arm"] == "mail").astype(int))
    theirs = tasting.Experiment(
        mean=tasting.Mean("spend"), ratio=tasting.RatioOfMeans("spend", "orders")
    ).analyze(frame)
    found = measure_arms(two, {"mean": "spend", "ratio": Metric("spend", per="orders")})
    assert [row.metric for row in found.rows] == ["mean", "ratio"]
    for row in found.rows:
        same = theirs[row.metric]
        ends = same.effect_size, same.effect_size_ci_lower, same.effect_size_ci_upper
        assert row.difference.ends == pytest.approx(ends, **CLOSE)
        assert row.p == pytest.approx(same.pvalue, **CLOSE)
        assert row.relative.value == pytest.approx(same.rel_effect_size, **CLOSE)


def test_relative_lift_by_hand(two):
    """The delta method, of plain and of adjusted means; the latter from influence functions."""
    y, x, mine = (two[c].to_numpy() for c in ("spend", "before", "arm"))
    sides, centred = (mine == "mail", mine == "control"), x - x.mean()
    dy, dx = (v - np.where(sides[0], v[sides[0]].mean(), v[sides[1]].mean()) for v in (y, x))
    slopes = {None: 0.0, "before": dy @ dx / (dx @ dx)}
    for metric in (Metric("spend", "mean"), Metric("spend", earlier="before")):
        row, theta = only(two, metric), slopes[metric.earlier]
        left, means, errors = y - theta * centred, [], []
        for side in sides:
            n = side.sum()
            means.append(left[side].mean())
            own = np.where(side, left - means[-1], 0.0) / n
            errors.append((own + theta * centred / len(y)) * math.sqrt(n / (n - 1)))
        ratio = means[0] / means[1]
        both = errors[0] @ errors[1]
        variance = errors[0] @ errors[0] - 2 * ratio * both + ratio**2 * errors[1] @ errors[1]
        half = student.ppf(0.975, row.degrees) * math.sqrt(variance) / means[1]
        by_hand = (ratio - 1, ratio - 1 - half, ratio - 1 + half)
        assert row.relative.ends == pytest.approx(by_hand, **CLOSE)


def test_winsorised_by_hand_and_one_customer_of_most_of_the_variance_is_named(two):
    row = only(two, Metric("spend", winsorise=0.9))
    assert row.cap == pytest.approx(np.quantile(two["spend"], 0.9), **CLOSE)
    for spend, found in ((two["spend"].clip(upper=row.cap), row.winsorised), (two["spend"], row)):
        same = compare_arms(spend, two["arm"], control="control")
        assert found.difference.ends == pytest.approx(same.estimate.ends, **CLOSE)
    assert row.winsorised.std_error < row.std_error
    whale = two.assign(spend=two["spend"].where(two.index != two.index[7], 1e5))
    row = only(whale, Metric("spend", "mean"))
    same = compare_arms(whale["spend"], whale["arm"], control="control", kind="mean")
    assert row.why.endswith(same.dominant.words())
    assert only(two, Metric("spend", "mean")).why == ""


def test_three_arms_share_one_slope_and_a_segment_is_read_as_if_it_were_alone():
    frame = shop(3000)
    rows = measure_arms(frame, {"m": Metric("spend", earlier="before")}).rows
    dy, dx = (frame[c] - frame.groupby("arm")[c].transform("mean") for c in ("spend", "before"))
    theta = dy @ dx / (dx @ dx)
    adjusted = frame["spend"] - theta * (frame["before"] - frame["before"].mean())
    by_arm = adjusted.groupby(frame["arm"]).mean()
    for row in rows:
        assert (row.treated.value, row.baseline.value) == pytest.approx(
            (by_arm[row.arm], by_arm["control"]), **CLOSE
        )
    frame = shop(2000).assign(kind=lambda f: np.where(f["before"] > 20, "large", "small"))
    metrics = {"m": Metric("spend", earlier="before"), "r": Metric("spend", per="orders")}
    found = measure_arms(frame, metrics, segments="kind")
    alone = measure_arms(frame[frame["kind"] == "large"], metrics)
    mine = [row for row in found.segments if row.segment == "large"]
    assert [(r.metric, r.arm) for r in mine] == [(r.metric, r.arm) for r in alone.rows]
    for one, other in zip(mine, alone.rows, strict=True):
        assert one.difference.ends == pytest.approx(other.difference.ends, **CLOSE)


def test_a_weighted_ratio_of_households_by_hand(two):
    """With gaps, weights, an earlier figure and households in both arms: influence functions."""
    gaps = two.assign(orders=two["orders"].where(two.index % 7 > 0).astype(float))
    row = only(
        gaps, Metric("spend", per="orders", earlier="before"), propensity="chance", cluster="home"
    )
    rows = gaps[gaps["orders"].notna()]
    y, d, x = (rows[c].to_numpy() for c in ("spend", "orders", "before"))
    w, mail = 1 / rows["chance"].to_numpy(), (rows["arm"] == "mail").to_numpy()
    sides, xx, xy = [], 0.0, 0.0
    for side in (mail, ~mail):
        part = w * side
        middle, ratio = part @ x / part.sum(), (part @ y) / (part @ d)
        toward = (y - ratio * d) / (part @ d / part.sum())
        xx, xy = xx + part @ (x - middle) ** 2, xy + part @ ((x - middle) * toward)
        sides.append((side, part, middle, ratio, toward))
    theta, centre, values, errors = xy / xx, w @ x / w.sum(), [], []
    for side, part, middle, ratio, toward in sides:
        values.append(ratio - theta * (middle - centre))
        own = part * (toward - theta * (x - middle)) / part.sum()
        homes = rows["home"][side].nunique()
        errors.append((np.bincount(rows["home"], own), homes / (homes - 1)))
    (one, few), (other, less) = errors
    variance = one @ one * few + other @ other * less - 2 * one @ other * math.sqrt(few * less)
    assert row.difference.value == pytest.approx(values[0] - values[1], **CLOSE)
    assert row.std_error == pytest.approx(math.sqrt(variance), **CLOSE)
