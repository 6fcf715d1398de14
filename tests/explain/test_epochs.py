"""The learning curve by epoch: what the model kept of its training, drawn and told."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from promolab.errors import InputError
from promolab.explain.epochs import learning_by_epoch
from promolab.model.learners import Mlp
from promolab.model.response import ResponseModel
from tests.refused import refused

SMALL = {"hidden": (8,), "epochs": 5, "device": "cpu"}


def data(n: int = 400) -> tuple[pd.DataFrame, np.ndarray]:
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"a": rng.normal(size=n)})
    return X, (rng.uniform(size=n) < 1 / (1 + np.exp(-X["a"]))).astype(int).to_numpy()


def test_the_curve_is_that_of_the_training_and_survives_saving(tmp_path: Path) -> None:
    X, y = data()
    model = ResponseModel("mlp", refit=False, **SMALL).fit(X, y, group=np.arange(400) // 40)
    result = learning_by_epoch(model)
    frame = result.to_frame()
    assert len(frame) == result.epochs == 5
    assert frame.loc[frame["kept"], "epoch"].tolist() == [result.kept]
    assert frame.loc[frame["kept"], "held_out"].item() == frame["held_out"].min()
    # The loss told is that of the model on the slice: the last two groups.
    p = model.probability(X[320:])
    loss = -np.log(np.where(y[320:] == 1, p, 1 - p)).mean()
    assert result.held_out[result.kept - 1] == pytest.approx(loss, abs=1e-6)
    assert (result.rows_learning, result.rows_held_out) == (320, 80)
    again = learning_by_epoch(ResponseModel.load(model.save(tmp_path / "model")))
    assert again == result


def test_the_epoch_kept_is_marked() -> None:
    X, y = data()
    model = ResponseModel("mlp", **SMALL).fit(X, y, group=np.arange(400) // 40)
    ax = learning_by_epoch(model).plot()
    kept = learning_by_epoch(model).kept
    dots = [line for line in ax.get_lines() if line.get_marker() == "o"]
    assert [float(dot.get_xdata()[0]) for dot in dots] == [kept]
    assert "kept" in [text.get_text() for text in ax.texts]
    assert f"epoch {kept}" in ax.get_title(loc="left")


def test_without_a_slice_it_says_so() -> None:
    X, y = data(60)
    y = np.where(np.arange(60) < 30, y, 0)
    model = ResponseModel("mlp", **SMALL).fit(X, y, group=np.arange(60))
    result = learning_by_epoch(model)
    assert result.summary().startswith("All 5 epochs were used: no slice was held out")
    assert result.to_frame()["held_out"].isna().all()
    assert "All 5 epochs" in result.plot().get_title(loc="left")


def test_of_several_outcomes() -> None:
    X, y = data()
    both = pd.DataFrame({"click": y, "share": 1 - y})
    each = ResponseModel("mlp", **SMALL).fit(X, both)
    assert learning_by_epoch(each, "share").outcome == "share"
    assert learning_by_epoch(each).outcome == "click"
    together = ResponseModel("multitask", **SMALL).fit(X, both)
    assert learning_by_epoch(together, "share").outcome == "click and share"
    refused("outcome='shares' is none; did you mean 'share'", learning_by_epoch, each, "shares")
    with pytest.raises(InputError, match="a logistic model does not learn by epochs"):
        learning_by_epoch(ResponseModel().fit(X, y))


def test_beginning_again_learns_from_the_held_out_rows_too() -> None:
    X, y = data()
    group = np.arange(400) // 40
    changed = np.where(group >= 8, 1 - y, y)  # another truth in the slice
    options = {**SMALL, "epochs": 8, "learning_rate": 0.02}
    models = {
        refit: ResponseModel("mlp", refit=refit, **options).fit(X, changed, group=group)
        for refit in (True, False)
    }
    slopes = {k: np.polyfit(X["a"], m.logit(X), 1)[0] for k, m in models.items()}
    assert slopes[True] < slopes[False]
    again, once = (model.learners_[0] for model in models.values())
    assert isinstance(again, Mlp) and isinstance(once, Mlp)
    assert again.history == once.history
