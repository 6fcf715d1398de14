"""From scores to effects: averages, and groups."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from promolab.checks import along, labelled
from promolab.effects.identification import ByArm, arm_code, named
from promolab.effects.means import group_means, mean_of, ratio_error, renumbered, wald
from promolab.effects.shrinkage import place_within
from promolab.errors import InputError, nearest
from promolab.results import Estimate, plain
from promolab.stats import ArmGap, Dominant, difference_of, t_quantile, two_sided
from promolab.wording import figure

if TYPE_CHECKING:
    import pandas as pd

    from promolab.contract import Experiment
    from promolab.effects.learners.aipw import Nuisance, Rows


ALIKE = "all alike"
"""The one group where nobody can be told apart by the predicted effect."""
UNTOLD = 2.0
"""Width of the interval of an effect in units of the control from which on it says nothing."""


@dataclass(frozen=True)
class AverageEffects(ByArm):
    """The average effect of each arm against the control, from cross-fitted AIPW scores.

    Parameters
    ----------
    rows : DataFrame
        One row per arm: arm, effect, ci_low, ci_high, std_error, p_value (two-sided), control (mean
        outcome without), lift (effect / control), lift_low, lift_high, n (decisions that count:
        those that could have got the arm and the control, less those trimmed), customers.
    outcome : str
        What is measured, per customer and decision, in its own unit.
    control : object
        The arm that got nothing.
    level : float
        Of the intervals, which are clustered by customer.
    identification : Identification
    dominant : mapping of arm to Dominant
        Where one customer makes up most of the variance.
    """

    dominant: dict[Any, Dominant] = field(default_factory=dict)

    def facts(self) -> dict[str, Any]:
        """Return what is to be said of each arm."""
        rows = named(self.rows).rename(columns={"control": "without"})
        effect, low, high = (rows[name] for name in ("effect", "ci_low", "ci_high"))
        case = np.where(effect > 0, "adds", "takes")
        case = np.where((low <= 0) & (high >= 0), "noise", case)
        case = np.where(self.identification.causal, case, "difference")
        lifted = (rows["without"] > 0) & (rows["lift_high"] - rows["lift_low"] < UNTOLD)
        one = {arm: found.words(figure) for arm, found in self.dominant.items()}
        case = np.where(np.isfinite(effect), case, "unknown")
        alone = [one.get(arm, "") for arm in self.rows["arm"]]
        return {
            "control": arm_code(self.control),
            "arms": rows.assign(case=case, lifted=lifted, alone=alone),
            "several": len(rows) > 1,
        }


@dataclass(frozen=True)
class GroupEffects(ByArm):
    """The average effect of each arm in each group, from cross-fitted AIPW scores.

    Parameters
    ----------
    rows : DataFrame
        One row per arm and group: arm, group, effect, ci_low, ci_high, std_error, n, customers.
    tests : DataFrame
        One row per arm: arm, statistic, degrees, p_value of all groups having the same effect.
    outcome : str
    control : object
    level : float
        Of each interval by itself: of twenty groups one may lie outside by chance.
    identification : Identification
    by : str
        What the groups are.
    """

    tests: pd.DataFrame
    by: str = "group"

    def to_dict(self) -> dict[str, Any]:
        """Return the figures by arm and group."""
        arms = {}
        for arm, rows in self.rows.groupby("arm", sort=False, observed=True):
            p = self.tests.loc[self.tests["arm"] == arm, "p_value"].iloc[0]
            groups = rows.drop(columns="arm").set_index("group").to_dict("index")
            arms[str(arm)] = {"p_value": p, "groups": groups}
        return {"outcome": self.outcome, "identification": self.right, **plain(arms)}

    def of(self, arm: Any) -> GroupEffects:
        """Return the effects of one arm."""
        known = self.tests["arm"].tolist()
        if arm not in known:
            raise InputError(f"there is no arm {arm!r}; {nearest(str(arm), map(str, known))}")
        rows, tests = (
            table[table["arm"].eq(arm)].reset_index(drop=True) for table in (self.rows, self.tests)
        )
        return replace(self, rows=rows, tests=tests)

    def facts(self) -> dict[str, Any]:
        """Return whether groups differ, by arm, and the rows of the first arm for its figure."""
        tests = [self._told(test) for test in self.tests.itertuples()]
        first = self.of(self.tests["arm"].iloc[0]).rows
        n = first["n"].to_numpy()
        return {
            "control": arm_code(self.control),
            "by_arm": tests,
            "first_rows": first.assign(group=first["group"].astype(str)),
            "first": tests[0]["arm"],
            "first_differs": tests[0]["case"] == "differ",
            "first_p": self.tests["p_value"].iloc[0],
            "overall": float(np.nansum(first["effect"] * n) / max(n.sum(), 1)),
        }

    def _told(self, test: Any) -> dict[str, Any]:
        """Return whether an arm's groups differ, and which lie at the two ends."""
        rows = self.of(test.arm).rows.dropna(subset=["effect"])
        told = {"arm": arm_code(test.arm), "groups": len(rows), "p_value": test.p_value}
        if rows["group"].tolist() == [ALIKE] or len(rows) < 2:
            return told | {"case": "alike" if rows["group"].tolist() == [ALIKE] else "few"}
        ends = [rows.iloc[int(at)] for at in (rows["effect"].argmax(), rows["effect"].argmin())]
        told["most"], told["least"] = (str(end["group"]) for end in ends)
        told["most_effect"], told["least_effect"] = (
            Estimate.of(end[["effect", "ci_low", "ci_high"]]) for end in ends
        )
        return told | {"case": "differ" if test.p_value < 1 - self.level else "same"}


