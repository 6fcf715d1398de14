"""Policies valued from a log: against loops by hand, made-up logs of known truth, a real log."""

import gzip
import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit
from scipy.stats import norm

from benchmarks.metrics import BIASED, CONSISTENT, covered, drawn, predicted
from promolab.metrics import policy_value
from promolab.metrics.off_policy import PolicyValue
from tests.draws import bounds, draws
from tests.refused import refused

BANDIT = Path(os.environ.get("PROMOLAB_DATA", "")) / "open_bandit"
DRAWN, LIMIT = np.random.default_rng(4), 1.5
ACTION, REWARD, CHANCE = DRAWN.integers(0, 3, 6), DRAWN.normal(size=6), DRAWN.uniform(0.2, 0.5, 6)
POLICY, Q = DRAWN.dirichlet([1, 1, 1], 6), DRAWN.normal(size=(6, 3))
SMALL = pd.DataFrame({"action": ACTION, "reward": REWARD, "propensity": CHANCE})
CASES: list[tuple[str, float | None]] = [(name, None) for name in (*CONSISTENT, "dm")]
LOG, EVEN = drawn(np.random.default_rng(0), 400)[0], np.full((400, 4), 0.25)


def by_hand(name: str, limit: float | None) -> tuple[float, np.ndarray]:
    """Value and influence, as the papers write them."""
    row, q = np.arange(6), Q * (name not in ("ips", "snips"))
    w = POLICY[row, ACTION] / CHANCE * (name != "dm")
    if limit is not None:
        others = {"switch": np.where(w <= limit, w, 0.0), "dros": limit * w / (w * w + limit)}
        w = others.get(name, np.minimum(w, limit))
    residual, expected = REWARD - q[row, ACTION], (POLICY * q).sum(axis=1)
    if name in ("snips", "sndr"):
        ratio = w @ residual / w.sum()
        added = expected - expected.mean() + w * (residual - ratio) / w.mean()
        return expected.mean() + ratio, added
    scores = expected + w * residual
    return scores.mean(), scores - scores.mean()


CASES += [(name, LIMIT) for name in (*CONSISTENT, "switch", "dros")]


@pytest.mark.parametrize(("name", "limit"), CASES)
def test_every_estimator_is_what_its_paper_says(name, limit):
    found = policy_value(SMALL, POLICY, Q, name, limit=limit)
    value, added = by_hand(name, limit)
    assert found.value == pytest.approx(value, abs=1e-12)
    assert found.std_error == pytest.approx((added @ added / 6 / 5) ** 0.5, abs=1e-12)
    assert found.consistent is (name in CONSISTENT and limit is None)


def test_weights_and_log_are_told_and_the_policy_that_acted_earns_what_was_earned():
    found = policy_value(SMALL, POLICY, estimator="ips")
    w = POLICY[np.arange(6), ACTION] / CHANCE
    assert found.effective_n == pytest.approx(w.sum() ** 2 / (w**2).sum(), abs=1e-12)
    assert found.mean_weight.value == pytest.approx(w.mean(), abs=1e-12)
    assert (found.largest_weight, found.unused) == (w.max(), 0.0)
    assert found.heaviest == pytest.approx(w.max() / w.sum())  # 1 % of six rows is one
    assert found.logged.value == pytest.approx(np.mean(REWARD))
    log, _, _, behaviour = drawn(np.random.default_rng(1), 400)
    found = policy_value(log.drop(columns="customer_id"), behaviour, estimator="ips")
    assert found.value == pytest.approx(log["reward"].mean(), abs=1e-12)
    assert found.effective_n == pytest.approx(400)


def test_intervals_hold_the_truth_and_biases_stay_inside_their_bound():
    found = covered(150, 500)
    for name in CONSISTENT:
        assert 0.90 <= found.loc[name, "inside"] <= 0.99, name
        assert found.loc[name, "bound"] == 0
    for name in BIASED:
        assert abs(found.loc[name, "error"]) <= found.loc[name, "bound"], name
        assert found.loc[name, "inside"] >= 0.95, name
    # The predictions are wrong, and only those that lean on them alone show it.
    assert abs(found.loc["dm", "error"]) > 5 * abs(found.loc["dr", "error"])


