"""Checks before any effect is shown; each can refuse, in words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from promolab.effects.balance import (
    DOUBTFUL,
    UNLIKELY,
    balance_table,
    check_assumed,
    check_balance,
    check_placebo,
)
from promolab.effects.identification import Check, UpliftChecks, arm_code, spoken, stated
from promolab.effects.learners.aipw import estimate_propensity, kept_rows, worth
from promolab.effects.learners.rows import Design, folds_of, rows_of
from promolab.effects.means import wald

if TYPE_CHECKING:
    import pandas as pd

    from promolab.contract import Experiment


EFFECTIVE = 50
"""Independent rows that an arm must be worth after weighting."""
MOST_KEPT = 0.9
"""Share of an arm's rows that must have their like in the other arm for nothing to be said."""
THIN = 0.2
"""Share of its rows that an arm must be worth for nothing to be said."""


def overlap_table(experiment: Experiment, chances: np.ndarray, kept: np.ndarray) -> pd.DataFrame:
    """Return sizes, chances and worth of every arm; see `UpliftChecks`."""
    import pandas as pd

    rows = []
    for arm in range(experiment.K):
        mine = experiment.codes == arm
        possible = chances[chances[:, arm] > 0, arm]
        counts = kept[:, arm - 1] if arm else kept.any(axis=1)
        weight = 1 / chances[mine & counts, arm]
        effective = worth(weight)
        pair = 1 / chances[counts][:, [0, arm]]
        even = 4 * len(pair) ** 2 / pair.sum() if arm and len(pair) else np.nan
        rows.append(
            {
                "arm": experiment.arms[arm],
                "n": int(mine.sum()),
                "customers": int(np.count_nonzero(np.bincount(experiment.cluster[mine]))),
                "lowest": float(possible.min()) if len(possible) else np.nan,
                "median": float(np.median(possible)) if len(possible) else np.nan,
                "kept": len(weight) / max(mine.sum(), 1),
                "effective_n": effective,
                "effective_share": effective / max(len(weight), 1),
                "even_n": float(even),
            }
        )
    # As objects: beside figures alone, an arm called 1 would become 1.0 in a row.
    return pd.DataFrame(rows).astype({"arm": object})


def check_overlap(experiment: Experiment, overlap: pd.DataFrame) -> Check:
    """Say whether arms and control overlap enough to be compared."""
    worst = overlap.iloc[int(overlap["effective_n"].argmin())]
    few = overlap.iloc[int(overlap["even_n"].fillna(np.inf).argmin())]
    lost = overlap.iloc[int(overlap["kept"].argmin())]
    thin = overlap.iloc[int(overlap["effective_share"].argmin())]
    value, row, case = float(worst["effective_n"]), worst, "passed"
    if value < EFFECTIVE:
        case = "refused.worth"
    elif few["even_n"] < 2 * EFFECTIVE:
        value, row, case = float(few["even_n"]), few, "refused.even"
    elif not experiment.randomised and lost["kept"] < MOST_KEPT:
        row, case = lost, "warning.kept"
    elif thin["effective_share"] < THIN:
        row, case = thin, "warning.thin"
    return stated(
        "overlap", case, value, arm=arm_code(row["arm"]), control=arm_code(experiment.control),
        rows=int(row["n"]), worth=row["effective_n"], lowest=row["lowest"], least=EFFECTIVE,
        even=int(few["even_n"]) if few["even_n"] == few["even_n"] else 0, kept=float(lost["kept"]),
    )  # fmt: skip


FEWEST, FEW = 30, 100
"""Customers of an arm below which there is no effect to tell, or only a rough one."""
RARE = 10
"""Cases of a yes-or-no outcome below which an interval is rough."""
SPLIT, MOSTLY_SPLIT = 0.01, 0.5
"""Shares of customers in households with several arms: to be told, and too many."""


def check_experiment(
    experiment: Experiment,
    outcome: str | None = None,
    *,
    propensity: np.ndarray | None = None,
    kept: np.ndarray | None = None,
    folds: int = 5,
    seed: int = 0,
) -> UpliftChecks:
    """Check an experiment before its differences are called effects.

    Parameters
    ----------
    experiment : Experiment
    outcome : str, optional
        The outcome to be compared; the first by default.
    propensity : ndarray of shape (n, K), optional
        Estimated chances; where the experiment states none they are estimated here.
    kept : ndarray of bool of shape (n, K − 1), optional
        Rows that count in each arm's average; by default those that could have got the arm and the
        control, and where chances are estimated, of these the ones with overlap (`crump_cutoff`).
    folds, seed : int
        Of the estimate of the chances.

    Returns
    -------
    UpliftChecks
        ``sample ratio``: do the arms come as often as their chances say (a warning below p = 0.01,
        refused below 0.001)? ``balance``: are covariates alike in the arms, given the chances?
        ``overlap``: could everyone have got every arm, and how many rows are the weighted arms
        worth? ``placebo``: is there an "effect" on what was measured before? ``arm sizes``, and
        ``spillover`` between members of a household. Where nobody named the covariates,
        ``covariates`` names those that were taken, and refuses what looks measured afterwards.

    Examples
    --------
    >>> import pandas as pd
    >>> from promolab.contract import Experiment
    >>> rng = np.random.default_rng(0)
    >>> rows = pd.DataFrame({"customer_id": range(800), "age": rng.normal(size=800)})
    >>> rows["mail"] = rng.choice(["no", "yes"], 800)
    >>> rows["spend"] = rng.exponential(size=800)
    >>> trial = Experiment(rows, "mail", "no", ["age"], ["spend"], propensity=[[0.5, 0.5]] * 800)
    >>> str(check_experiment(trial).identification)
    'randomised'
    >>> check_experiment(trial.take((rows["mail"] == "no") | (rows["age"] > -0.5))).refused
    ('sample ratio', 'balance')
    """
    chances = experiment.propensity if propensity is None else propensity
    if chances is None:
        chances = _estimated(experiment, folds, seed)
    if kept is None:
        kept = kept_rows(chances, None if experiment.randomised else "optimal")
    overlap = overlap_table(experiment, chances, kept)
    balance, joint = balance_table(experiment, chances, kept)
    assumed = (check_assumed(experiment, balance),) if experiment.assumed else ()
    checks = (
        *assumed,
        _arm_sizes(experiment, outcome),
        _sample_ratio(experiment),
        check_balance(experiment, balance, joint),
        check_overlap(experiment, overlap),
        check_placebo(experiment, chances, kept),
        _spillover(experiment),
    )
    return UpliftChecks(checks, overlap, balance, experiment.randomised)


