"""Segment × promotion: independent implementations, coverage under a known truth, no future."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import fisher_exact, hypergeom, norm
from statsmodels.stats.proportion import confint_proportions_2indep

from promolab.segmentation import segment_response
from promolab.segmentation.response_rates import _mid_p, difference_interval
from promolab.stats import share_interval
from tests.draws import bounds, draws
from tests.refused import refused

DRAWS, PEOPLE = draws(300), 160
RATES = {"a": np.array([0.08, 0.15, 0.25, 0.1]), "b": np.array([0.14, 0.24, 0.36, 0.17])}
"""Chance of an answer by segment and promotion, the customer's own inclination averaged out."""


def simulated(seed: int = 0) -> pd.DataFrame:
    """Return contacts of many draws in one frame: names of segments and promotions hold the draw.

    A customer answers where a normal score, half of it the customer's own, lies below a threshold:
    so rows of a customer go together, and the chance of each is the one planted.
    """
    rng = np.random.default_rng(seed)
    draw = np.repeat(np.arange(DRAWS), PEOPLE)
    segment = rng.random(len(draw)) < 0.4
    own = rng.normal(size=len(draw))
    frames = []
    for promotion in range(4):
        chance = np.where(segment, RATES["b"][promotion], RATES["a"][promotion])
        score = np.sqrt(0.5) * own + np.sqrt(0.5) * rng.normal(size=len(draw))
        told = {"customer_id": np.arange(len(draw)), "draw": draw, "promotion": promotion}
        told |= {"chance": chance, "redeemed": (score < norm.ppf(chance)).astype(int)}
        frame = pd.DataFrame(told | {"segment": np.where(segment, "b", "a")})
        frames.append(frame[rng.random(len(draw)) < 0.6])
    pairs = pd.concat(frames, ignore_index=True)
    of_draw = pairs["draw"].astype(str) + "-"
    pairs["promotion_id"] = of_draw + pairs["promotion"].astype(str)
    return pairs.assign(segment=of_draw + pairs["segment"])


@pytest.fixture(scope="module")
def truth() -> pd.DataFrame:
    return simulated()


@pytest.fixture(scope="module")
def result(truth: pd.DataFrame):
    return segment_response(truth, truth["segment"].to_numpy())


def covered(table: pd.DataFrame, name: str, true: pd.Series) -> float:
    return float(((table[f"{name}_low"] <= true) & (true <= table[f"{name}_high"])).mean())


def test_intervals_over_promotions_and_of_cells_cover_the_truth(truth, result) -> None:
    usual = truth.groupby("promotion_id")["chance"].transform("mean")
    by = truth.assign(expected=usual).groupby("segment")[["chance", "expected"]].mean()
    table = result.segments.set_index("segment")
    true = by.loc[table.index]
    least, most = bounds(0.95, 2 * DRAWS, 0.01)  # two segments a draw
    assert least <= covered(table, "rate", true["chance"]) <= most
    assert least <= covered(table, "difference", true["chance"] - true["expected"]) <= most
    cells = truth.groupby(["segment", "promotion_id"])["chance"].first()
    whole = truth.groupby("promotion_id")["chance"].mean()
    table = result.frame.set_index(["segment", "promotion_id"])
    true = cells.loc[table.index]
    assert 0.935 <= covered(table, "rate", true) <= 0.975
    against = true - whole.loc[table.index.get_level_values(1)].to_numpy()
    assert 0.935 <= covered(table, "difference", against) <= 0.975


def test_without_differences_few_cells_stand_out_by_fishers_mid_p_and_newcombe(truth) -> None:
    # Labels shuffled within each promotion: no segment differs in any.
    shuffled = truth.sample(frac=1, random_state=1).sort_values("promotion_id", kind="stable")
    pairs = truth.sort_values("promotion_id", kind="stable")
    pairs["redeemed"] = shuffled["redeemed"].to_numpy()
    table = segment_response(pairs, pairs["segment"].to_numpy()).frame
    least, most = bounds(0.05, 4 * DRAWS, 0.01)  # eight cells a draw, in pairs
    assert least <= (table["p_value"].dropna() < 0.05).mean() <= most
    assert (table["verdict"].isin(["more", "less"])).sum() <= 5
    x, n, big_x, big_n = 2, 40, 20, 150
    counts = [[x, n - x], [big_x - x, big_n - n - big_x + x]]
    less = fisher_exact(counts, alternative="less").pvalue
    here = hypergeom(big_n, big_x, n).pmf(x)
    found = _mid_p(*(np.array([float(v)]) for v in (x, n, big_x, big_n)))
    assert found.item() == pytest.approx(2 * (less - here / 2))
    shares = [(np.array([hits / of]), np.array([float(of)])) for hits, of in ((9, 60), (30, 110))]
    sides = [(share, *share_interval(share, 0.0, n)) for share, n in shares]
    low, high = difference_interval(*sides)
    expected = confint_proportions_2indep(9, 60, 30, 110, method="newcomb")
    np.testing.assert_allclose([low.item(), high.item()], expected, atol=1e-9)


