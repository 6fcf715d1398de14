"""Whom promotions change: how fast that is learned, and what is found in Hillstrom's e-mails."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.table import Row, above_zero, at_least, at_most, part, shown, unmeasured, within

if TYPE_CHECKING:
    import pandas as pd

    from promolab.contract import Experiment

WOMEN, MEN = "Womens E-Mail", "Mens E-Mail"
FEW = ("dr", "t/linear", "t/boosting")


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

    def ours() -> None:
        model = UpliftModel("dr").fit(trial)
        model.average()
        model.effect(new, calibrated=False)

    what = f"linear DR-learner, {n:,} × {len(trial.covariates)}, three arms, chances learned"
    try:
        with threadpool_limits(1):
            seconds = [
                (_seconds(ours), _seconds(lambda: _linear_econml(trial, fold, new)))
                for _ in range(rounds + 1)
            ]
    except ImportError:
        return unmeasured(what, "EconML is not installed")
    mine, theirs = np.median(seconds[1:], axis=0)
    told = f"{mine:.2f} s and {theirs:.2f} s"
    return at_most(what, mine / theirs, 0.8, "× EconML's LinearDRLearner", told)


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


@part("uplift", "four hundred shops without any effect")
def null_shops(shops: int = 400, customers: int = 2_000) -> Iterator[Row]:
    """Count the shops without any effect in which page 05 sees something to target or to gain.

    "Something to target" is said where the lower end of a 95 % interval is above 0: in 2.5 % of
    them, give or take what a binomial count does in 95 of 100 cases. The interval of what the best
    arm gains holds 0, the truth.
    """
    from scipy.stats import binom

    with ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("spawn")) as pool:
        found = list(pool.map(seen_in_a_null_shop, range(shops), [customers] * shops))
    told = [each for each in found if each is not None]
    targets, inside = np.sum(told, axis=0)
    low, high = binom.ppf([0.025, 0.975], len(told), 0.025)
    what = f"null shops, {len(told)} of {customers:,} customers, {shops - len(told)} refused: "
    yield within(f"{what}something to target", targets, low, high)
    yield at_least(f"{what}the interval of what the best arm gains holds 0",
                   inside / len(told), 0.93, "%")  # fmt: skip


def seen_in_a_null_shop(seed: int, customers: int) -> tuple[bool, bool] | None:
    """Return whether page 05 sees something to target, and whether the best arm's gain may be 0.

    Of a null shop's own decisions; None where a check refuses: that of the arms' shares does so
    once in a thousand sound shops.
    """
    import torch

    from promolab import UpliftModel, load_shop
    from promolab.campaign.readout import choose_experiment

    torch.set_num_threads(1)  # the shops run side by side
    shop = load_shop("simulated", customers=customers, variant="null", seed=seed)
    chosen, model = choose_experiment(shop, None), UpliftModel(seed=seed)
    model.fit(chosen.experiment, also=chosen.checks, refuse=False)
    if not model.average():
        return None
    best = model.best_arm_value()
    return model.targeting().found, best.ci_low <= 0 <= best.ci_high


@part("uplift", "Hillstrom's e-mails, ten cross-validations")
def hillstrom(repeats: int = 10) -> Iterator[Row]:
    """Order Hillstrom's customers by effect and by response, for each e-mail on visits."""
    table = cross_validated(repeats)
    for arm in (WOMEN, MEN):
        mine = table[table["arm"] == arm].drop(columns="arm").mean()
        what = f"Hillstrom, {arm} on visits, {repeats} cross-validations: "
        share, told = mine["qini"] / mine["effect"], f"{what}Qini / effect"
        ends = f"Qini [{mine['qini_low']:.5f}, {mine['qini_high']:.5f}]"
        gap = mine["difference"] + mine["half"] * np.array([0, -1, 1])
        if arm == WOMEN:
            yield at_least(told, share, 0.14, told=ends)
            yield above_zero(f"{what}Qini less that by response", gap)
        else:
            yield Row(told, "where within noise, page 05 says so", f"{share:.3f} ({ends})",
                      says_what_its_interval_says())  # fmt: skip


