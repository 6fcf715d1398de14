"""Uplift models on made-up customers whose effects are known: coverage, time, and policies.

Run whole with ``python -m benchmarks.uplift_models``; every part is a function of its own.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.table import Row, render

if TYPE_CHECKING:
    import pandas as pd

    from promolab.contract import Experiment

COVERED = {"covered_95": (0.93, 0.97), "covered_90": (0.87, 0.93), "error_over_sd": (0.93, 1.1)}
MOST_OF_ECONML = 0.7
POINTS = np.array([[0.0, 0.0, 0.0], [1.0, -1.0, 0.5], [-1.5, 0.5, 2.0]])
"""Customers whose effect is asked for in every draw."""
LEVELS = (0.95, 0.90)


def coverage(draws: int = 2_000, n: int = 5_000, seed: int = 0, tail: float = 0.0) -> pd.DataFrame:
    """Draw experiments, and count how often intervals hold the truth.

    Two arms and a control; chances that vary with what is seen; one to three rows per customer
    that share a level; effects that are linear in the columns; spread that is not equal.

    Parameters
    ----------
    draws, n, seed : int
    tail : float
        Above 0: noise of money, log-normal with this σ, its mean taken off.

    Returns
    -------
    DataFrame
        One row per figure: what, which, truth, covered_95, covered_90, error_over_sd (mean standard
        error over the standard deviation of the estimates), bias_over_sd.
    """
    import pandas as pd

    rng = np.random.default_rng(seed)
    truths, found = _truths(), []
    for _ in range(draws):
        found.append(_one_draw(rng, n, tail))
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
    for arm, (constant, *slopes, group) in enumerate(EFFECTS, start=1):
        listed.append(("average", f"arm {arm}", constant + group / 2))
        listed += [("group", f"arm {arm}, {g}", constant + group * g) for g in (0, 1)]
        listed += [
            ("customer", f"arm {arm}, {place}", constant + float(point @ slopes) + group * 0.5)
            for place, point in enumerate(POINTS)
        ]
    return listed


def _one_draw(rng: np.random.Generator, n: int, tail: float) -> list[tuple[float, float, Any]]:
    """Return estimate, standard error and half-widths of every figure, from one experiment."""
    from promolab.model.uplift.averages import group_means, t_quantile
    from promolab.model.uplift.design import Design
    from promolab.model.uplift.learners import KINDS, Setting
    from promolab.model.uplift.makers import maker_of
    from promolab.model.uplift.nuisance import fit_nuisance
    from promolab.model.uplift.rows import Rows

    rows, Z, group, chances = _experiment_arrays(rng, n, tail, Rows)
    design, maker = Design(None, ()), maker_of("linear")
    nuisance = fit_nuisance(rows, Z, design, maker, chances, 0)
    setting = Setting(rows, Z, design, maker, Z, design, maker, nuisance)
    model = KINDS["dr"](setting).fit(np.ones(rows.n, dtype=bool))
    at = np.column_stack([POINTS, np.full(len(POINTS), 0.5)])
    of_customers, errors = model.predict(at), model.std_error(at)
    normal = np.array([t_quantile(np.inf, level) for level in LEVELS])
    figures: list[tuple[float, float, Any]] = []
    for k in range(2):
        scores = nuisance.gamma[:, k]
        for codes, groups in ((np.zeros(rows.n, dtype=np.int64), 1), (group, 2)):
            means = group_means(scores, codes, groups, rows.cluster)
            half = np.array(
                [t_quantile(means.degrees, level) * means.std_error for level in LEVELS]
            )
            figures += list(zip(means.value, means.std_error, half.T, strict=True))
        figures += [
            (value, error, normal * error)
            for value, error in zip(of_customers[:, k], errors[:, k], strict=True)
        ]
    return figures


def _experiment_arrays(
    rng: np.random.Generator, n: int, tail: float, rows_class: Any
) -> tuple[Any, np.ndarray, np.ndarray, np.ndarray]:
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
    if tail:
        noise = np.exp(tail * rng.normal(size=n)) - np.exp(tail**2 / 2)
    level = 0.7 * rng.normal(size=customers)[cluster]
    y = 2 + seen[:, 0] + 0.5 * seen[:, 1] ** 2 + effect[np.arange(n), codes] + level + noise
    fold = rng.permutation(customers)[cluster] % 5
    rows = rows_class(y, codes, 3, cluster, fold, 5, chances)
    return rows, Z, group, chances


def coverage_holds(draws: int = 2_000, n: int = 5_000, seed: int = 0) -> list[Row]:
    """Return whether the coverage of averages, groups and customers' effects is as stated."""
    table, listed = coverage(draws, n, seed), []
    for what, figures in table.groupby("what", sort=False):
        for name, (low, high) in COVERED.items():
            ends = figures[name].min(), figures[name].max()
            listed.append(
                Row(
                    f"effects, {what}: {name}, {draws:,} draws of {n:,}",
                    f"{low} – {high}",
                    f"{ends[0]:.3f} – {ends[1]:.3f}",
                    low <= ends[0] and ends[1] <= high,
                )
            )
    return listed


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
    """Time the boosted DR-learner with group intervals against EconML's without any."""
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    from promolab.model.uplift import UpliftModel
    from promolab.model.uplift.makers import BOOSTING, OF_EFFECTS

    experiment = large_experiment() if experiment is None else experiment
    start = time.perf_counter()
    model = UpliftModel("dr", "boosting", folds=folds).fit(experiment)
    groups = model.by_group("group")
    ours = time.perf_counter() - start
    what = f"boosted DR-learner, {experiment.n:,} rows, three arms, group intervals"
    bar = f"≤ {MOST_OF_ECONML} × EconML"
    try:
        from econml.dr import DRLearner
    except ImportError:
        return [Row(what, bar, f"{ours:.1f} s; EconML is not installed", True)]
    start = time.perf_counter()
    other = DRLearner(
        model_regression=HistGradientBoostingRegressor(**BOOSTING, random_state=0),
        model_propensity=HistGradientBoostingClassifier(**BOOSTING, random_state=0),
        model_final=HistGradientBoostingRegressor(**OF_EFFECTS, random_state=0),
        cv=folds,
        random_state=0,
    )
    X = experiment.X.to_numpy()
    other.fit(experiment.y(), experiment.codes, X=X)
    effects = [float(other.ate(X, T0=0, T1=k)) for k in (1, 2)]
    theirs = time.perf_counter() - start
    apart = np.abs(model.average().table["effect"] - effects).max()
    told = (
        f"{ours:.1f} s and {theirs:.1f} s: {ours / theirs:.2f} × (averages {apart:.4f} apart, "
        f"{len(groups.table)} intervals)"
    )
    return [Row(what, bar, told, ours <= MOST_OF_ECONML * theirs)]


