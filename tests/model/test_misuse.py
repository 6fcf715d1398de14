"""What no model can be made of, and what is no number, is refused with a sentence everywhere."""

import numpy as np
import pandas as pd
from sklearn.linear_model import LinearRegression

from promolab import compare, explain
from promolab.model import ArrayModel, Calibrator, ResponseModel, shapley_parts, solvers
from tests.refused import refused

N = 60
X = pd.DataFrame({"orders": np.arange(N) % 7, "share": np.arange(N) % 5 / 5})
Y = (np.arange(N) % 3 == 0).astype(int)
ROWS = X.assign(customer_id=np.arange(N), click=Y)
BOTH = pd.DataFrame({"click": Y, "share": np.where(np.arange(N) % 4, Y[::-1], np.nan)})
DAYS = pd.Series(pd.period_range("2024-01-01", periods=N, freq="D"))


def fitted() -> ResponseModel:
    return ResponseModel().fit(X, Y)


def test_options_that_cannot_be() -> None:
    for kind, options, said in [
        ("logistc", {}, "did you mean 'logistic'"),
        (["tree"], {}, r"kind=\['tree'\] is not a response model"),
        ("mlp", {"seed": 2**70}, "expected a whole number from 0"),
        ("tree", {"columns": 3}, "columns is 3; give a list"),
        ("logistic", {"columns": "orders"}, "columns is the text 'orders'; give a list"),
        ("logistic", {"l2": -1}, "l2 = -1; expected a number above 0"),
        ("logistic", {"l1": -1}, "l1 = -1; expected a number from 0 on"),
        ("logistic", {"intervals": "no"}, "intervals = 'no'; expected True or False"),
        ("tree", {"intervals": False}, "tree has no option 'intervals'"),
        ("logistic", {"calibration": "plat"}, "calibration = 'plat' is unknown"),
        ("logistic", {"positive": "yes"}, "positive = 'yes'; expected None"),
        ("logistic", {"kinds": {"campain": "number"}}, "kinds: there is no column"),
        ("tree", {"depth": 0}, "depth = 0; expected a whole number from 1 to 50"),
        ("tree", {"depht": 3}, "tree has no option 'depht'; did you mean 'depth'"),
        ("forest", {"trees": 2.5}, "trees = 2.5; expected a whole number"),
        ("forest", {"features": 0}, "features = 0; expected a share above 0"),
        ("forest", {"features": "all"}, "or 'sqrt'"),
        ("boosting", {"learning_rate": "fast"}, "learning_rate = 'fast'; expected a number"),
        ("boosting", {"l2": np.inf}, "l2 = inf; expected a number from 0 on"),
        ("mlp", {"hidden": "64"}, "give the units of each layer"),
        ("mlp", {"hidden": (0,)}, "hidden = 0"),
        ("mlp", {"dropout": 1.0}, "dropout = 1.0; expected a number from 0 to 0.95"),
        ("mlp", {"batch": 0}, "batch = 0"),
        ("mlp", {"device": "gpu9"}, "device='gpu9' is none"),
        ("mlp", {"device": "meta"}, "device='meta' cannot be used"),
        ("mlp", {"device": "cuda:99"}, "device='cuda:99', but torch sees no such CUDA"),
        *[("multitask", {"funnel": f}, "'purchase'.*, 'auto'") for f in (5, "c", ("a", "a"))],
        *[(k, {"track": "board"}, "track='board' is unknown") for k in ("logistic", "tree", "mlp")],
    ]:
        refused(said, lambda kind, **given: ResponseModel(kind, **given).fit(X, Y), kind, **options)


