"""How fast the boosted DR-learner is, against EconML's on the same data with the same trees."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.table import Row

if TYPE_CHECKING:
    import pandas as pd

    from promolab.contract import Experiment

MOST_OF_ECONML, MOST_OF_LINEAR = 0.7, 0.8
ROUNDS = 5


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


def boosted_against_econml(experiment: Experiment | None = None, folds: int = 5) -> list[Row]:
    """Time the boosted DR-learner with group intervals against EconML's without any.

    EconML takes no known chances, it learns them: as a rule with the same trees, which is what the
    bar is about. A second row gives it the arms' shares instead, which is as little as can be done.
    """
    from sklearn.dummy import DummyClassifier
    from sklearn.ensemble import HistGradientBoostingClassifier

    from promolab.effects.learners.base_learners import BOOSTING
    from promolab.effects.model import UpliftModel

    experiment = large_experiment() if experiment is None else experiment
    small = large_experiment(2_000)  # both are called on it first: imports are not compared
    UpliftModel("dr", "boosting", folds=folds).fit(small).by_group("group")
    start = time.perf_counter()
    model = UpliftModel("dr", "boosting", folds=folds).fit(experiment)
    groups = model.by_group("group")
    ours = time.perf_counter() - start
    what = f"boosted DR-learner, {experiment.n:,} rows, three arms, group intervals"
    bar = f"≤ {MOST_OF_ECONML} × EconML"
    propensity = HistGradientBoostingClassifier(**BOOSTING, random_state=0)
    try:
        _econml(small, propensity, folds)
        theirs, effects = _econml(experiment, propensity, folds)
    except ImportError:
        return [Row(what, bar, f"{ours:.1f} s; EconML is not installed", None)]
    apart = np.abs(model.average().rows["effect"] - effects).max()
    told = (
        f"{ours:.1f} s and {theirs:.1f} s: {ours / theirs:.2f} × (averages {apart:.4f} apart, "
        f"{len(groups.rows)} intervals)"
    )
    given, _ = _econml(experiment, DummyClassifier(), folds)
    return [
        Row(what, bar, told, ours <= MOST_OF_ECONML * theirs),
        Row(
            "the same, EconML spared the learning of chances",
            "shown apart",
            f"{ours:.1f} s and {given:.1f} s: {ours / given:.2f} ×",
            True,
        ),
    ]


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


def linear_against_econml(n: int = 200_000) -> list[Row]:
    """Time ``UpliftModel("dr")`` at its door against EconML's linear DR-learner.

    On the same folds, with the same models (least squares, logistic regression of the arms, whose
    chances nobody stated) and one thread each: checks, scores, averages and customers' effects with
    intervals here; effects with intervals there. One warm-up, then in turn; medians.
    """
    from threadpoolctl import threadpool_limits

    from promolab.contract import Experiment
    from promolab.effects.model import UpliftModel

    made = large_experiment(n)
    trial = Experiment(made.frame, "arm", 0, list(made.covariates), ["y"], arms=made.arms)
    fold = UpliftModel("dr").fit(trial).fold_
    new = trial.X.head(1_000)

    def ours(calibrated: bool) -> None:
        model = UpliftModel("dr", "linear" if calibrated else None).fit(trial)
        model.average()
        model.effect(new, calibrated=calibrated)

    what = f"linear DR-learner, {n:,} × {len(trial.covariates)}, three arms, chances learned"
    bar = f"≤ {MOST_OF_LINEAR} × EconML's LinearDRLearner"
    seconds: list[list[float]] = []
    with threadpool_limits(1):
        for _ in range(ROUNDS + 1):
            row = [_seconds(lambda: ours(False)), _seconds(lambda: ours(True))]
            try:
                row.append(_seconds(lambda: _linear_econml(trial, fold, new)))
            except ImportError:
                return [Row(what, bar, f"{row[0]:.2f} s; EconML is not installed", True)]
            seconds.append(row)
    plain, drawn, theirs = np.median(seconds[1:], axis=0)
    return [
        Row(what, bar, f"{plain:.2f} s and {theirs:.2f} s: {plain / theirs:.2f} ×",
            bool(plain <= MOST_OF_LINEAR * theirs)),
        Row("the same, calibrated by forward prediction", "shown apart",
            f"{drawn:.2f} s: {drawn / theirs:.2f} ×", True),
    ]  # fmt: skip


def _seconds(work: Callable[[], Any]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


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
        model.effect_interval(new.to_numpy(), T0=0, T1=arm)
