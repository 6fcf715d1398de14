"""Counts that leave the house, attacks on models, and the budget of the weekly releases."""

from datetime import datetime

import duckdb
import numpy as np
import pandas as pd
import pytest

from promolab.contract import Settings, Shop, read_operations
from promolab.folder import open_run
from promolab.loop import Ledger
from promolab.model import ResponseModel
from promolab.trust import Privacy, audit_privacy, privacy_cost, private_counts, private_week
from tests.compare.made_up import pairs_of
from tests.refused import refused

SEGMENTS = pd.DataFrame({"segment": list("abcd"), "customers": [812, 40, 3, 0]})
STATED = {"epsilon": 2.0, "delta": 1e-6, "releases": 3, "bounds": {"a": [-2, 2], "b": [-2, 2]}}
WEEKS = ["2017-W44", "2017-W45", "2017-W46", "2017-W47"]


def test_counts_get_geometric_noise_of_the_stated_size_and_none_is_below_nought():
    many = pd.DataFrame({"customers": np.full(40_000, 500)})
    for epsilon, cells in ((1.0, 1), (1.0, 4), (0.3, 1)):
        noisy = private_counts(many, epsilon, cells=cells, secret="s")
        off = noisy["customers"] - 500
        alpha = np.exp(-epsilon / cells)
        for k in (-2, 0, 1):  # (1 − α) / (1 + α) · α^|k|
            chance = (1 - alpha) / (1 + alpha) * alpha ** abs(k)
            assert (off == k).mean() == pytest.approx(chance, abs=4 * np.sqrt(chance / 40_000))
        inside = (noisy["customers_low"] <= 500) & (noisy["customers_high"] >= 500)
        half = int(noisy["customers_high"][0] - noisy["customers"][0])
        less = 1 - 2 * alpha**half / (1 + alpha)  # the next narrower interval holds less than 95 %
        assert inside.mean() >= 0.947 and less < 0.95
    few = private_counts(SEGMENTS, 0.05, secret="s")
    assert (few.drop(columns="segment") >= 0).all(axis=None)
    assert few.dtypes.drop("segment").eq("int64").all() and list(few["segment"]) == list("abcd")


def test_noise_of_counts_follows_from_the_secret_and_the_counts():
    one = private_counts(SEGMENTS, 0.1, secret="s")
    pd.testing.assert_frame_equal(one, private_counts(SEGMENTS, 0.1, secret="s"))
    for other in ({"secret": "t"}, {"secret": "s", "seed": 1}):
        assert not one["customers"].equals(private_counts(SEGMENTS, 0.1, **other)["customers"])
    # With one customer more the noise is another one: two tables do not tell who came.
    one_more = SEGMENTS.assign(customers=SEGMENTS["customers"] + [0, 0, 1, 0])
    two = private_counts(one_more, 0.1, secret="s")
    assert two["customers"][0] != one["customers"][0]
    funnel = pd.DataFrame({"eligible": [900, 80], "contacted": [400, 30]})
    both = private_counts(funnel, 1.0, ["eligible", "contacted"], cells=2, secret="s")
    assert {"eligible_low", "contacted_high"} < set(both)


def test_what_are_no_counts_is_refused():
    for epsilon in (0, -2, "much"):
        refused("epsilon = .*above 0", private_counts, SEGMENTS, epsilon)
    refused("cells = 0", private_counts, SEGMENTS, 1.0, cells=0)
    refused("'clients'", private_counts, SEGMENTS, 1.0, "clients")
    for wrong in (-1, 0.5):
        refused("no count", private_counts, SEGMENTS.assign(customers=wrong), 1.0)
    refused("level", private_counts, SEGMENTS, 1.0, level=95)


@pytest.mark.parametrize("kind", ["logistic", "tree", "forest", "boosting"])
def test_each_kind_that_serves_is_audited(kind):  # the neural ones: model/test_neural.py
    pairs = pairs_of({"a": 0.8, "b": -0.4, "c": 0.0}, 3, 400, seed=2)
    sides = pairs["customer_id"] < 200
    X, y = pairs[["a", "b", "c"]], pairs["redeemed"]
    model = ResponseModel(kind).fit(X[sides], y[sides], known=True)
    found = audit_privacy(model, pairs[sides], pairs[~sides])
    assert found.kind == kind and (found.members, found.others) == (600, 600)
    assert 0.45 < found.auc.value < 0.8 and found.auc.ci_low < found.auc.value < found.auc.ci_high
    assert kind in found.summary() and "50 %" in found.summary()


def test_an_attack_finds_who_was_learned_by_heart_and_nobody_of_a_private_model():
    pairs = pairs_of({"a": 0.8, "b": -0.4}, 3, 800, seed=3)
    sides = pairs["customer_id"] < 400
    X, y = pairs[["a", "b"]], pairs["redeemed"]
    heart = ResponseModel("tree", depth=30, min_leaf=1).fit(X[sides], y[sides])
    found = audit_privacy(heart, pairs[sides], pairs[~sides])
    assert found.auc.ci_low > 0.55 and "gives away" in found.summary()
    private = ResponseModel(privacy=Privacy(1, 1e-4, dict.fromkeys("ab", (-2, 2)), secret="s"))
    private.fit(X[sides], y[sides], cluster=pairs.loc[sides, "customer_id"])
    found = audit_privacy(private, pairs[sides], pairs[~sides])
    assert found.auc.ci_low < 0.5 < found.auc.ci_high and "not told" in found.summary()
    refused("400 customers are on both sides", audit_privacy, heart, pairs, pairs[sides])
    bought = pairs.assign(bought=1)
    refused("no column 'bought' in others", audit_privacy, heart, bought, pairs, "bought")


