"""Whom promotions change: how fast that is learned, and what is found in Hillstrom's e-mails."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.models import seconds
from benchmarks.table import Row, at_least, at_most, part, shown, unmeasured, within

if TYPE_CHECKING:
    import pandas as pd

    from promolab.contract import Experiment

WOMEN, MEN = "Womens E-Mail", "Mens E-Mail"


def large_experiment(n: int = 1_000_000, columns: int = 20, seed: int = 0) -> Experiment:
    """Make an experiment of three arms with known chances, and a column ``group`` of ten groups."""
    import pandas as pd

    from promolab.contract import Experiment

    rng = np.random.default_rng(seed)
    names = [f"x{j}" for j in range(columns)]
    table = pd.DataFrame(rng.normal(size=(n, columns)).astype(np.float32), columns=names)
    arm = rng.integers(0, 3, n)
    effect = np.select([arm == 1, arm == 2], [0.3 + 0.3 * table["x2"], 0.2 * table["x3"]], 0.0)
    table["y"] = table["x0"] + 0.5 * table["x1"] ** 2 + effect + rng.normal(size=n)
    table = table.assign(arm=arm, customer_id=np.arange(n), group=rng.integers(0, 10, n))
    chances = np.full((n, 3), 1 / 3)
    return Experiment(table, "arm", 0, names, ["y"], propensity=chances, name="made up")


@part("uplift", "a boosted uplift model of a million rows")
def boosted_against_econml(folds: int = 5) -> Iterator[Row]:
    """Time the boosted DR-learner with group intervals against EconML's without any.

    EconML takes no known chances, it learns them: as a rule with the same trees, which is what the
    bar is about. A second row gives it the arms' shares instead, which is as little as can be done.
    """
    from sklearn.dummy import DummyClassifier
    from sklearn.ensemble import HistGradientBoostingClassifier

    from promolab.effects.learners.base_learners import BOOSTING
    from promolab.effects.model import UpliftModel

    experiment, small = large_experiment(), large_experiment(2_000)
    # Both are called on the small one first: imports are not compared.
    UpliftModel("dr", "boosting", folds=folds).fit(small).by_group("group")
    start = time.perf_counter()
    model = UpliftModel("dr", "boosting", folds=folds).fit(experiment)
    model.by_group("group")
    ours = time.perf_counter() - start
    what = f"boosted DR-learner, {experiment.n:,} rows, three arms, group intervals"
    propensity = HistGradientBoostingClassifier(**BOOSTING, random_state=0)
    try:
        _econml(small, propensity, folds)
        theirs, effects = _econml(experiment, propensity, folds)
    except ImportError:
        yield unmeasured(what, f"{ours:.1f} s; EconML is not installed")
        return
    apart = np.abs(model.average().rows["effect"] - effects).max()
    told = f"{ours:.1f} s and {theirs:.1f} s; averages {apart:.4f} apart"
    yield at_most(what, ours / theirs, 0.7, "× EconML", told)
    given, _ = _econml(experiment, DummyClassifier(), folds)
    yield shown("the same, EconML spared the learning of chances", f"{ours / given:.2f} ×")


def _econml(experiment: Experiment, propensity: Any, folds: int) -> tuple[float, np.ndarray]:
    """Return the seconds that EconML's DR-learner takes, and its average effects."""
    from econml.dr import DRLearner
    from sklearn.ensemble import HistGradientBoostingRegressor

    from promolab.effects.learners.base_learners import BOOSTING, OF_EFFECTS

    X = experiment.X.to_numpy()
    start = time.perf_counter()
    model = DRLearner(
        model_regression=HistGradientBoostingRegressor(**BOOSTING, random_state=0),
        model_propensity=propensity,
        model_final=HistGradientBoostingRegressor(**OF_EFFECTS, random_state=0),
        cv=folds,
        random_state=0,
    )
    model.fit(experiment.y(), experiment.codes, X=X)
    effects = np.array([float(model.ate(X, T0=0, T1=k)) for k in (1, 2)])
    return time.perf_counter() - start, effects