def test_clipped_and_unseen_weights_are_in_the_bias_bound():
    log, policy, truth, _ = drawn(np.random.default_rng(3), 4000)
    clipped = policy_value(log, policy, estimator="ips", limit=0.5)
    assert clipped.bias_bound > 0 and clipped.value < truth
    assert abs(clipped.value - truth) <= clipped.bias_bound
    assert clipped.bias.ci_high < 0
    assert "no confidence interval" in clipped.summary() and "95 %" not in clipped.summary()
    # One action of three has never been tried: the log's own figures would show no bias at all.
    rng = np.random.default_rng(0)
    log = pd.DataFrame({"action": rng.integers(0, 2, 500), "reward": rng.integers(0, 2, 500)})
    log["propensity"] = 0.5
    policy = np.tile([0.25, 0.25, 0.5], (500, 1))
    found = policy_value(log, policy, estimator="ips", limit=10.0)
    assert found.bias.value == 0 and found.bias_bound >= 0.5
    loose = policy_value(log, policy, estimator="ips")
    assert not loose.supported and "not to be relied on" in loose.summary()


def test_switch_and_dros_choose_a_limit_and_say_so():
    log, policy, _, _ = drawn(np.random.default_rng(5), 1000)
    q = predicted(policy)
    for name in ("switch", "dros"):
        chosen = policy_value(log, policy, q, name)
        assert chosen.limit is not None and "bias bound together least" in chosen.summary()
        again = policy_value(log, policy, q, name, limit=chosen.limit)
        assert again.value == chosen.value
        risk = chosen.std_error**2 + chosen.bias_bound**2
        for limit in (0.5, 1.0, 3.0):
            other = policy_value(log, policy, q, name, limit=limit)
            assert risk <= other.std_error**2 + other.bias_bound**2 + 1e-6


def test_what_is_taken_by_default_is_explained(tmp_path):
    log, policy, _, _ = drawn(np.random.default_rng(9), 500)
    q = predicted(policy)
    plain, told = policy_value(log, policy), policy_value(log, policy, q)
    assert (plain.estimator, told.estimator) == ("snips", "dr")
    assert told.to_dict()["consistent"] is True
    assert PolicyValue.load(told.save(tmp_path / "value.zip")) == told


def wrong(**changes: Any) -> pd.DataFrame:
    """Return the log with another value in one row."""
    log = LOG.astype(dict.fromkeys(changes, float))
    log.loc[3, list(changes)] = list(changes.values())
    return log


def test_what_cannot_be_is_said_and_too_little_overlap_refused():
    for log, options, message in [
        (wrong(propensity=0.0), {}, r"log.propensity is 0 in 1 row; expected the chance"),
        (wrong(propensity=np.nan), {}, r"log.propensity has 1 missing value"),
        (wrong(action=4), {}, r"log.action is 4 in 1 row; expected whole numbers 0 to 3"),
        (wrong(reward=np.inf), {}, r"log.reward holds infinite values"),
        (LOG.drop(columns="propensity"), {}, r"no column 'propensity' in log"),
        (LOG.head(0), {}, r"log is empty"),
        ([1, 2], {}, r"log is a list; give a DataFrame"),
        (LOG, {"policy": EVEN[:10]}, r"policy has 10 rows and log 400"),
        (LOG, {"policy": EVEN * 2}, r"400 rows whose chances do not sum to 1 \(row 0: 2\)"),
        (LOG, {"policy": EVEN - [0.5, -0.5, 0, 0]}, r"policy = -0.25; expected chances of 0"),
        (LOG, {"policy": EVEN[0]}, r"policy has shape \(4,\)"),
        (LOG, {"policy": EVEN[:, :1] * 4}, r"policy has one column"),
        (LOG, {"q_hat": EVEN[:, :3]}, r"q_hat has shape \(400, 3\) and policy \(400, 4\)"),
        (LOG, {"q_hat": "dr"}, r"q_hat = 'dr'; expected numbers"),
        (LOG, {"q_hat": np.where(EVEN > 0, np.nan, 0)}, r"q_hat has 1,600 values missing"),
        (LOG, {"estimator": "dr"}, r"'dr' needs q_hat"),
        (LOG, {"estimator": "ipw"}, r"estimator = 'ipw' is unknown"),
        (LOG, {"estimator": "dm", "q_hat": EVEN, "limit": 2}, r"'dm' uses no weight"),
        (LOG, {"limit": 0}, r"limit = 0; expected a number above 0"),
        (LOG, {"least_effective": 1e6}, r"at least 1e\+06 are asked for"),
    ]:
        refused(message, policy_value, log, **{"policy": EVEN} | options)
    rng = np.random.default_rng(0)
    rare = np.arange(1000) >= 990
    log = pd.DataFrame({"action": rare * 1, "reward": rng.random(1000)})
    log["propensity"] = np.where(rare, 0.01, 0.99)
    policy = np.tile([0.0, 1.0], (1000, 1))
    refused(r"worth 10.0 equally weighted ones, and at least 30", policy_value, log, policy)
    assert policy_value(log, policy, least_effective=5).effective_n == pytest.approx(10)
    guess = policy_value(log, policy, np.full((1000, 2), 0.5), "dm")
    assert guess.bias_bound >= 0.49  # nothing of the log stands behind it
    refused(r"worth 0.0", policy_value, log.iloc[:990], policy[:990], least_effective=0)