MOST_GROUPS = 1_000


def average_table(
    rows: Rows, nuisance: Nuisance, kept: np.ndarray, arms: tuple[Any, ...], level: float
) -> tuple[pd.DataFrame, dict[Any, Dominant]]:
    """Return each arm's average effect, and where one customer makes up most of its variance.

    Parameters
    ----------
    rows : Rows
    nuisance : Nuisance
    kept : ndarray of bool of shape (n, K − 1)
        Rows that count.
    arms : tuple
        The arms but the control.
    level : float
    """
    import pandas as pd

    listed, alone = [], {}
    for k, arm in enumerate(arms):
        mine = kept[:, k]
        scores, control = nuisance.gamma[mine, k], nuisance.control[mine]
        cluster, customers = renumbered(rows.cluster, mine)
        of_scores = mean_of(scores, cluster, level)
        found = _plain(rows, k + 1, level) if nuisance.plain else of_scores
        estimate = found.estimate
        lift, error = ratio_error(scores, control, cluster)
        half = t_quantile(level, of_scores.degrees) * error
        listed.append(
            {
                "arm": arm,
                "effect": estimate.value,
                "ci_low": estimate.ci_low,
                "ci_high": estimate.ci_high,
                "std_error": found.std_error,
                "p_value": two_sided(estimate.value, found.std_error, found.degrees),
                "control": control.mean() if len(control) else np.nan,
                "lift": lift,
                "lift_low": lift - half,
                "lift_high": lift + half,
                "n": len(scores),
                "customers": customers,
            }
        )
        if found.dominant is not None:
            alone[arm] = found.dominant
    return pd.DataFrame(listed), alone


def _plain(rows: Rows, arm: int, level: float) -> ArmGap:
    """Return the plain difference of an arm and the control."""
    pair = np.isin(rows.codes, (0, arm))
    cluster, _ = renumbered(rows.cluster, pair)
    return difference_of(rows.y[pair], rows.codes[pair] == arm, cluster, level)