@part("uplift", "a linear uplift model of 200,000 rows")
def linear_against_econml(n: int = 200_000, rounds: int = 5) -> Row:
    """Time ``UpliftModel("dr")`` at its door against EconML's linear DR-learner.

    On the same folds, with the same models (least squares, logistic regression of the arms, whose
    chances nobody stated) and one thread each: checks, scores, averages and customers' effects
    here, effects there. One warm-up, then in turn; medians.
    """
    from threadpoolctl import threadpool_limits

    from promolab.contract import Experiment
    from promolab.effects.model import UpliftModel

    made = large_experiment(n)
    trial = Experiment(made.frame, "arm", 0, list(made.covariates), ["y"], arms=made.arms)
    fold = UpliftModel("dr").fit(trial).fold_
    new = trial.X.head(1_000)

    def ours() -> None:
        model = UpliftModel("dr").fit(trial)
        model.average()
        model.predict(new, calibrated=False)

    what = f"linear DR-learner, {n:,} × {len(trial.covariates)}, three arms, chances learned"
    calls = {"ours": ours, "theirs": lambda: _linear_econml(trial, fold, new)}
    try:
        with threadpool_limits(1):
            mine, theirs = seconds(calls, rounds).values()
    except ImportError:
        return unmeasured(what, "EconML is not installed")
    told = f"{mine:.2f} s and {theirs:.2f} s"
    return at_most(what, mine / theirs, 0.8, "× EconML's LinearDRLearner", told)


def _linear_econml(experiment: Experiment, fold: np.ndarray, new: pd.DataFrame) -> None:
    from econml.dr import LinearDRLearner
    from sklearn.linear_model import LinearRegression, LogisticRegression

    numbers = range(int(fold.max()) + 1)
    folds = [(np.flatnonzero(fold != k), np.flatnonzero(fold == k)) for k in numbers]
    model = LinearDRLearner(
        model_regression=LinearRegression(), model_propensity=LogisticRegression(), cv=folds,
        random_state=0,
    )  # fmt: skip
    model.fit(experiment.y(), experiment.codes, X=experiment.X.to_numpy())
    for arm in (1, 2):
        model.effect(new.to_numpy(), T0=0, T1=arm)


@part("uplift", "Hillstrom's e-mails, ten cross-validations")
def hillstrom(repeats: int = 10) -> Iterator[Row]:
    """Order Hillstrom's customers by effect and by response, for each e-mail on visits.

    Intervals are those of one repeat: the repeats share their customers, so that averaging them
    takes away what the folds owe to chance, and hardly anything of what the customers do.
    """
    from promolab import UpliftModel, load_experiment
    from promolab.effects.learner_selection import predict_folds
    from promolab.effects.shrinkage import place_within
    from promolab.metrics.uplift import compare_qini, qini

    trial = load_experiment("hillstrom")
    rows: dict[str, list[tuple[float, ...]]] = {WOMEN: [], MEN: []}
    for seed in range(repeats):
        model = UpliftModel("dr", "linear", seed=seed).fit(trial, "visit")
        # As the learner says them: here the order is asked for, not whether it is to be trusted.
        tried, scores = model._candidates, model.scores_
        assert tried is not None
        said = predict_folds(tried.fitted, _others(model.fold_), range(model.fold_.max() + 1))
        for k, arm in enumerate(model.treatments_):
            response = place_within(model.nuisance_.mu[:, k + 1], model.fold_)
            how: dict[str, Any] = {"gamma": scores[arm].to_numpy(), "cluster": model.cluster_}
            effect = place_within(said[:, k], model.fold_)
            found = qini(None, None, effect, **how)
            gap = compare_qini(None, None, effect, response, **how).difference
            rows[arm].append((found.qini, found.ci_low, found.ci_high, found.effect.value, gap))
    for arm in rows:
        area, low, high, average, gap = np.mean(rows[arm], axis=0)
        what = f"Hillstrom, {arm} on visits, {repeats} cross-validations: Qini / effect"
        told = f"Qini {area:.5f} [{low:.5f}, {high:.5f}], {gap:+.5f} above that by response"
        if arm == WOMEN:
            yield at_least(what, area / average, 0.14, told=told, also=bool(gap > 0))
        else:
            yield shown(what, told)


def _others(fold: np.ndarray) -> Callable[[int], np.ndarray]:
    return lambda number: fold != number


# --- coverage ----------------------------------------------------------------------------------

COVERED = {"covered_95": (0.93, 0.97), "covered_90": (0.87, 0.93), "error_over_sd": (0.93, 1.1)}
LEVELS = (0.95, 0.90)