OF_ATTAINABLE, OF_THE_GAP = 0.85, 0.60
TOP = 0.3


def policy(
    customers: int = 100_000, seed: int = 0, rounds: int = 8, learner: str = "ridge"
) -> dict[str, float]:
    """Let models choose whom to contact in a simulated shop, and add up what that is truly worth.

    Half-and-half rounds of one promotion; then the next one goes to the top 30 %.

    Returns
    -------
    dict
        True expected profit added over ``nobody``: of the ``latent`` and the ``attainable`` oracle,
        of the ``uplift`` model (doubly robust), of a ``response`` ranking (margin expected with the
        promotion), and of a choice at ``random``.
    """
    import pandas as pd

    from promolab.features import decisions_experiment
    from promolab.model import UpliftModel
    from promolab.model.uplift.design import Design
    from promolab.model.uplift.makers import maker_of
    from promolab.sources.simulated import simulated
    from promolab.sources.simulated.yardsticks import attainable_oracle, chosen, latent_oracle

    weeks = 5 * rounds + 6
    shop = simulated(customers=customers, weeks=weeks, kinds="coupon", exploration=1.0, seed=seed)
    experiment = decisions_experiment(shop)
    last = shop.truth.promotions[-1]

    def known(of: Any, moment: Any) -> pd.DataFrame:
        return _known(of, moment, list(experiment.covariates))

    starts = shop.promotions.execute().set_index("promotion_id")["starts_at"]
    X = known(shop, starts[last].to_pydatetime()).set_index("customer_id").sort_index()
    model = UpliftModel("dr", learner, seed=seed).fit(experiment)
    with_it, design = experiment.codes == 1, Design.learn(experiment.X, "encoded")
    Z = design.matrix(experiment.X)[with_it]
    response = maker_of("ridge").outcome(Z, experiment.y()[with_it], False, design, seed)
    scores = {
        "uplift": model.predict(X)[:, 0],
        "response": response.predict(design.matrix(X)),
        "random": np.random.default_rng(seed).random(len(X)),
    }
    worth = {
        name: chosen(shop, last, pd.Series(score, index=X.index), share=TOP).added_profit
        for name, score in scores.items()
    }
    worth["latent"] = latent_oracle(shop, last, TOP).added_profit
    worth["attainable"] = attainable_oracle(shop, last, TOP, features=known).added_profit
    return worth


def _known(shop: Any, moment: Any, columns: list[str]) -> pd.DataFrame:
    from promolab.features import build_features

    features = build_features(shop, as_of=moment).execute()
    attributes = shop.customers.execute()
    new = [c for c in attributes.columns if c not in features.columns]
    table = features.merge(attributes[["customer_id", *new]], on="customer_id", how="left")
    return table[["customer_id", *columns]]


def policies(customers: int = 100_000, seeds: int = 5, learner: str = "ridge") -> list[Row]:
    """Return whether the uplift policy comes near enough to what can be attained."""
    found = [policy(customers, seed, learner=learner) for seed in range(seeds)]
    mean = {name: float(np.mean([one[name] for one in found])) for name in found[0]}
    share = mean["uplift"] / mean["attainable"]
    gap = (mean["uplift"] - mean["response"]) / (mean["attainable"] - mean["response"])
    what = f"simulated shop, {customers:,} customers, 8 rounds, top {TOP:.0%}, {seeds} seeds"
    others = ", ".join(
        f"{name} {mean[name] / mean['attainable']:.2f}" for name in ("response", "random", "latent")
    )
    return [
        Row(
            f"{what}: uplift policy",
            f"≥ {OF_ATTAINABLE} × attainable oracle",
            f"{share:.3f} × ({others})",
            share >= OF_ATTAINABLE,
        ),
        Row(
            f"{what}: gap to it that is closed from the response ranking",
            f"≥ {OF_THE_GAP:.0%}",
            f"{gap:.0%}",
            gap >= OF_THE_GAP,
        ),
    ]


if __name__ == "__main__":
    print(render([*coverage_holds(), *boosted_against_econml(), *policies()]))