def group_tables(
    gamma: np.ndarray,
    kept: np.ndarray,
    cluster: np.ndarray,
    arms: tuple[Any, ...],
    groups: list[tuple[np.ndarray, list[Any]]],
    level: float,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the effects by arm and group, and a test per arm of their being equal.

    Parameters
    ----------
    gamma : ndarray of shape (n, K − 1)
    kept : ndarray of bool of shape (n, K − 1)
    cluster : ndarray of int of shape (n,)
    arms : tuple
        The arms but the control.
    groups : list of (codes, names)
        Per arm: the group of each row, −1 for none, and what the groups are called.
    level : float
    """
    import pandas as pd

    tables, tests = [], []
    for k, (arm, (codes, names)) in enumerate(zip(arms, groups, strict=True)):
        scores = np.where(kept[:, k], gamma[:, k], np.nan)
        means = group_means(scores, codes, len(names), cluster)
        low, high = means.interval(level)
        tables.append(
            pd.DataFrame(
                {
                    "arm": [arm] * len(names),
                    "group": names,
                    "effect": means.value,
                    "ci_low": low,
                    "ci_high": high,
                    "std_error": means.std_error,
                    "n": means.n,
                    "customers": means.customers,
                }
            )
        )
        known = np.isfinite(means.std_error)
        value, covariance = means.value[known], means.covariance[np.ix_(known, known)]
        if len(value) < 2:
            statistic, degrees, p = float("nan"), 0, float("nan")
        else:
            contrast = np.eye(len(value))[1:] - np.eye(len(value))[:1]
            statistic, degrees, p = wald(contrast @ value, contrast @ covariance @ contrast.T)
        tests.append({"arm": arm, "statistic": statistic, "degrees": degrees, "p_value": p})
    return pd.concat(tables, ignore_index=True), pd.DataFrame(tests)


def equal_groups(effect: np.ndarray, fold: np.ndarray, groups: int) -> tuple[np.ndarray, list[str]]:
    """Cut rows into groups of about equal size by predicted effect, the largest first.

    Rows are ranked within their fold, whose effects come from one model: between folds the models'
    levels differ by chance, in the other direction than what was held out of them. Equal effects
    share a group, and where all are equal there is one.

    Parameters
    ----------
    effect : ndarray of shape (n,)
        Predicted out of fold; nan is in no group.
    fold : ndarray of int of shape (n,)
    groups : int

    Examples
    --------
    >>> codes, names = equal_groups(np.array([3.0, 1.0, 2.0, 4.0]), np.zeros(4, int), 2)
    >>> codes.tolist(), names
    ([0, 1, 1, 0], ['1 of 2', '2 of 2'])
    """
    if not groups >= 2:
        raise InputError(f"groups = {groups}; expected 2 or more")
    known = np.isfinite(effect)
    if known.any() and (effect[known] == effect[known][0]).all():
        return np.where(known, 0, -1), [ALIKE]
    place = np.nan_to_num(place_within(-effect, fold))
    codes = np.floor(place * groups).clip(0, groups - 1).astype(np.int64)
    codes[~known] = -1
    return codes, [f"{g + 1} of {groups}" for g in range(groups)]


def costs_of(cost: Any, n: int, arms: tuple[Any, ...]) -> np.ndarray:
    """Return the costs as an array of shape (n, K − 1).

    Parameters
    ----------
    cost : None, number, mapping, or array-like of shape (n, K − 1)
        Of each arm but the control, in the unit of the outcome.
    n : int
    arms : tuple

    Raises
    ------
    InputError
        A shape or an arm that does not fit, or a negative cost.
    """
    if labelled(cost) and cost.ndim == 1:
        cost = cost.to_frame().T
    cost = along(None, cost, "cost", "the model", columns=arms)
    if isinstance(cost, dict):
        strange = [arm for arm in cost if arm not in arms]
        if strange or len(cost) < len(arms):
            raise InputError(f"cost names {list(cost)}; expected each of the arms {list(arms)}")
        cost = [cost[arm] for arm in arms]
    values = np.asarray(0.0 if cost is None else cost, dtype=float)
    try:
        values = np.broadcast_to(values, (n, len(arms)))
    except ValueError as error:
        raise InputError(
            f"cost has the shape {values.shape}; expected a number, one per arm, or ({n}, "
            f"{len(arms)})"
        ) from error
    if not (values >= 0).all():
        raise InputError("cost holds values that are negative or missing; a cost is 0 or more")
    return values


def effect_table(
    values: np.ndarray, half: np.ndarray, arms: tuple[Any, ...], index: pd.Index | None
) -> pd.DataFrame:
    """Return effects and their intervals side by side, columns (arm, figure).

    Parameters
    ----------
    values : ndarray of shape (n, K − 1)
    half : ndarray of shape (n, K − 1)
        Half the widths of the intervals.
    arms : tuple
        The arms but the control.
    index : Index, optional
        Of the customers.
    """
    import pandas as pd

    figures = {"effect": values, "ci_low": values - half, "ci_high": values + half}
    keys = [(arm, name) for arm in arms for name in figures]
    columns = [figures[name][:, k] for k, _ in enumerate(arms) for name in figures]
    names = pd.MultiIndex.from_tuples(keys, names=["arm", "figure"])
    return pd.DataFrame(np.column_stack(columns), index=index, columns=names)


def groups_from(experiment: Experiment, groups: Any) -> tuple[str, np.ndarray, list[Any]]:
    """Return what groups are called, the code of each row's group, and the groups' names.

    Parameters
    ----------
    experiment : Experiment
    groups : str or array-like of shape (n,)
        A column of the experiment's frame, or the groups themselves.

    Raises
    ------
    InputError
        No such column, or one that the arms may have changed; another length; too many groups.
    """
    import pandas as pd

    by = "group"
    if isinstance(groups, str):
        frame = experiment.frame
        later = (*experiment.outcomes, experiment.arm)
        if groups in later or groups not in frame.columns:
            allowed = [c for c in map(str, frame.columns) if c not in later]
            raise InputError(
                f"groups: {groups!r} is no column known before the decision; "
                f"{nearest(groups, allowed)}"
            )
        by, groups = groups, frame[groups]
    column = pd.Series(groups.array if isinstance(groups, pd.Series) else np.asarray(groups))
    if len(column) != experiment.n:
        raise InputError(
            f"groups has {len(column)} values and the experiment {experiment.n} decisions; they "
            "must match"
        )
    codes, names = pd.factorize(column, sort=True)
    if not 1 <= len(names) <= MOST_GROUPS:
        raise InputError(f"groups has {len(names)} different values; expected 1 to {MOST_GROUPS}")
    return by, np.asarray(codes, dtype=np.int64), list(names)