def small() -> tuple[pd.DataFrame, np.ndarray]:
    pairs = pd.DataFrame({"customer_id": [*range(80)] * 2, "promotion_id": ["P"] * 80 + ["Q"] * 80})
    pairs["starts_at"] = pd.Timestamp("2017-05-01")
    pairs["redeemed"] = [1, 0] * 20 + [0] * 40 + [0, 0, 1, 0] * 20
    return pairs, np.array((["a"] * 40 + ["Unlike any group"] * 40) * 2, dtype=object)


def test_counts_add_up_noise_is_a_group_and_what_is_not_over_or_later_is_left_out() -> None:
    pairs, segment = small()
    found = segment_response(pairs, segment, order=["a"])
    cells = found.to_frame().set_index(["segment", "promotion_id"])
    assert cells.loc[("a", "P"), ["contacts", "responses", "rate"]].tolist() == [40, 20, 0.5]
    assert cells["contacts"].sum() == 160 and cells["responses"].sum() == 40
    verdicts = cells["verdict"][[("a", "P"), ("Unlike any group", "Q")]]
    assert verdicts.tolist() == ["more", "as all"]
    over_all = found.segments
    assert over_all["segment"].tolist() == ["a", "Unlike any group"]
    assert over_all["customers"].tolist() == [40, 40]
    assert over_all["difference"][0] == pytest.approx(-over_all["difference"][1])
    assert found.overall.n == 160 and found.overall.value == 0.25
    assert "50 % ▲\n(40)" in [text.get_text() for text in found.plot().texts]
    over = (pairs["promotion_id"] == "P").astype("boolean")
    part = pairs.assign(label_complete=over.where(over, None))  # not known is not over
    left = segment_response(part, segment)
    assert set(left.frame["promotion_id"]) == {"P"} and left.left_out == 80
    refused("no promotion is", segment_response, pairs.assign(label_complete=False), segment)
    by_customer = pd.DataFrame({"customer_id": range(80), "segment": segment[:80]})
    early, late = (by_customer.assign(as_of=pd.Timestamp(f"2017-05-0{day}")) for day in (1, 2))
    turned = pd.Series(segment, index=pairs.index).sample(frac=1, random_state=1)
    for told in (by_customer, early, turned):  # the names of rows are matched to those of pairs
        again = segment_response(pairs, told, order=["a"])
        pd.testing.assert_frame_equal(again.frame, found.frame)
    refused("after the promotion's start in 160 rows", segment_response, pairs, late)


def test_a_table_of_answers_has_a_verdict_and_bad_input_is_refused() -> None:
    for change, words in [
        (lambda p, s: (p.drop(columns="redeemed"), s), "no column 'redeemed'"),
        (lambda p, s: (p, s[:5]), r"shape \(5,\); expected one name per row"),
        (lambda p, s: (pd.concat([p, p.head(1)]), np.append(s, "a")), "a customer twice"),
        (lambda p, s: (p, pd.DataFrame({"customer_id": [1], "segment": ["a"]})), "segments lacks"),
        (lambda p, s: (p, pd.DataFrame({"segment": ["a"]})), "expected customer_id, segment"),
        (lambda p, s: (p.assign(redeemed=2), s), "more than 0 and 1"),
        (lambda p, s: (p.assign(redeemed="yes"), s), "redeemed is not numeric"),
        (lambda p, s: (p, np.append(s[1:], np.array([None], dtype=object))), "no name in 1 row"),
    ]:
        refused(words, segment_response, *change(*small()))
    refused("q = 5; expected a share", segment_response, *small(), q=5)
    half = [1, 0, 0, 0] * 25 + [0] * 100
    told = {"customer_id": range(200), "promotion_id": "P", "redeemed": half}
    found = segment_response(pd.DataFrame(told), ["<b>a</b>"] * 100 + ["b"] * 100)
    shown = found.to_table().text
    assert "25 % [18, 34]" in shown and "12.5 [" in shown and "p &lt; 0.001" in shown
    assert "<b>a" not in shown and ">more<" in shown and ">less<" in shown