def bandit(name: str) -> pd.DataFrame:
    path = BANDIT / f"{name}.csv.gz"
    if not path.is_file():
        pytest.skip(f"there is no {path.name} in PROMOLAB_DATA/open_bandit")
    with gzip.open(path) as file:
        rows = pd.read_csv(file, usecols=["item_id", "position", "click", "propensity_score"])
    names = {"item_id": "action", "click": "reward", "propensity_score": "propensity"}
    return rows.rename(columns=names)


def test_a_real_log_evaluates_the_other_policy():
    random, bts = bandit("random_men"), bandit("bts_men")
    actions = int(max(random["action"].max(), bts["action"].max())) + 1
    # What the other policy did at each position, by its own log.
    shares = pd.crosstab(bts["position"], bts["action"], normalize="index")
    shares = shares.reindex(columns=range(actions), fill_value=0.0)
    policy = shares.loc[random["position"]].to_numpy()
    earned, off = bts["reward"].mean(), 3 * (bts["reward"].mean() / 1e4) ** 0.5
    for estimator in ("ips", "snips"):
        found = policy_value(random, policy, estimator=estimator)
        assert found.supported and found.ci_low - off <= earned <= found.ci_high + off


def rarely_treated(rng, n: int, slope: float | None) -> tuple[pd.DataFrame, np.ndarray]:
    """Return a log that hardly ever treats, evenly or by what decides, and predictions of money."""
    x = rng.normal(size=n)
    chance = np.full(n, 0.03) if slope is None else expit(-3 - slope * x)
    treated = rng.random(n) < chance
    bought = rng.random(n) < expit(np.where(treated, -1.0, -1.5) + 0.5 * x)
    log = pd.DataFrame({"action": treated.astype(int), "reward": bought * rng.gamma(1.0, 20.0, n)})
    log["propensity"] = np.where(treated, chance, 1 - chance)
    return log, 18 * expit(np.array([-1.5, -1.0]) + 0.3 * x[:, None])


@pytest.mark.parametrize("slope", [None, 1.0, 2.0])
def test_what_is_called_a_95_percent_interval_holds_in_rare_logs(slope):
    """Everybody is to be treated; where few heavy weights decide, no level is stated."""
    rng, n, count = np.random.default_rng(6), 2000, draws()
    grid = np.linspace(-6, 6, 2001)
    truth = (20 * expit(-1.0 + 0.5 * grid) * norm.pdf(grid)).sum() / norm.pdf(grid).sum()
    policy = np.tile([0.0, 1.0], (n, 1))
    held: dict[str, list[bool]] = {}
    for _ in range(count):
        log, q = rarely_treated(rng, n, slope)
        for name in ("snips", "dr"):
            found = policy_value(log, policy, q, name, least_effective=1)
            told = held.setdefault(name, [])
            assert (found.ends == "interval") is (not found.uneven)
            told += [] if found.uneven else [found.ci_low <= truth <= found.ci_high]
    assert ("few decisions carry most of the weight" in found.summary()) is bool(found.uneven)
    for told in held.values():
        few = len(told) < 0.1 * count
        assert few if slope == 2.0 else np.mean(told) >= bounds(0.93, len(told))[0]


def test_customers_not_rows_are_independent():
    rng = np.random.default_rng(0)
    log = pd.DataFrame({"action": rng.integers(0, 2, 300), "reward": rng.normal(size=300)})
    log = log.assign(propensity=0.5, customer_id=np.arange(300)).loc[np.tile(np.arange(300), 2)]
    policy, plain = np.tile([0.3, 0.7], (600, 1)), log.drop(columns="customer_id")
    both, rows = (policy_value(one, policy, estimator="ips") for one in (log, plain))
    alone = policy_value(log.head(300), policy[:300], estimator="ips")
    assert both.std_error == pytest.approx(alone.std_error, rel=1e-12)
    assert (both.n, both.clusters) == (600, 300) and rows.std_error < 0.75 * alone.std_error
