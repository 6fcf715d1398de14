"""Checks before any effect is shown; each can refuse, in words."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from promolab.effects.identification import (
    ASSUMED,
    NOTABLE,
    Check,
    UpliftChecks,
    Withheld,
    arm_code,
    spoken,
    stated,
)
from promolab.effects.learners.aipw import (
    Design,
    estimate_propensity,
    folds_of,
    kept_rows,
    rows_of,
    worth,
)
from promolab.effects.means import renumbered, wald
from promolab.glossary import label
from promolab.metrics import auc_alone, r_squared_alone
from promolab.model.inputs import as_numbers, as_texts, is_numeric

if TYPE_CHECKING:
    import pandas as pd

    from promolab.contract import Experiment

UNLIKELY = 0.001
"""p value below which a check refuses: one sound experiment in a thousand does so by chance."""
DOUBTFUL = 0.01
LARGE = 0.25
"""Difference in standard deviations too large to adjust for (Stuart 2010)."""


FAR = 5.0
"""Standard deviations at which a value is cut, so that a few customers do not decide a test."""
LEVELS = 20
"""Most levels of a covariate that are compared."""


def comparable_columns(
    X: pd.DataFrame, covariates: Sequence[str] | None = None
) -> tuple[np.ndarray, list[str], list[str]]:
    """Return standardised columns for comparison, shape (n, q), their names, and their covariates.

    Of all columns, or of some. Numbers as they are, with a column for missing ones; texts as one
    column per frequent level.

    Examples
    --------
    >>> import pandas as pd
    >>> comparable_columns(pd.DataFrame({"age": [1.0, 2.0, None], "town": ["a", "b", "b"]}))[1:]
    (['age', 'age missing', 'town = b'], ['age', 'age', 'town'])
    """
    names: list[str] = []
    sources: list[str] = []
    covariates = list(X.columns if covariates is None else covariates)
    # Column by column in memory, as it is read; room that is not needed is never touched.
    room = np.empty((sum(2 if is_numeric(X[name]) else LEVELS for name in covariates), len(X)))

    def add(values: np.ndarray, name: str) -> None:
        away = values - values.mean()
        sd = np.sqrt(away @ away / len(away))
        if np.isfinite(sd) and sd > 1e-12:
            np.clip(np.divide(away, sd, out=away), -FAR, FAR, out=room[len(names)])
            names.append(name)
            sources.append(source)

    for name in covariates:
        column, source = X[name], str(name)
        if is_numeric(column):
            values = as_numbers(column)
            absent = np.isnan(values)
            if absent.all():
                continue
            add(np.where(absent, values[~absent].mean(), values), source)
            if absent.any():
                add(absent.astype(float), f"{source} missing")
            continue
        import pandas as pd

        codes, levels = pd.factorize(as_texts(column), sort=True)
        counts = np.bincount(codes[codes >= 0], minlength=len(levels))
        often = np.argsort(-counts, kind="stable")[:LEVELS]
        # Of levels that share all rows out, one says nothing that the others do not.
        rest = (codes < 0).any() or len(levels) > LEVELS
        for level in sorted(often) if rest else sorted(often)[1:]:
            add((codes == level).astype(float), f"{source} = {levels[level]}")
    return room[: len(names)].T, names, sources


def arm_contrast(
    values: np.ndarray,
    codes: np.ndarray,
    chances: np.ndarray,
    arm: int,
    cluster: np.ndarray,
    kept: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, tuple[float, int, float]]:
    """Compare an arm with the control, before and after weighting.

    Parameters
    ----------
    values : ndarray of shape (n, q)
        Columns with mean 0 and standard deviation 1.
    codes : ndarray of int of shape (n,)
        Arm of each row.
    chances : ndarray of shape (n, K)
    arm : int
        Which arm.
    cluster : ndarray of int of shape (n,)
    kept : ndarray of bool of shape (n,)
        Rows that count once they are weighted: those that could have got the arm or the control.

    Returns
    -------
    raw : ndarray of shape (q,)
        Difference of the means.
    weighted : ndarray of shape (q,)
        Difference after weighting rows by 1 / chance.
    p_values : ndarray of shape (q,)
        Two-sided, of each weighted difference.
    joint : (statistic, degrees, p value)
        Of all weighted differences being 0.
    """
    from scipy.stats import norm

    got, none = codes == arm, codes == 0
    where, units = renumbered(cluster, kept)
    # Of other arms' rows nothing but their part in the mean counts.
    pair = np.flatnonzero(kept & (got | none))
    where = where[(got | none)[kept]]
    weight = np.where(got[pair], 1 / chances[pair, arm], -1 / chances[pair, 0]) / kept.sum()
    means = values.T @ np.column_stack([each / each.sum() for each in (got, none, kept)])
    # A column at a time: several copies of a large matrix are more than some machines hold.
    parts = np.empty((units, values.shape[1]))
    for j, column in enumerate(values.T):
        each = column[pair]
        each -= means[j, 2]
        each *= weight
        parts[:, j] = np.bincount(where, weights=each, minlength=units)
    weighted = parts.sum(axis=0)
    parts = parts - parts.mean(axis=0)
    covariance = parts.T @ parts * (units / max(units - 1, 1))
    error = np.sqrt(np.diag(covariance))
    with np.errstate(invalid="ignore", divide="ignore"):
        p_values = 2 * norm.sf(np.abs(weighted) / error)
    return means[:, 0] - means[:, 1], weighted, p_values, wald(weighted, covariance)


def balance_table(
    experiment: Experiment, chances: np.ndarray, kept: np.ndarray
) -> tuple[pd.DataFrame, list[tuple[float, int, float]]]:
    """Return how far the arms differ in each covariate, and a joint test per arm.

    Parameters
    ----------
    experiment : Experiment
    chances : ndarray of shape (n, K)
    kept : ndarray of bool of shape (n, K − 1)
        Rows that count in each arm's average.
    """
    import pandas as pd

    values, names, sources = comparable_columns(experiment.frame, experiment.covariates)
    tables, joint = [], []
    size = np.bincount(experiment.codes, minlength=experiment.K)
    for arm in range(1, experiment.K):
        if not names or not size[arm] or not size[0]:
            joint.append((float("nan"), 0, float("nan")))
            continue
        raw, weighted, p_values, test = arm_contrast(
            values, experiment.codes, chances, arm, experiment.cluster, kept[:, arm - 1]
        )
        columns = {"column": names, "source": sources, "raw": raw, "weighted": weighted}
        columns |= {"p_value": p_values}
        tables.append(pd.DataFrame({"arm": experiment.arms[arm], **columns}))
        joint.append(test)
    empty = pd.DataFrame(columns=["arm", "column", "source", "raw", "weighted", "p_value"])
    return (pd.concat(tables, ignore_index=True) if tables else empty), joint


def largest_gap(columns: np.ndarray, treated: np.ndarray, odds: np.ndarray) -> float:
    """Return how far the treated and the others, weighted, are apart, in the treated's deviations.

    Parameters
    ----------
    columns : ndarray of shape (n, q)
    treated : ndarray of bool of shape (n,)
    odds : ndarray of shape (n,)
        Weights of the others; 0 of the treated.
    """
    if not columns.shape[1]:
        return 0.0
    gap = np.abs(columns[treated].mean(axis=0) - odds @ columns / odds.sum())
    sd = columns[treated].std(axis=0)
    return float(np.max(np.where(gap > 0, gap / np.where(sd > 0, sd, 1e-300), 0.0)))


def check_balance(
    experiment: Experiment, balance: pd.DataFrame, joint: list[tuple[float, int, float]]
) -> Check:
    """Say whether covariates are alike in the arms, given the chances."""
    if not len(balance):
        return stated("balance", "not possible.flat")
    size = balance["weighted"].abs()
    worst = balance.iloc[int(size.argmax())]
    told: dict[str, Any] = {"column": label(worst["column"]), "arm": arm_code(worst["arm"])}
    told |= {"off": worst["weighted"]}
    value, p = float(size.max()), math.nan
    if not experiment.randomised:
        verdict = "refused" if value > LARGE else "warning" if value > NOTABLE else "passed"
        before = float(balance["raw"].abs().max())
        return stated("balance", f"{verdict}.adjusted", value, before=before, **told)
    from scipy.stats import f

    # A joint test per arm, Hotelling's: with few customers a covariate chi-squared refuses too
    # often. The smallest of several p values is one of several.
    n = experiment.customers
    usable = [f.sf(s * (n - d) / d / (n - 1), d, n - d) for s, d, _ in joint if d and n > 5 * d]
    if not usable:
        return stated("balance", "not possible.few")
    p = min(1.0, len(usable) * float(min(usable)))
    verdict = "refused" if p < UNLIKELY else "warning" if p < DOUBTFUL else "passed"
    return stated("balance", f"{verdict}.randomised", value, p, **told)


def check_placebo(experiment: Experiment, chances: np.ndarray, kept: np.ndarray) -> Check:
    """Say whether there is an effect on what was measured before the promotion."""
    if not experiment.placebo:
        return stated("placebo", "not possible.none")
    found: list[tuple[float, float, Any, str]] = []
    for column in experiment.placebo:
        y = experiment.y(column)
        known = np.isfinite(y)
        if known.sum() < 2 or y[known].std() == 0:
            continue
        codes = experiment.codes[known]
        size = np.bincount(codes, minlength=experiment.K)
        standard = ((y[known] - y[known].mean()) / y[known].std())[:, None]
        for arm in range(1, experiment.K):
            if size[arm] and size[0]:
                _, difference, p, _ = arm_contrast(
                    standard, codes, chances[known], arm, experiment.cluster[known],
                    kept[known, arm - 1],
                )  # fmt: skip
                found.append((float(p[0]), float(difference[0]), experiment.arms[arm], column))
    if not found:
        return stated("placebo", "not possible.flat")
    least, off, arm, column = min(found, key=lambda one: (one[0], str(one[2]), one[3]))
    chance = min(1.0, least * len(found))
    refused = chance < UNLIKELY and (experiment.randomised or abs(off) > NOTABLE)
    case = "refused" if refused else "warning" if chance < DOUBTFUL else "passed"
    told = {"column": label(column), "arm": arm_code(arm), "off": off, "tests": len(found)}
    return stated("placebo", case, off, chance, **told)


DETERMINED = 0.9
"""Share of an outcome's variance that hardly anything known before it tells: a correlation of 0.95.
"""
RANKED = 0.95
"""AUC with which hardly anything known before ranks whether there is an outcome at all."""
RANKABLE = 20
"""Rows with, and without, an outcome that an AUC needs."""
SOME = 12
"""Covariates that fit into a sentence on what to write."""


def check_assumed(experiment: Experiment, balance: pd.DataFrame) -> Check:
    """Name the covariates that nobody named; refuse those that look measured afterwards.

    A covariate that the arms change takes a part of their effect away, or makes one up
    (Rosenbaum 1984, "The consequences of adjustment for a concomitant variable that has been
    affected by the treatment", Journal of the Royal Statistical Society A 147). Three signs of it:
    its name, that it nearly determines an outcome, and, where chance assigned the arms, that it
    differs between them (the smallest of several p values is one of several: Bonferroni).

    Parameters
    ----------
    experiment : Experiment
    balance : DataFrame
        From `balance_table`.
    """
    p_values: dict[str, float] = {}
    if experiment.randomised:
        mine = balance[balance["source"].isin(experiment.assumed)]
        smallest = mine.groupby("source")["p_value"].min().dropna()
        p_values = {str(name): min(1.0, p * len(mine)) for name, p in smallest.items()}
    signs = {name: _signs(experiment, name, p_values.get(name, 1.0)) for name in experiment.assumed}
    signs = {name: found for name, found in signs.items() if found}
    least = min(p_values.values(), default=float("nan"))
    if signs:
        rest = [name for name in experiment.covariates if name not in signs]
        few = len(experiment.covariates) <= SOME
        return stated(
            ASSUMED, "refused", float(len(signs)), least, rest=f"{rest}" * few,
            again=f"{[*rest, *signs]}" * few,
            doubted=[{"name": k, "signs": v} for k, v in signs.items()],
        )  # fmt: skip
    worst = min(p_values, key=lambda name: p_values[name], default="")
    case = "warning" if least < DOUBTFUL else "passed"
    return stated(ASSUMED, case, 0.0, least, names=[*experiment.assumed], worst=worst)


def _signs(experiment: Experiment, name: str, p: float) -> list[dict[str, Any]]:
    determined = [o for o in experiment.outcomes if _determines(experiment, name, o)]
    found = {"named": names_a_result(name), "determines": determined, "differs": p < UNLIKELY}
    return [{"sign": sign, "told": told, "p": p} for sign, told in found.items() if told]


def _determines(experiment: Experiment, name: str, outcome: str) -> bool:
    column, y = experiment.frame[name], experiment.y(outcome)
    some = np.where(np.isnan(y), np.nan, y != 0)
    ranks = min((some == 1).sum(), (some == 0).sum()) >= RANKABLE
    if ranks and auc_alone(column, some) >= RANKED:
        return True
    binary = bool(np.isin(y, (0.0, 1.0)).all())
    return not binary and r_squared_alone(column, y) >= DETERMINED


_AFTERWARDS = frozenset(
    {"after", "afterward", "afterwards", "during", "endline", "followup", "following", "future"}
    | {"later", "next", "outcome", "post", "subsequent"}
)
_NOT_AFTERWARDS = re.compile(r"post[\s_.-]?(code|al|office|box)", re.IGNORECASE)
_PARTS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")


def names_a_result(name: str) -> bool:
    """Whether a name is that of something measured after a decision.

    Examples
    --------
    >>> names = ["trans_after", "post_spend", "visitsAfter", "follow-up", "postcode", "post_code"]
    >>> [name for name in names if names_a_result(name)]
    ['trans_after', 'post_spend', 'visitsAfter', 'follow-up']
    """
    parts = [part.lower() for part in _PARTS.findall(_NOT_AFTERWARDS.sub("", name))]
    return bool(_AFTERWARDS.intersection(parts)) or {"follow", "up"} <= set(parts)


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


FOLDS = 5
"""Of customers, where chances are estimated."""
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
    like: UpliftChecks | Withheld | None = None,
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
    like : UpliftChecks, optional
        Of another outcome of the same decisions: what does not hang on the outcome is its.

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
    sizes = _arm_sizes(experiment, outcome)
    if isinstance(like, UpliftChecks):
        found = (sizes if one.name == sizes.name else one for one in like.checks)
        return replace(like, checks=tuple(found))
    chances = experiment.propensity if propensity is None else propensity
    if chances is None:
        fold = folds_of(experiment.frame[experiment.customer_id], FOLDS, 0)
        design = Design.learn(experiment.X, "encoded")
        rows = rows_of(experiment, None, fold, FOLDS, 0)
        chances = estimate_propensity(rows, design.matrix(experiment.X), 0.01)
    if kept is None:
        kept = kept_rows(chances, None if experiment.randomised else "optimal")
    overlap = overlap_table(experiment, chances, kept)
    balance, joint = balance_table(experiment, chances, kept)
    assumed = (check_assumed(experiment, balance),) if experiment.assumed else ()
    checks = (
        *assumed,
        sizes,
        _sample_ratio(experiment),
        check_balance(experiment, balance, joint),
        check_overlap(experiment, overlap),
        check_placebo(experiment, chances, kept),
        _spillover(experiment),
    )
    return UpliftChecks(checks, overlap, balance, experiment.randomised)


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