def _estimated(experiment: Experiment, folds: int, seed: int) -> np.ndarray:
    fold = folds_of(experiment.frame[experiment.customer_id], folds, seed)
    rows = rows_of(experiment, None, fold, folds, seed)
    design = Design.learn(experiment.X, "encoded")
    return estimate_propensity(rows, design.matrix(experiment.X), 0.01)[0]


def _arm_sizes(experiment: Experiment, outcome: str | None) -> Check:
    import pandas as pd

    codes, arms = experiment.codes, experiment.arms
    customers = pd.Series(experiment.cluster).groupby(codes).nunique()
    size = customers.reindex(range(experiment.K), fill_value=0).to_numpy()
    least = int(size.argmin())
    value, y = float(size[least]), experiment.y(outcome)
    case = "refused" if value < FEWEST else "warning.small" if value < FEW else "passed"
    arm, rare = least, 0
    if case != "refused" and np.isin(y, (0.0, 1.0)).all():
        cases = np.bincount(codes, weights=y, minlength=experiment.K)
        rarer = np.minimum(cases, np.bincount(codes, minlength=experiment.K) - cases)
        if rarer.min() < RARE:
            arm, case = int(rarer.argmin()), "warning.rare"
            value, rare = float(rarer[arm]), int(rarer[arm])
    return stated(
        "arm sizes", case, value, arm=arm_code(arms[arm]), smallest=spoken(arms[least]),
        customers=int(size[least]), rare=rare, least=FEWEST,
    )  # fmt: skip


def _sample_ratio(experiment: Experiment) -> Check:
    if experiment.design != "known":
        why = "found" if experiment.randomised else "unstated"
        return stated("sample ratio", f"not possible.{why}")
    chances, codes, cluster = experiment.propensity, experiment.codes, experiment.cluster
    indicator = (codes[:, None] == np.arange(experiment.K)).astype(float)
    off = indicator - chances
    if experiment.customers == experiment.n:
        # Pearson's χ² where chances are the same for all; its extension where they are not.
        covariance = np.diag(chances.sum(axis=0)) - chances.T @ chances
    else:
        sums = np.column_stack([np.bincount(cluster, weights=c) for c in off.T])
        covariance = sums.T @ sums
    return ratio_check(
        experiment.arms, indicator.mean(axis=0), chances.mean(axis=0), off.sum(axis=0), covariance
    )


def ratio_check(
    arms: Sequence[object],
    found: np.ndarray,
    expected: np.ndarray,
    off: np.ndarray,
    covariance: np.ndarray,
    *,
    of: str = "decisions",
) -> Check:
    """Judge whether arms came as often as their chances say.

    Parameters
    ----------
    arms : sequence of length K
    found, expected : ndarray of shape (K,)
        Shares of the arms.
    off : ndarray of shape (K,)
        How many came more than expected.
    covariance : ndarray of shape (K, K)
        Of ``off``, if the chances are right.
    of : str
        What is counted.

    Examples
    --------
    >>> share = np.array([0.5, 0.5])
    >>> spread = 1000 * (np.diag(share) - np.outer(share, share))
    >>> ratio_check(["a", "b"], share, share, np.zeros(2), spread).verdict
    'passed'
    """
    statistic, _, p = wald(off, covariance)
    worst = int(np.abs(found - expected).argmax())
    case = "refused" if p < UNLIKELY else "warning" if p < DOUBTFUL else "passed"
    return stated(
        "sample ratio", case, statistic, p, arm=arm_code(arms[worst]), unit=of,
        found=float(found[worst]), expected=float(expected[worst]),
    )  # fmt: skip


def _spillover(experiment: Experiment) -> Check:
    import pandas as pd

    if experiment.household is None:
        return stated("spillover", "not possible")
    keys = {"household": experiment.frame[experiment.household].to_numpy()}
    if experiment.block is not None:
        keys["block"] = experiment.frame[experiment.block].to_numpy()
    table = pd.DataFrame({**keys, "arm": experiment.codes, "customer": experiment.cluster})
    table = table.dropna(subset=["household"])
    groups = table.groupby(list(keys), sort=False)
    several = groups["customer"].transform("nunique") > 1
    mixed = several & (groups["arm"].transform("nunique") > 1)
    share = float(mixed.mean()) if len(table) else 0.0
    case = "refused" if share > MOSTLY_SPLIT else "warning" if share > SPLIT else "passed"
    return stated("spillover", case, share, share=share)
