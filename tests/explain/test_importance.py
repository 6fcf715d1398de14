"""Importance finds what matters, says how surely, and never looks ahead."""

import numpy as np
import pandas as pd
import pytest

from promolab.compare import importance_out_of_time
from promolab.explain.importance import permutation_importance
from promolab.metrics import roc
from promolab.model.inputs.folds import split_in_time
from promolab.model.response import ResponseModel
from tests.draws import bounds, draws, noise
from tests.refused import refused


def pairs_of(n: int = 2400, promotions: int = 8, seed: int = 0) -> pd.DataFrame:
    """Promotions a month apart; `strong` matters, `weak` a little, `length` by promotion."""
    rng = np.random.default_rng(seed)
    promotion = np.sort(rng.integers(0, promotions, n))
    frame = pd.DataFrame(rng.normal(size=(n, 3)), columns=["strong", "weak", "noise"])
    frame.loc[::9, "weak"] = np.nan
    frame["city"] = rng.choice(["a", "b"], n)
    frame["length"] = (promotion * 3 % promotions).astype(float)
    logit = -1 + frame["strong"] + 0.2 * frame["weak"].fillna(0) + 0.25 * (frame["length"] - 3.5)
    start = pd.Timestamp("2024-01-01") + pd.to_timedelta(30 * promotion, unit="D")
    return frame.assign(
        customer_id=rng.integers(0, 400, n),
        promotion_id=promotion,
        starts_at=start,
        ends_at=start + pd.Timedelta(days=14),
        label_complete=True,
        redeemed=(rng.uniform(size=n) < 1 / (1 + np.exp(-logit))).astype(int),
    )


FEATURES = ["strong", "weak", "noise", "city", "length"]


def test_what_matters_is_found_by_shuffles_within_promotions(monkeypatch) -> None:
    pairs = pairs_of()
    found = importance_out_of_time(pairs, columns=FEATURES)
    monkeypatch.setattr("promolab.compare.selection.MOST_ROWS", found.n // 2)
    monkeypatch.setattr("promolab.compare.selection.MOST_SHOWN", 1_000)
    drawn = importance_out_of_time(pairs, columns=FEATURES)
    assert drawn.fewer and "learned from customers drawn" in drawn.summary() and not found.fewer
    assert drawn.among == found.n and drawn.n == pytest.approx(found.n / 2, rel=0.1)
    assert f"drawn from {found.n:,}" in drawn.summary() and "drawn" not in found.summary()
    table = found.frame.set_index("feature")
    assert table.index[0] == "strong" and table.loc["strong", "ci_low"] > 0.05
    assert table.loc["noise", "ci_low"] < 0 < table.loc["noise", "ci_high"]
    assert table.loc["length", "shuffled"] == "between promotions"
    assert (table.drop("length")["shuffled"] == "within promotions").all()
    assert "Strong matters most" in found.summary()
    assert found.plot().get_xlabel().startswith("fall of the AUC")
    # A feature that says which promotion it is and nothing else is no help within promotions:
    # shuffled within them it costs nothing.
    X = pairs[["strong"]].assign(which=pairs["length"] + 1e-9 * pairs["noise"])
    model = ResponseModel().fit(X, pairs["redeemed"])
    told = (model, X, pairs["redeemed"], pairs["customer_id"])
    groups = (pairs["promotion_id"], pairs["promotion_id"], None)
    whole, again, plain = (permutation_importance(*told, group=group) for group in groups)
    assert whole.whole.value == pytest.approx(roc(pairs["redeemed"], model.probability(X)).auc)
    assert whole.whole.ci_low < whole.whole.value < whole.whole.ci_high
    pd.testing.assert_frame_equal(whole.frame, again.frame)
    within, over_all = (each.frame.set_index("feature") for each in (whole, plain))
    assert abs(within.loc["which", "importance"]) < 1e-6
    assert over_all.loc["which", "ci_low"] > 0.02
    assert over_all.loc["which", "shuffled"] == "over all rows"


def test_the_interval_covers_the_importance_on_very_many_rows() -> None:
    model = ResponseModel().fit(pairs_of(seed=99)[FEATURES], pairs_of(seed=99)["redeemed"])
    many = pairs_of(40_000, seed=1)
    truth = permutation_importance(
        model, many[FEATURES], many["redeemed"], group=many["promotion_id"]
    ).frame.set_index("feature")["importance"]
    inside, found, said = [], [], []
    n = draws(80, 400)
    for seed in range(n):
        few = pairs_of(1200, seed=100 + seed)
        told = (few[FEATURES], few["redeemed"], few["customer_id"], few["promotion_id"])
        how = {"repeats": 3, "columns": ["strong", "weak"], "seed": seed}
        table = permutation_importance(model, *told, **how).frame.set_index("feature")
        inside.append(
            (table["ci_low"] < truth[table.index]) & (truth[table.index] < table["ci_high"])
        )
        found.append(table["importance"])
        said.append(table["std_error"])
    # What the shuffles add counts a little more than it is: about a tenth too wide.
    least, most = bounds(0.96, 2 * n)
    assert least <= float(np.mean(inside)) <= most
    spread = pd.DataFrame(said).mean() / pd.DataFrame(found).std()
    assert spread.between(1 - noise(n), 1.2 + noise(n)).all()


def test_the_cut_in_time_keeps_the_sides_apart() -> None:
    pairs = pairs_of()
    split = split_in_time(pairs)
    assert pairs["ends_at"].iloc[split.before].max() <= split.moment
    assert pairs["starts_at"].iloc[split.after].min() >= split.moment
    hits = [split.labels[rows].sum() for rows in (split.before, split.after)]
    assert min(hits) > 0.3 * sum(hits)
    since = pd.Timestamp("2024-05-15")
    assert split_in_time(pairs, since=since).moment == since
    times = {name: pairs[name].dt.tz_localize("UTC") for name in ("starts_at", "ends_at")}
    same = split_in_time(pairs.assign(**times), since="2024-05-15")
    np.testing.assert_array_equal(same.after, split_in_time(pairs, since=since).after)
    for wrong in ("soon", float("nan")):
        refused("is no time; write 2017-10-01", split_in_time, pairs, since=wrong)
    # Only the last promotion starts after that, and its label is not complete.
    pairs.loc[pairs["promotion_id"] == 7, "label_complete"] = False
    refused("starting from 2024-06-30", split_in_time, pairs, since=pd.Timestamp("2024-06-30"))
