"""Networks behind the door: deterministic, consistent, stopped by the latest promotions."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.special import expit
from sklearn.metrics import log_loss

from promolab.errors import MissingExtraError
from promolab.model.learners import Mlp, Training
from promolab.model.learners.neural import total_log_odds
from promolab.model.neural import training as room
from promolab.model.neural.networks import FunnelLoss, Perceptron
from promolab.model.neural.training import hold_out_latest
from promolab.model.response import ResponseModel
from promolab.trust import audit_privacy
from tests.model.threads import on_threads
from tests.refused import refused

SMALL = {"hidden": (8, 4), "epochs": 4, "device": "cpu"}


def data(n: int = 1200, seed: int = 0) -> tuple[pd.DataFrame, np.ndarray, dict[str, np.ndarray]]:
    """Rows whose log odds hold a product, which no weighted sum has."""
    rng = np.random.default_rng(seed)
    X = pd.DataFrame(rng.normal(size=(n, 3)), columns=["a", "b", "c"])
    X["city"] = rng.choice(["x", "y"], n)
    X.loc[rng.uniform(size=n) < 0.05, "c"] = np.nan
    logit = 2.5 * X["a"] * X["b"] + (X["city"] == "x") - 0.5
    y = (rng.uniform(size=n) < 1 / (1 + np.exp(-logit))).astype(int).to_numpy()
    who, group = rng.integers(0, n // 4, n), rng.integers(0, 12, n)
    time = np.datetime64("2025-01-06T00:00:00") + group // 2 * np.timedelta64(7, "D")
    return X, y, {"cluster": who, "group": group, "time": time}


def history_of(model: Any) -> Any:
    return model.learners_[0].history


def test_a_network_learns_what_no_weighted_sum_can() -> None:
    X, y, beside = data(1200)
    fresh, truth, _ = data(2000, seed=1)
    model = ResponseModel("mlp", hidden=(16, 8), dropout=0.0, device="cpu").fit(X, y, **beside)
    linear = ResponseModel().fit(X, y)
    own, other = (log_loss(truth, m.probability(fresh)) for m in (model, linear))
    assert own < other - 0.1
    history = history_of(model)
    assert history.held_out[0] > history.held_out[history.kept - 1] == min(history.held_out)


def test_same_bits_again_with_any_number_of_threads_and_no_touch_of_the_global_state() -> None:
    X, y, beside = data(500)
    before, model = torch.get_rng_state(), ResponseModel("mlp", **SMALL)
    found = on_threads(lambda: model.fit(X, y, **beside).probability(X), 1, 2)
    np.testing.assert_array_equal(*found)
    assert torch.equal(before, torch.get_rng_state())
    other = ResponseModel("mlp", seed=1, **SMALL).fit(X, y, **beside).probability(X)
    assert not np.array_equal(found[0], other)


@pytest.mark.parametrize("kind", ["mlp", "multitask"])
def test_a_score_depends_on_its_row_alone_and_survives_saving(kind: str, tmp_path: Path) -> None:
    X, y, beside = data(500)
    both = pd.DataFrame({"click": y, "purchase": np.where(X["a"] > 0, y, 0)})
    model = ResponseModel(kind, **SMALL).fit(X, both, **beside)
    whole, mixed = model.probability(X), X.sample(frac=1, random_state=0)
    pieces = pd.concat(
        [pd.DataFrame(model.probability(X.iloc[i : i + 7])) for i in range(0, 500, 7)]
    )
    loaded = ResponseModel.load(model.save(tmp_path / "model"))
    for found in (pieces, model.probability(mixed).loc[X.index], loaded.probability(X)):
        pd.testing.assert_frame_equal(found, whole, check_exact=True)
    assert history_of(loaded) == history_of(model)
    assert model.probability(X.iloc[:0]).shape == (0, 2)


def test_every_option_matters() -> None:
    X, y, beside = data(300)
    plain = {**SMALL, "dropout": 0.0, "epochs": 2}
    expected = ResponseModel("mlp", **plain).fit(X, y, **beside).probability(X)
    changes = {"dropout": 0.5, "weight_decay": 1.0, "batch": 64, "learning_rate": 0.01}
    for change in ({"hidden": 4}, {"hidden": ()}, *({name: changes[name]} for name in changes)):
        found = ResponseModel("mlp", **plain | change).fit(X, y, **beside).probability(X)
        assert np.isfinite(found).all() and np.abs(found - expected).max() > 1e-4


def test_the_latest_promotions_or_some_customers_are_held_out_whole() -> None:
    def training(labels: np.ndarray, **beside: np.ndarray) -> Training:
        frame = pd.DataFrame({"x": np.arange(len(labels))})
        return Training(frame, labels[:, None] * 1.0, ("y",), **beside)

    group, labels = np.repeat(np.arange(10), 20), np.tile([0, 1], 100)
    time = (10 - group) // 2  # the first groups are the latest, two at a time
    for beside, of, latest in [
        ({"group": group, "time": time}, group, {0, 1, 2}),
        ({"time": time}, time, {4, 5}),
        ({"group": group}, group, {8, 9}),
    ]:
        assert set(of[hold_out_latest(training(labels, **beside)).rows]) == latest
    labels, cluster = np.tile([0, 1], 200), np.repeat(np.arange(100), 4)
    one = {"group": np.zeros(400, dtype=int), "time": np.zeros(400, dtype=int)}
    # A single promotion cannot be split by time.
    for who, beside in ((cluster, {}), (cluster.astype(str), {}), (cluster, one)):
        found = hold_out_latest(training(labels, cluster=who, **beside))
        assert 0.15 <= found.rows.mean() < 0.17 and "customers" in found.how and found.usable
        assert not set(who[found.rows]) & set(who[~found.rows])
    assert "rows" in hold_out_latest(training(labels)).how
    X, y, beside = data(600)
    last = beside["time"] >= np.unique(beside["time"])[-2]
    model = ResponseModel("mlp", **SMALL).fit(X, np.where(last, 0, y), **beside)
    history = history_of(model)
    assert history.kept == SMALL["epochs"] and history.held_out == ()
    assert "fewer than 5 rows of either class in it; all epochs were used" in history.how


def test_the_funnel_is_one_joint_distribution_and_its_loss_the_likelihood() -> None:
    X, y, beside = data()
    rng = np.random.default_rng(3)
    both = pd.DataFrame({"view": rng.integers(0, 2, len(y)), "click": y})
    both["purchase"] = np.where(rng.uniform(size=len(y)) < 0.2 + 0.6 * y, 1, 0)
    model = ResponseModel("multitask", **SMALL).fit(X, both, **beside)
    learner: Any = model.learners_[0]
    first, given, without = (
        expit(z) for z in Mlp.score(learner, learner.encoder.read(X))[:, [1, 2, 3]].T
    )
    found = model.probability(X)
    total = first * given + (1 - first) * without
    np.testing.assert_allclose(found["purchase"], total, atol=1e-14)
    np.testing.assert_array_equal(found["click"], first)
    # Both rates are those of the data, within noise, given and without a click.
    assert abs(given.mean() - 0.8) < 0.08 and abs(without.mean() - 0.2) < 0.08
    other = ResponseModel("multitask", funnel=("click", "order"), **SMALL)
    refused("funnel names 'order'", other.fit, X, both)
    together = ResponseModel("multitask", calibration="platt", **SMALL)
    refused("no longer fit together", together.fit, X, both, **beside)
    outputs = np.random.default_rng(0).normal(size=(4, 3)) * 2
    click, buys, buys_without = 1 / (1 + np.exp(-outputs.T))
    labels = np.array([[1, 0], [0, 1], [np.nan, 1], [1, np.nan]])
    bought = 1 / (1 + np.exp(-total_log_odds(*outputs.T)))
    chances = [click[0] * (1 - buys[0]), (1 - click[1]) * buys_without[1], bought[2], click[3]]
    found = FunnelLoss(0, 1)(torch.from_numpy(outputs), torch.from_numpy(labels))
    assert float(found) == pytest.approx(-np.log(chances).sum() / 6, abs=1e-12)


def test_outcomes_known_for_different_rows_teach_the_same_body() -> None:
    X, y, beside = data(1500)
    first = np.random.default_rng(0).uniform(size=len(X)) < 0.5
    both = {"click": np.where(first, y, np.nan), "purchase": np.where(first, np.nan, y)}
    model = ResponseModel("multitask", hidden=(16, 8), dropout=0.0, device="cpu", epochs=12)
    model.fit(X, pd.DataFrame(both), **beside)
    fresh, truth, _ = data(2000, seed=1)
    base = log_loss(truth, np.full(len(truth), y.mean()))
    for name, p in model.probability(fresh).items():
        assert name in both and log_loss(truth, p.to_numpy()) < base - 0.1
    apart = ResponseModel("multitask", funnel=None, calibration="platt", **SMALL | {"epochs": 1})
    few = {name: values[:300] for name, values in beside.items()}
    assert len(apart.fit(X[:300], pd.DataFrame(both)[:300], **few).calibrators_) == 2


def test_what_is_dropped_and_its_gradient() -> None:
    generator = torch.Generator().manual_seed(0)
    network = Perceptron((1, 2000, 1), [0.0], generator, dropout=0.25)
    units = torch.randn(50, 2000, requires_grad=True)
    found, _ = network._dropped(units)
    left = (found != 0) | (units <= 0)
    torch.testing.assert_close(found[left], units.clamp(min=0)[left])
    assert 1 - left[units > 0].float().mean() == pytest.approx(0.25, abs=0.01)
    found.sum().backward()
    torch.testing.assert_close(units.grad, (found > 0).float())
    # On average the outputs are those of the whole network.
    row = torch.ones(1, 1)
    with torch.no_grad():
        drawn = torch.stack([network.train()(row) for _ in range(400)])
        assert float(drawn.mean()) == pytest.approx(float(network.eval()(row)), abs=0.01)


def test_event_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    X, y, beside = data(400)
    model = ResponseModel("mlp", track=f"tensorboard:{tmp_path}", **SMALL)
    for _ in range(2):
        model.fit(X, y, **beside)
    folders = sorted(tmp_path.iterdir())
    assert [folder.name for folder in folders] == ["mlp-response-1", "mlp-response-2"]
    events = EventAccumulator(str(folders[0])).Reload()
    written = [event.value for event in events.Scalars("log-loss/held out")]
    np.testing.assert_allclose(written, history_of(model).held_out, rtol=1e-6)
    (tmp_path / "taken").write_text("a file")
    taken = ResponseModel("mlp", epochs=1, track=f"tensorboard:{tmp_path / 'taken'}")
    refused("no event files can be written", taken.fit, X, y)
    monkeypatch.setitem(__import__("sys").modules, "torch.utils.tensorboard", None)
    with pytest.raises(MissingExtraError, match="tensorboard"):
        model.fit(X, y)


def test_the_loss_told_is_of_rows_from_all_over_learned_in_batches_of_one_size(monkeypatch) -> None:
    X, y, _ = data(800)
    late = np.where(np.arange(800) < 400, 0, y)  # the first rows are no sample of all
    told, sizes, epoch = [], [], room._Run._epoch
    for watched in (800, 200):
        monkeypatch.setattr(room, "WATCHED", watched)
        model = ResponseModel("mlp", refit=False, **SMALL).fit(X, late)
        told.append(history_of(model).learning)
    np.testing.assert_allclose(told[0], told[1], atol=0.1)

    def noted(run):
        sizes.append(run.batch)
        return epoch(run)

    monkeypatch.setattr(room._Run, "_epoch", noted)
    X, y, beside = data(1700)  # 1,445 of them would be cut in other batches than all
    ResponseModel("mlp", **SMALL).fit(X, y, **beside)
    assert len(sizes) > SMALL["epochs"] and set(sizes) == {16}


@pytest.mark.parametrize("kind", ["mlp", "multitask"])
def test_a_membership_attack_on_a_network_is_read(kind):
    X, y, beside = data(1200)
    rows = X.assign(redeemed=y, bought=1 - y, customer_id=beside["cluster"])
    inside = rows["customer_id"] < 150
    outcome = ["redeemed", "bought"] if kind == "multitask" else "redeemed"
    model = ResponseModel(kind, **SMALL).fit(X[inside], rows.loc[inside, outcome], known=True)
    found = audit_privacy(model, rows[inside], rows[~inside])
    assert 0.4 < found.auc.ci_low < 0.5 < found.auc.ci_high < 0.6 and kind in found.summary()