def cross_validated(repeats: int) -> pd.DataFrame:
    """Return one row per repeat and e-mail: Qini by effect, the effect, and the paired difference.

    Intervals are those of one repeat: the repeats share their customers, so that averaging them
    takes away what the folds owe to chance, and hardly anything of what the customers do.
    """
    import pandas as pd

    from promolab import UpliftModel, load_experiment
    from promolab.effects.learner_selection import predict_folds
    from promolab.effects.shrinkage import place_within
    from promolab.metrics.uplift import compare_qini, qini

    trial, rows = load_experiment("hillstrom"), []
    for seed in range(repeats):
        model = UpliftModel("dr", "linear", seed=seed).fit(trial, "visit")
        # As the learner says them: here the order is asked for, not whether it is to be trusted.
        tried, scores = model._candidates, model.scores_
        assert tried is not None
        said = predict_folds(tried.fitted, _others(model.fold_))
        for k, arm in enumerate(model.treatments_):
            response = place_within(model.nuisance_.mu[:, k + 1], model.fold_)
            how: dict[str, Any] = {"gamma": scores[arm].to_numpy(), "cluster": model.cluster_}
            effect = place_within(said[:, k], model.fold_)
            found = qini(None, None, effect, **how)
            paired = compare_qini(None, None, effect, response, **how)
            rows.append(
                {
                    "arm": arm,
                    "qini": found.qini,
                    "qini_low": found.ci_low,
                    "qini_high": found.ci_high,
                    "effect": found.effect.value,
                    "difference": paired.difference,
                    "half": (paired.ci_high - paired.ci_low) / 2,
                }
            )
    return pd.DataFrame(rows)


def _others(fold: np.ndarray) -> Callable[[int], np.ndarray]:
    return lambda number: fold != number


def says_what_its_interval_says() -> bool:
    """Return whether page 05 sees nothing in the men's e-mail where Qini's interval holds 0."""
    from promolab import UpliftModel, load_experiment

    trial = load_experiment("hillstrom")
    alone = trial.subset(MEN)
    found = UpliftModel().fit(alone).targeting()
    within_noise = found.by_effect.ci_low <= 0 <= found.by_effect.ci_high
    return within_noise == ("cannot be told from a random one" in found.verdict())


@part("uplift", "ways to learn effects, compared")
def compared() -> Iterator[Row]:
    """Yield whether the method taken finds no less than half of what the best finds."""
    from promolab import load_experiment
    from promolab.compare import compare_effects
    from promolab.features import decisions_experiment
    from promolab.sources.opening import simulated

    trial = load_experiment("hillstrom")
    for arm, outcome in ((None, "visit"), (WOMEN, "visit"), (None, "spend")):
        what = "both e-mails" if arm is None else arm
        found = compare_effects(trial, outcome=outcome, arm=arm)
        yield _never_half(found, f"Hillstrom, {what} on {outcome}")
    shop = simulated(customers=20_000, weeks=26, variant="weekly", exploration=1.0, seed=0)
    found = compare_effects(decisions_experiment(shop), FEW)
    yield _never_half(found, "simulated shop, 20,000 customers")


def _never_half(found: Any, what: str) -> Row:
    """Return whether what is taken finds half of what the best finds, if that finds anything."""
    best = found.best if found.figure(found.best).ci_low > 0 else found.chosen
    share = found.figure(found.chosen).value / found.figure(best).value
    said = ", ".join(f"{m} {found.figure(m).value:.4f}" for m in found.methods)
    what += ": Qini of the method taken beside the best's"
    return at_least(what, share, 0.5, "×", f"{found.chosen} is taken, {best} finds most; {said}")


def null_trial(n: int, seed: int) -> Experiment:
    """Return a trial of money in which nobody gains anything."""
    import pandas as pd

    from promolab.contract import Experiment

    rng = np.random.default_rng(seed)
    rows = pd.DataFrame(rng.normal(size=(n, 4)), columns=list("abcd"))
    rows["customer_id"], rows["mail"] = np.arange(n), rng.integers(0, 2, n)
    rows["y"] = np.exp(rng.normal(size=n)) + rows["a"]
    return Experiment(rows, "mail", 0, list("abcd"), ["y"], propensity=np.full((n, 2), 0.5))
