"""A promotion against its holdout, alone and read together: planted effects, and coverage."""

import json
from dataclasses import replace
from datetime import datetime

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest, norm, t

from promolab.campaign.past.assignment import _weighed, obstacle, read_decisions, sample_ratio
from promolab.campaign.readout.ended_promotions import read_out
from promolab.campaign.readout.holdout import HoldoutComparison, compare_with_holdout, pool_holdouts
from promolab.effects.differences import compare_arms
from promolab.results import Estimate
from promolab.stats import compare_means
from tests.draws import check_cover, draws, ends_of
from tests.made_up import shop_of

NOW = datetime(2017, 6, 1)
START, END = pd.Timestamp("2017-03-06"), pd.Timestamp("2017-04-03")
N = 1200
NOBODY = pd.Series(dtype=int)


def decisions_of(arm: np.ndarray, cluster: np.ndarray | None = None) -> pd.DataFrame:
    """Return what `read_decisions` would, for customers 0 … n − 1."""
    who = np.arange(len(arm))
    units = who if cluster is None else cluster
    frame = pd.DataFrame({"action": "P", "customer_id": who, "cluster": units, "arm": arm})
    return with_chance(frame, 0.9)


def with_chance(decisions: pd.DataFrame, chance: float) -> pd.DataFrame:
    """Return decisions that state this chance of being assigned, the same for all."""
    own = np.where(decisions["arm"] == "assigned", chance, 1 - chance)
    return decisions.assign(propensity=own, chance=chance, weight=1.0, ts=START)


def tables(arm: np.ndarray, effect: float = 30.0) -> dict[str, pd.DataFrame]:
    """Return a shop in which P was decided so, and whoever was assigned spends so much more."""
    rng = np.random.default_rng(7)
    who = np.arange(len(arm))
    spend = rng.gamma(2.0, 20.0, len(arm)).round(2) + effect * (arm == "assigned")
    events = pd.DataFrame({"customer_id": who, "ts": START + pd.Timedelta(days=3)})
    events = events.assign(kind="purchase", order_id=who, product_id="A", quantity=1, amount=spend)
    got, decisions = arm == "assigned", pd.DataFrame({"decision_id": who, "customer_id": who})
    decisions = decisions.assign(ts=START, planned_action="P", action=np.where(got, "P", "none"))
    decisions["holdout"] = np.where(got, "none", arm)
    # As the house's plan writes it: those of either holdout have the chance of getting nothing.
    decisions["propensity"] = np.where(got, got.mean(), 1 - got.mean())
    exposures = pd.DataFrame({"promotion_id": "P", "customer_id": who[got], "ts": START})
    responses = exposures.head(60).assign(ts=START + pd.Timedelta(days=3), kind="redeem")
    promotions = pd.DataFrame({"promotion_id": ["P"], "kind": "coupon"})
    promotions = promotions.assign(starts_at=START, ends_at=END)
    given = {"events": events, "decisions": decisions, "exposures": exposures}
    return given | {"responses": responses, "promotions": promotions}


def euro_shop(frames, **sections):
    return shop_of(frames, zone=None, currency="EUR", operations=sections)


def readout_of(frames, **sections):
    return read_out(euro_shop(frames, **sections), NOW, weeks=9)["P"]


def decided(**frames):
    return read_decisions(euro_shop(frames), ["P"], NOW)