def test_rows_labels_and_what_stands_beside_them_that_cannot_be() -> None:
    far, twice = pd.Series(Y, index=X.index + 40), X.set_axis(np.arange(N) // 2)
    fixed, several = X.assign(fixed=BOTH["share"].isna()), {"positive": "last"}
    for options, rows, labels, beside, said in [
        ({}, X, Y * 0, {}, r"y has a single class \(all 60 are 0\)"),
        ({}, X, Y[1:], {}, "y has 59 values and X 60 rows"),
        ({}, X, [np.nan, *Y[1:]], {}, "y has 1 missing values"),
        ({}, X, 2 * Y - 1, {}, r"y must be 0 or 1 .or bool., and has -1"),
        ({}, X, np.column_stack([Y, Y]), {}, "give one outcome per row"),
        ({"positive": "last"}, X, np.arange(N) % 3, {}, "Only binary classification"),
        ({}, X, far, {}, r"40 of X's 60 rows \(such as 0\).* give y.to_numpy"),
        ({}, X, Y, {"cluster": far}, "as many rows as X, but another index"),
        ({}, twice, pd.Series(Y, index=twice.index[::-1]), {}, "repeat and are not equal"),
        ({}, X, Y, {"cluster": [1, 2]}, "cluster has shape"),
        ({}, X, Y, {"time": ["soon"] * N}, "time holds 'soon'; expected dates"),
        ({}, X, Y, {"time": [None, *range(1, N)]}, "time has 1 missing values"),
        ({}, X, Y, {"sample_weight": [1.0]}, r"sample_weight has shape \(1,\) and X 60 rows"),
        *[({}, X, Y, {"sample_weight": [w] * N}, "no finite number") for w in (-1.0, np.inf, "x")],
        ({}, X, Y, {"sample_weight": np.full(N, np.nan)}, "sample_weight has 60 missing values"),
        ({}, X, Y, {"sample_weight": np.zeros(N)}, "zero in all rows"),
        ({}, X, Y, {"sample_weight": 1.0 - Y}, "'response' has a single class"),
        ({}, X.assign(customer=range(N)), Y, {}, "say which customer it is"),
        ({}, X.assign(campaign=range(N)), Y, {}, r"say so: kinds=\{'campaign': 'number'\}"),
        ({}, X.assign(day=DAYS), Y, {}, "has type period"),
        ({}, X, BOTH.assign(share=BOTH["share"].replace(0, np.nan)), {}, "'share': y has a single"),
        ({}, X, BOTH.assign(share=2), {}, "outcome 'share': y must be 0 or 1"),
        ({"columns": ["fixed"]}, fixed, BOTH, {}, "outcome 'share': none of the 1 columns varies"),
        ({}, X, pd.concat([BOTH, BOTH[["click"]]], axis=1), {}, "outcomes given twice"),
        ({}, X, BOTH.iloc[:, :0], {}, "give a column per outcome"),
        (several, X, BOTH, {}, "is for a single outcome"),
    ]:
        refused(said, ResponseModel(**options).fit, rows, labels, **beside)
    ResponseModel().fit(twice, pd.Series(Y, index=twice.index))
    ResponseModel().fit(X, far.to_numpy())


def test_calls_that_cannot_be() -> None:
    importance, dependence = explain.permutation_importance, explain.partial_dependence
    search, line = compare.search_options, {"a line": LinearRegression()}
    tree, later = ResponseModel("tree").fit(X, BOTH), X.assign(orders=DAYS.dt.to_timestamp())
    bare = X.to_numpy(), Y, np.zeros(2), 0.0, 1.0, np.arange(N - 1)
    for call, sentence in [
        (lambda: ResponseModel().probability(X), "not fitted yet"),
        (lambda: fitted().probability(X.to_numpy()), "with feature names; give a DataFrame"),
        (lambda: fitted().probability(later), "has type datetime64.*it was numeric in training"),
        (lambda: fitted().coefficients(level=2), "level = 2; expected a share"),
        (lambda: tree.preparation("clik"), "no outcome 'clik'; did you mean 'click'"),
        (lambda: ArrayModel(tree), "2 outcomes; expected one"),
        (lambda: search(ROWS, "tree", outcome="click", space="depth"), "a mapping"),
        (lambda: search(ROWS, "tree", outcome="click", folds="two"), "folds = 'two'"),
        (lambda: search(ROWS, "tree", outcome="click", columns="share"), "a list"),
        (lambda: importance(fitted(), X, Y, repeats=0), "from 1 on"),
        (lambda: importance(fitted(), X, Y, seed=-1), "seed = -1; expected"),
        (lambda: importance(fitted(), X, Y, columns="share"), "give a list"),
        (lambda: importance(fitted(), X, Y, columns=["shar"]), "share"),
        (lambda: dependence(fitted(), X, "share", seed=-1), "seed = -1; expected"),
        (lambda: dependence(fitted(), X, "share", grid=-1), "grid=-1 has no values"),
        (lambda: shapley_parts(fitted(), X, X, seed=-1), "seed = -1; expected"),
        (lambda: compare.compare_models(ROWS, line, "click", min_positives=5), "no predict_proba"),
        (lambda: solvers.fit_logistic(X, ["a", "b"] * (N // 2), 1.0), "numbers are expected"),
        (lambda: solvers.fit_logistic(X, Y, "much"), "l2 = 'much'; expected a number above 0"),
        (lambda: solvers.fit_elastic_net(X, Y, -1.0, 1.0), "l1 = -1.*; expected a number from 0"),
        (lambda: solvers.fit_elastic_net(X, Y, 1.0, 0.0), "l2 = 0.*; expected a number above 0"),
        (lambda: solvers.sandwich(*bare), "cluster has 59 values and X 60 rows"),
        (lambda: Calibrator.fit(np.full(N, np.nan), Y), "one finite number per row"),
        (lambda: Calibrator.fit(np.zeros(N), np.ones(N)), "a single class"),
        (lambda: Calibrator.fit(np.zeros(N - 1), Y), "they must match"),
    ]:
        refused(sentence, call)