def coverage(draws: int = 2_000, n: int = 5_000, seed: int = 0) -> pd.DataFrame:
    """Draw experiments, and count how often intervals hold the truth.

    Two arms and a control; chances that vary with what is seen; one to three rows per customer
    that share a level; effects that are linear in the columns; spread that is not equal.

    Parameters
    ----------
    draws, n, seed : int

    Returns
    -------
    DataFrame
        One row per figure: what, which, truth, covered_95, covered_90, error_over_sd (mean standard
        error over the standard deviation of the estimates), bias_over_sd.
    """
    import pandas as pd

    rng = np.random.default_rng(seed)
    truths, found = _truths(), [_one_draw(rng, n) for _ in range(draws)]
    values = np.array([[estimate for estimate, _, _ in draw] for draw in found])
    errors = np.array([[error for _, error, _ in draw] for draw in found])
    halves = np.array([[half for _, _, half in draw] for draw in found])
    truth = np.array([value for _, _, value in truths])
    inside = np.abs(values - truth)[:, :, None] <= halves
    spread = values.std(axis=0, ddof=1)
    return pd.DataFrame(
        {
            "what": [what for what, _, _ in truths],
            "which": [which for _, which, _ in truths],
            "truth": truth,
            "covered_95": inside[:, :, 0].mean(axis=0),
            "covered_90": inside[:, :, 1].mean(axis=0),
            "error_over_sd": errors.mean(axis=0) / spread,
            "bias_over_sd": (values.mean(axis=0) - truth) / spread,
        }
    )


EFFECTS = np.array([[0.5, 0.4, 0.0, 0.0, 0.3], [0.2, 0.0, -0.3, 0.1, -0.2]])
"""Per arm: constant, three columns, and a group of two (0 or 1, half each)."""


def _truths() -> list[tuple[str, str, float]]:
    listed = []
    for arm, (constant, *_, group) in enumerate(EFFECTS, start=1):
        listed.append(("average", f"arm {arm}", constant + group / 2))
        listed += [("group", f"arm {arm}, {g}", constant + group * g) for g in (0, 1)]
    return listed


def _one_draw(rng: np.random.Generator, n: int) -> list[tuple[float, float, Any]]:
    """Return estimate, standard error and half-widths of every figure, from one experiment."""
    from promolab.effects.learners.aipw import Design, fit_nuisance
    from promolab.effects.learners.base_learners import base_learner
    from promolab.effects.means import group_means
    from promolab.stats import t_quantile

    rows, Z, group, chances = _experiment_arrays(rng, n)
    design, maker = Design(None, ()), base_learner("linear")
    nuisance = fit_nuisance(rows, Z, design, maker, chances)
    figures: list[tuple[float, float, Any]] = []
    for k in range(2):
        scores = nuisance.gamma[:, k]
        for codes, groups in ((np.zeros(rows.n, dtype=np.int64), 1), (group, 2)):
            means = group_means(scores, codes, groups, rows.cluster)
            half = np.array(
                [t_quantile(level, means.degrees) * means.std_error for level in LEVELS]
            )
            figures += list(zip(means.value, means.std_error, half.T, strict=True))
    return figures


def _experiment_arrays(
    rng: np.random.Generator, n: int
) -> tuple[Any, np.ndarray, np.ndarray, np.ndarray]:
    from promolab.effects.learners.aipw import Rows

    cluster = np.repeat(np.arange(n), rng.integers(1, 4, n))[:n]
    customers = int(cluster[-1]) + 1
    seen = rng.normal(size=(customers, 3))[cluster]
    group = rng.integers(0, 2, customers)[cluster]
    Z = np.column_stack([seen, group])
    push = 0.5 * seen[:, [0]] * [0.0, 1.0, -1.0]
    chances = np.exp(push) / np.exp(push).sum(axis=1, keepdims=True)
    codes = (rng.random(n)[:, None] > chances.cumsum(axis=1)[:, :-1]).sum(axis=1)
    effect = np.column_stack([np.zeros(n), EFFECTS[:, 0] + Z @ EFFECTS[:, 1:].T])
    noise = rng.normal(size=n) * (1 + 0.5 * np.abs(seen[:, 0]))
    level = 0.7 * rng.normal(size=customers)[cluster]
    y = 2 + seen[:, 0] + 0.5 * seen[:, 1] ** 2 + effect[np.arange(n), codes] + level + noise
    fold = rng.permutation(customers)[cluster] % 5
    rows = Rows(y, codes, 3, cluster, fold, 5, chances)
    return rows, Z, group, chances


@part("uplift", "coverage of effects, two seeds")
def coverage_holds(draws: int = 2_000, n: int = 5_000) -> Iterator[Row]:
    """Yield whether the coverage of averages and groups is as stated."""
    for seed in (1, 2):
        for what, figures in coverage(draws, n, seed).groupby("what", sort=False):
            for name, ends in COVERED.items():
                told = f"effects, {what}: {name}, seed {seed}, {draws:,} draws of {n:,}"
                yield within(told, figures[name], *ends)