def arms(n=N):
    order = np.random.default_rng(1).permutation(n)
    return np.where(order < n // 10, "promotion", "assigned").astype(object)


def test_a_planted_effect_is_found_and_the_figures_are_those_of_plain_pandas():
    arm, frames = arms(), tables(arms())
    row = readout_of(frames)
    found = row.difference
    assert found.identification == "randomised"
    assert (found.contacted, found.others) == (N - N // 10, N // 10)
    assert 0 < found.estimate.ci_low < 30 < found.estimate.ci_high
    assert "held back from it by chance" in found.why and "10 %" in found.why
    spend = frames["events"]["amount"].to_numpy()
    expected = spend[arm == "assigned"].mean() - spend[arm != "assigned"].mean()
    assert found.estimate.value == pytest.approx(expected)
    assert row.holdout.redeemed.estimate.value == pytest.approx(60 / (N - N // 10))
    entry = json.loads(json.dumps(row.to_dict(), allow_nan=False))
    assert entry["holdout"]["identification"] == "randomised" and entry["holdout"]["held"] == 120


def test_results_are_read_by_assignment_a_bundle_by_its_name_and_none_without_a_holdout():
    """Half of those assigned were never contacted: they count with those assigned all the same."""
    frames = tables(arms())
    row = readout_of(frames | {"exposures": frames["exposures"].iloc[::2]})
    assert row.contacts == (N - N // 10) // 2 and row.difference.contacted == N - N // 10
    decisions = frames["decisions"].replace({"planned_action": "P", "action": "P"}, "both")
    bundles = {"bundles": {"both": ["P", "R"]}}
    row = readout_of(frames | {"decisions": decisions}, contact=bundles)
    assert row.difference.contacted == N - N // 10
    row = readout_of(tables(np.full(N, "assigned", dtype=object)))
    assert row.difference.identification == "not identified"  # everybody was contacted
    assert "with history" in row.difference.why or "no customer" in row.difference.why


def test_the_standing_holdout_stands_in_only_where_there_is_no_other():
    arm = arms()
    arm[np.flatnonzero(arm == "assigned")[:100]] = "standing"
    both = readout_of(tables(arm)).holdout
    assert (both.held, both.holdout, both.assigned) == (120, "promotion", N - 220)
    arm[arm == "promotion"] = "standing"
    alone = readout_of(tables(arm)).holdout
    assert (alone.held, alone.holdout) == (220, "standing") and "standing holdout" in alone.why


def test_decisions_at_or_after_the_date_and_of_other_promotions_are_not_read():
    frames = tables(arms())
    late = frames["decisions"].head(50).assign(ts=pd.Timestamp(NOW), decision_id=range(9000, 9050))
    other = late.assign(ts=START, planned_action="Q", action="Q", decision_id=range(9100, 9150))
    # Decided on again for P a week later: the first decision is the one that counts.
    again = frames["decisions"].assign(ts=START + pd.Timedelta(days=7), action="none")
    again = again.assign(decision_id=range(10_000, 10_000 + N), holdout="promotion")
    more = pd.concat([frames["decisions"], late, other, again], ignore_index=True)
    read = decided(**frames | {"decisions": more})
    assert read.equals(decided(**frames)) and len(read) == N


def held_by_household(households: int, size: int, assigned: int) -> pd.DataFrame:
    """So many households held back, each of so many customers, and so many assigned alone."""
    arm = np.repeat(["promotion", "assigned"], [households * size, assigned]).astype(object)
    homes = np.repeat(np.arange(households), size)
    cluster = np.append([f"home {h}" for h in homes], [f"alone {i}" for i in range(assigned)])
    return with_chance(decisions_of(arm, cluster), assigned / max(len(arm), 1))


def test_why_there_is_no_randomised_comparison_of_fewer_than_20_households():
    held = "only {} independent customers were held back; 20 are needed"
    for households, size, assigned, why in [
        (20, 1, 400, ""),  # twenty are enough
        (19, 1, 400, held.format(19)),
        (19, 3, 400, held.format(19)),  # 57 rows
        (20, 3, 400, ""),
        (5, 1, 295, held.format(5)),
        (40, 1, 19, "only 19 independent customers were assigned; 20 are needed"),
        (0, 1, 100, "nobody planned for it was held back"),
        (0, 1, 0, "no decision for it is recorded"),
    ]:
        assert obstacle(held_by_household(households, size, assigned)) == why
    heavy = decisions_of(np.where(arms() == "assigned", "assigned", "chance"))
    heavy.loc[heavy.index[heavy["arm"] == "chance"][:3], "weight"] = 500.0
    assert "weighted by their chances, count as only 3 customers" in _why(heavy)
    none = decisions_of(np.full(100, "assigned", dtype=object))
    empty = compare_with_holdout("P", none, None, NOBODY, NOBODY)
    assert empty.difference() is None and json.dumps(empty.to_dict(), allow_nan=False)


def test_the_sample_ratio_is_that_of_whole_households_and_of_draws_one_by_one():
    """100 households of four, one half each: 46 of them are 4 off, where √(100/4) = 5 is usual."""
    assigned = np.repeat(np.arange(100) < 46, 4)
    chance, home = np.full(400, 0.5), np.repeat(np.arange(100), 4)
    # 184 of 400 are 16 off, less 0.5 of continuity; households: √(100 · (4 · 0.5)²) = 20.
    assert sample_ratio(assigned, chance, home) == pytest.approx(2 * norm.sf(15.5 / 20))
    assert sample_ratio(assigned, chance, np.arange(400)) == pytest.approx(2 * norm.sf(15.5 / 10))
    for found in (520, 540, 560):
        p = sample_ratio(np.arange(1000) < found, np.full(1000, 0.5), np.arange(1000))
        assert p == pytest.approx(binomtest(found, 1000, 0.5).pvalue, rel=0.05)
    # The household is the unit where there is one.
    paired = pd.DataFrame({"customer_id": range(N - 2), "cluster_id": np.arange(N - 2) // 2})
    read = decided(**tables(arms()), customers=paired)
    assert read["cluster"].nunique() == (N - 2) // 2 + 2  # the last two have no household


def _why(decisions: pd.DataFrame) -> str:
    return compare_with_holdout("P", decisions, None, NOBODY, NOBODY).why


def test_group_sizes_that_hardly_fit_are_said_and_those_not_by_chance_identify_nothing():
    nine_of_ten = decisions_of(arms())
    assert "beware" not in _why(nine_of_ten)
    # 1,080 of 1,200: z = (35.4 − 0.5) / 11.56 = 3.02 where 0.8705 is stated, 2.62 where 0.874 is.
    for chance, told in ((0.8705, "1,045 (p = 0.003)"), (0.874, "1,049 (p = 0.008)")):
        why = _why(with_chance(nine_of_ten, chance))
        assert f"beware: 1,080 were assigned where the recorded chance lets expect {told}" in why
    assert "beware" not in _why(with_chance(nine_of_ten, 0.876))  # p = 0.013
    off = with_chance(nine_of_ten, 0.8)
    why = _why(off)
    assert "1,080 were assigned where the recorded chance lets expect 960 (p < 0.001)" in why
    assert compare_with_holdout("P", off, None, NOBODY, NOBODY).bought is None
    frames = tables(arms())
    frames["decisions"]["propensity"] = off["propensity"].to_numpy()
    row = readout_of(frames)
    # Nor are these customers compared with others: a broken log tells nothing of either.
    assert row.difference.identification == row.holdout.identification == "not identified"
    assert "p < 0.001" in row.difference.why


def chance_tables(seed: int, n: int = 2400) -> tuple[dict[str, pd.DataFrame], np.ndarray]:
    """Return a log of a planner that prefers some customers, as the simulated shop has it.

    P, Q or nothing is planned with chances by customer, then a tenth of those planned are held
    back. P brings the preferred 40, others nothing. Earlier spend tells most of later spend.
    """
    rng = np.random.default_rng(seed)
    who, good = np.arange(n), rng.random(n) < 0.5
    plan = np.where(good[:, None], [0.6, 0.1, 0.3], [0.1, 0.3, 0.6])
    planned = (rng.random((n, 1)) > plan.cumsum(axis=1)).sum(axis=1)
    action = np.where(rng.random(n) < 0.1, 2, planned)
    chances = plan * 0.9
    chances[:, 2] = 1 - chances[:, :2].sum(axis=1)
    names = np.array(["P", "Q", "none"], dtype=object)
    spent = (rng.gamma(2.0, 20.0, n) + 60 * good) * rng.gamma(8.0, 1 / 8, (2, n))
    spent[1] += 40.0 * (good & (action == 0))
    days = [START - pd.Timedelta(days=9), START + pd.Timedelta(days=3)]
    events = pd.DataFrame({"customer_id": np.tile(who, 2), "ts": np.repeat(days, n)})
    events = events.assign(amount=spent.ravel().round(2), order_id=np.arange(2 * n))
    decisions = pd.DataFrame({"decision_id": who, "customer_id": who, "ts": START})
    decisions["action"], decisions["planned_action"] = names[action], names[planned]
    decisions["propensity"] = chances[who, action]
    decisions["holdout"] = np.where((action == 2) & (planned != 2), "promotion", "none")
    got = who[action == 0]
    exposures = pd.DataFrame({"promotion_id": "P", "customer_id": got, "ts": START})
    every = pd.DataFrame({"decision_id": np.repeat(who, 3), "action": np.tile(names, n)})
    frames = tables(arms(n=40)) | {
        "events": events.assign(kind="purchase", product_id="A", quantity=1),
        "decisions": decisions,
        "decision_propensities": every.assign(propensity=chances.ravel()),
        "exposures": exposures,
    }
    return frames, good[got].mean() * 40.0


def test_chances_that_differ_weigh_and_without_the_others_two_actions_by_their_own():
    frames, truth = chance_tables(0)
    row = readout_of(frames)
    e = row.difference.estimate
    assert row.difference.identification == "randomised" and row.holdout.holdout == "chance"
    assert 0 < e.ci_low < truth < e.ci_high and row.verdict.identification == "randomised"
    assert "chances that differ between customers" in row.difference.why
    assert "sales in the 56 days before are allowed for (correlation 0." in row.difference.why
    rows = decided(**frames)
    # Those planned for another promotion and held back could have got P, too.
    others = frames["decisions"].query("planned_action == 'Q' and action == 'none'")["customer_id"]
    assert len(others) and others.isin(rows["customer_id"]).all()
    worth = rows.loc[rows["arm"] == "chance", "weight"].sum() / (rows["arm"] == "assigned").sum()
    assert worth == pytest.approx(1, abs=0.15)
    # The plain difference of the same groups is what the planner chose, not what P brought.
    spend = frames["events"].tail(2400).set_index("customer_id")["amount"]
    means = rows["customer_id"].map(spend).groupby(rows["arm"]).mean()
    assert means["assigned"] - means["chance"] > e.ci_high
    frames, _ = chance_tables(1)
    kept = frames["decisions"].query("planned_action == 'P'")
    both = {k: v for k, v in frames.items() if k != "decision_propensities"}
    # Planned for it, and held back with a chance of its own that differs: two actions.
    chance = np.where(kept["customer_id"] % 2, 0.8, 0.6)
    drawn = np.random.default_rng(2).random(len(kept)) < chance
    told = kept.assign(action=np.where(drawn, "P", "none"))
    told["propensity"] = np.where(drawn, chance, 1 - chance)
    rows = decided(**both | {"decisions": told})
    held = rows[rows["arm"] != "assigned"]
    assert held["weight"].round(3).isin([4.0, 1.5]).all() and len(rows) == len(kept)
    # Chances of a wider choice fit no two actions: nothing is compared by them.
    assert readout_of(both).holdout.identification == "not identified"


def test_weighted_intervals_cover_the_effect_on_those_who_got_it():
    """The weights of `read_decisions`, over draws of the decisions of the same customers."""
    frames, _ = chance_tables(3, 1200)
    spend = frames["events"]["amount"].to_numpy().reshape(2, 1200)
    chance = frames["decision_propensities"]["propensity"].to_numpy().reshape(-1, 3)
    good, c = chance[:, 0] > 0.3, chance[:, 0] / (chance[:, 0] + chance[:, 2])
    before, without = spend[0], spend[1] - 40.0 * (good & (frames["decisions"]["action"] == "P"))
    rng, found, truth = np.random.default_rng(4), [], []
    for _ in range(draws()):
        action = (rng.random((1200, 1)) > chance.cumsum(axis=1)).sum(axis=1)
        kept = action != 1
        arm = np.where(action == 0, "assigned", "chance")[kept]
        rows = _weighed(pd.DataFrame({"arm": arm, "chance": c[kept]}))
        seen = (without + 40.0 * (good & (action == 0)))[kept]
        given = {"weight": rows["weight"].to_numpy(), "earlier": before[kept]}
        found.append(compare_arms(seen, arm, control="chance", **given).estimate)
        truth.append(40.0 * good[action == 0].mean())
    check_cover(ends_of(found), np.array(truth), slack=0.005)


def compared(y, arm, who):
    sales = compare_arms(y, np.where(arm, "assigned", "holdout"), cluster=who, kind="mean")
    given = int(arm.sum()), int((~arm).sum()), "promotion", 0.1, sales, None, None, ""
    return HoldoutComparison("P", *given, units=pd.unique(who))


def test_customers_are_weighed_by_inverse_variances_few_of_them_as_a_sample() -> None:
    """G/(G − 1) over all customers of both, degrees of freedom by the smaller groups."""
    rng = np.random.default_rng(4)
    parts = []
    for start in (0, 12):
        y, arm = rng.gamma(2.0, 20.0, 12), np.arange(12) < 8
        parts.append(compared(y, arm, np.arange(start, start + 12)))
    squares = np.array([p.sales.scores @ p.sales.scores for p in parts])
    w = (1 / squares) / (1 / squares).sum()
    summed = float(w**2 @ squares)  # nobody is in both
    degrees = summed**2 / float((w**2 * squares) ** 2 @ [1 / 3, 1 / 3])  # four are held back
    found = pool_holdouts(parts, currency="EUR")
    e = found.difference
    assert e.value == pytest.approx(w @ [p.sales.estimate.value for p in parts])
    half = t.ppf(0.975, degrees) * (summed * 24 / 23) ** 0.5
    assert (e.ci_high - e.ci_low) / 2 == pytest.approx(half)
    assert found.promotions == 2 and e.n == 24
    assert "The holdouts of 2 promotions, read together: extra net sales of" in found.summary()


def test_customers_of_both_count_once_and_of_one_there_is_nothing_to_pool() -> None:
    """The same outcomes and arms twice are no more than once."""
    rng = np.random.default_rng(2)
    once = compared(rng.gamma(2.0, 20.0, 500), rng.permutation(500) >= 50, np.arange(500))
    twice = pool_holdouts([once, once]).difference
    width = once.sales.estimate.ci_high - once.sales.estimate.ci_low
    assert twice.value == pytest.approx(once.sales.estimate.value)
    assert twice.ci_high - twice.ci_low == pytest.approx(width, rel=0.03)
    none = HoldoutComparison("Q", 5, 0, "", 0.0, None, None, None, "nobody was held back")
    flat = compared(np.zeros(100), np.arange(100) >= 50, np.arange(100))
    assert pool_holdouts([once, none, flat]) is None


def test_four_together_cover_and_are_half_as_wide() -> None:
    """Customers differ and come again: four promotions to the same 600."""
    rng = np.random.default_rng(4)
    taste, who = rng.gamma(1.5, 30.0, 600), np.arange(600)
    template = compared(taste, who >= 60, who)
    found, single = [], []
    for _ in range(draws()):
        parts = []
        for _ in range(4):
            arm = rng.permutation(600) >= 60
            arms = compare_means(taste + rng.gamma(2.0, 20.0, 600) + 5 * arm, arm, who)
            estimate = Estimate(arms.value, *arms.interval(0.95), 600)
            scores = arms.treated.scores - arms.control.scores
            sales = replace(template.sales, estimate=estimate, scores=scores)
            parts.append(replace(template, sales=sales))
        found.append(pool_holdouts(parts).difference)
        single.append(parts[0].sales.estimate)
    together, alone = ends_of(found), ends_of(single)
    check_cover(together, 5, slack=0.005, wide=0.08)
    widths = [np.mean(ends[:, 2] - ends[:, 1]) for ends in (together, alone)]
    assert widths[0] / widths[1] == pytest.approx(0.5, abs=0.03)
