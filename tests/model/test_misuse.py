"""What is no number, no table and no folder is refused with a sentence, in every corner."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression

from promolab import compare, explain
from promolab.model import Calibrator, ResponseModel, shapley_parts, solvers
from tests.refused import refused

N = 60
X = pd.DataFrame({"orders": np.arange(N) % 7, "share": np.arange(N) % 5 / 5})
Y = (np.arange(N) % 3 == 0).astype(int)
ROWS = X.assign(customer_id=np.arange(N), click=Y)


def fitted() -> ResponseModel:
    return ResponseModel().fit(X, Y)


def test_it_is_said() -> None:
    importance, dependence = explain.permutation_importance, explain.partial_dependence
    search, line = compare.search_options, {"a line": LinearRegression()}
    for call, sentence in [
        (lambda: search(ROWS, "tree", outcome="click", space="depth"), "a mapping"),
        (lambda: search(ROWS, "tree", outcome="click", folds="two"), "folds = 'two'"),
        (lambda: search(ROWS, "tree", outcome="click", columns="share"), "a list"),
        (lambda: importance(fitted(), X, Y, repeats="five"), "repeats = 'five'; exp"),
        (lambda: importance(fitted(), X, Y, seed=-1), "seed = -1; expected"),
        (lambda: dependence(fitted(), X, "share", seed=-1), "seed = -1; expected"),
        (lambda: shapley_parts(fitted(), X, X, seed=-1), "seed = -1; expected"),
        (lambda: dependence(fitted(), X, "share", grid=-1), "grid=-1 has no values"),
        (
            lambda: compare.compare_models(ROWS, line, "click", min_positives=5),
            "a LinearRegression has no predict_proba",
        ),
        (lambda: importance(fitted(), X, Y, columns="share"), "give a list"),
        (lambda: solvers.fit_logistic(X, ["a", "b"] * (N // 2), 1.0), "numbers are expected"),
        (lambda: solvers.fit_logistic(X, Y, "much"), "l2 = 'much'; expected a number above 0"),
        (
            lambda: solvers.sandwich(X.to_numpy(), Y, np.zeros(2), 0.0, 1.0, np.arange(N - 1)),
            "cluster has 59 values and X 60 rows",
        ),
        (lambda: Calibrator.fit(np.full(N, np.nan), Y), "one finite number per row"),
        (lambda: Calibrator.fit(np.zeros(N), np.ones(N)), "a single class"),
        (lambda: Calibrator.fit(np.zeros(N - 1), Y), "they must match"),
    ]:
        refused(sentence, call)


def test_a_file_where_the_event_files_should_go(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    (tmp_path / "runs").write_text("a file")
    model = ResponseModel("mlp", epochs=1, track=f"tensorboard:{tmp_path / 'runs'}")
    refused("no event files can be written", model.fit, X, Y)