def test_what_privacy_costs_falls_with_epsilon_and_the_list_earns_what_its_rows_do():
    pairs = pairs_of({"a": 1.0, "b": -0.5, "c": 0.0}, 8, 500, intercept=-1.5, running=1, seed=4)
    privacy = Privacy(1, 1e-4, dict.fromkeys("abc", (-2, 2)), secret="s")
    found = privacy_cost(pairs, privacy, epsilons=[8, 1, 0.1], worth=10.0, contact_cost=2.0)
    table = found.frame
    assert table["case"].tolist() == ["none", "8", "1", "0.1"] and found.draws == 40
    assert table["lost"].is_monotonic_increasing and table["lost"][1] < 0.01 < table["lost"][3]
    assert (table["auc_low"] <= table["auc"]).all() and (table["auc"] <= table["auc_high"]).all()
    assert (table["auc_high"] - table["auc_low"])[1:].is_monotonic_increasing
    # Everybody on the list: it does not matter in which order, and the sum is that of the rows.
    done = pairs[pairs["label_complete"]]
    late = done[done["starts_at"] >= done["starts_at"].sort_values().iloc[len(done) * 2 // 3]]
    whole = found.curve[found.curve["share"] == 1]
    assert whole["profit"].tolist() == pytest.approx([(late["redeemed"] * 10 - 2).sum()] * 4)
    assert found.predicted == len(late) and table["lost_profit"][3] > table["lost_profit"][1]
    assert found.to_dict()["by_epsilon"]["1"]["auc"] == table["auc"][2]
    names = found.plot().get_legend_handles_labels()[1]
    assert names == ["without privacy", "ε = 8", "ε = 1", "ε = 0.1"]
    nobody, fewer = pairs.assign(redeemed=0), pairs.drop(columns="ends_at")
    refused("needs 20 contacts learned from .* 0 of 1,500 did", privacy_cost, nobody, privacy)
    refused("no column 'ends_at' in pairs", privacy_cost, fewer, privacy)
    refused("draws = 0", privacy_cost, pairs, privacy, draws=0)


def stated(**changed) -> Shop:
    """Return a shop that states a privacy budget, and nothing else that matters here."""
    return Shop({}, Settings(name="Ours", operations={"privacy": STATED | changed}))


def book_of(run) -> Ledger:
    path = run.reports.path / "ledger.duckdb"
    return Ledger.open(path, shop=str(run.reports.shop), create=True)


def released(run, shop) -> None:
    """Write a week's release into the ledger beside it, as the end of a report does."""
    rows = private_week(run, shop).to_frame()
    book_of(run).record_week(run.week, datetime(2017, 10, 30), state="draft", releases=rows)


@pytest.fixture
def runs(tmp_path):
    for week in WEEKS:
        (tmp_path / "reports" / week).mkdir(parents=True)
    return [open_run(tmp_path / "reports" / week, week=week) for week in WEEKS]


def test_a_budget_pays_so_many_releases_exactly_and_refuses_the_next(runs):
    shop = stated()
    for number, run in enumerate(runs[:3], 1):
        found = private_week(run, shop)
        assert (found.releases, found.left) == (number, 3 - number)
        released(run, shop)
        again = private_week(run, shop)  # a draft made again does not pay twice
        assert (again.releases, again.spent) == (number, found.spent)
        assert again.privacy.secret == found.privacy.secret
    assert found.spent == pytest.approx(2.0, abs=1e-6) and "none is left" in found.summary()
    spent = r"privacy budget is spent: 3 releases came to epsilon = 2.00 of the 2 in \[privacy\]"
    refused(spent, private_week, runs[3], shop)
    # An earlier week says what was spent before it, and pays beside the later ones all the same.
    assert private_week(runs[0], shop).releases == 1
    more = private_week(runs[3], stated(epsilon=3.0))
    assert more.releases == 4 and more.spent < 3.0
    model = more.make()
    assert model.privacy.mu == pytest.approx(Privacy(3, 1e-6, {"a": (0, 1)}).mu / np.sqrt(3))
    assert len({private_week(run, shop).privacy.secret for run in runs[:3]}) == 3
    refused("kind='tree' cannot learn with privacy", private_week(runs[0], shop, "tree").make)


def test_a_shop_that_states_nothing_gets_no_private_model_and_what_it_states_is_checked(runs):
    assert private_week(runs[0], Shop({}, Settings(name="Ours"))) is None
    for wrong in ({"epsilon": 0}, {"delta": 2}, {"releases": 0}):
        ((key, value),) = wrong.items()
        refused(rf"\[privacy\] {key} = {value}", read_operations, stated(**wrong).settings)
    twisted = stated(bounds={"a": [2, 1]}).settings
    refused(r"bounds.a = \[2, 1\]; expected the smallest", read_operations, twisted)
    refused("unknown key 'budget'", read_operations, stated(budget=3).settings)
    for left_out in ("epsilon", "delta", "bounds"):
        said = {k: v for k, v in STATED.items() if k != left_out}
        refused(f"lacks {left_out}; write", read_operations, Settings(operations={"privacy": said}))
    assert read_operations(stated().settings).privacy.bounds == {"a": (-2, 2), "b": (-2, 2)}


def test_a_ledger_made_before_there_were_releases_takes_them(runs):
    book = book_of(runs[0])
    with duckdb.connect(str(book.path)) as con:
        con.execute("DROP TABLE releases")
    assert book.rows("releases").empty and Ledger.prepared(book.path, shop=book.shop)
    released(runs[0], stated())
    assert book.rows("releases")["week"].tolist() == WEEKS[:1]
