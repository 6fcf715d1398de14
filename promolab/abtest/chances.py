"""With which chances arms were drawn, and whether they came as planned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from promolab.abtest.assignment import checked_shares
from promolab.abtest.estimates import exact_sum, square
from promolab.abtest.rows import Opened, Rows
from promolab.checks import SUM_SLACK
from promolab.contract import Experiment
from promolab.effects import Check, arm_name, ratio_check
from promolab.errors import InputError, nearest


@dataclass(frozen=True)
class Chances:
    """With which chances the arms came.

    Parameters
    ----------
    shares : dict of str to float
        Planned share of each arm; empty where chances differ between rows or are not stated.
    weight : ndarray of shape (n,), optional
        1 ÷ the chance of the arm that a row got, where chances differ.
    of_arms : ndarray of shape (n, K), optional
        Chance of every arm, where each is stated.
    """

    shares: dict[str, float]
    weight: np.ndarray | None = None
    of_arms: np.ndarray | None = None


WITHIN = (0.5, 2.0)
"""Times an equal share, between which shares that nobody stated are taken as equal."""


def planned_shares(shares: Mapping[Any, float] | None, arms: Sequence[str]) -> dict[str, float]:
    """Return the planned shares by arm.

    Raises
    ------
    InputError
        Shares that do not add up to 1, an arm without a share, or a share that nobody has.
    """
    if shares is None:
        return {}
    named = {arm_name(arm): part for arm, part in shares.items()}
    found = {arm: float(part) for arm, part in checked_shares(named).items()}
    for arm in arms:
        if arm not in found:
            raise InputError(f"shares says nothing of the arm {arm!r}; {nearest(arm, found)}")
        if not found[arm]:
            raise InputError(f"shares says that nobody is in the arm {arm!r}, and some are")
    for arm, part in found.items():
        if part and arm not in arms:
            raise InputError(
                f"{arm!r} is an arm with nobody, and its planned share is {part:g}; read the "
                f"experiment with all of its rows, or plan without it (arms: "
                f"{', '.join(arms)})"
            )
    return {arm: found[arm] for arm in arms}


def chances_of(opened: Opened, rows: Rows, shares: dict[str, float]) -> Chances:
    """Return the chances that were stated, and the weights that follow.

    Raises
    ------
    InputError
        Chances that are none, an arm without one, or the same for all and not adding up to 1.
    """
    if opened.chances is None:
        return Chances(shares)
    own, ends = _own_columns(opened.chances, rows.names), {}
    for place, (arm, column) in enumerate(own.items()):
        mine = rows.columns[column][rows.code == place]
        low, high = ends[arm] = float(mine.min()), float(mine.max())
        if not 0 < low <= high <= 1 + SUM_SLACK:
            raise InputError(
                f"the chances in {column!r} are {low:g} to {high:g} in arm {arm!r}; whoever got an "
                "arm had a chance of it above 0, and at most 1"
            )
    if all(low == high for low, high in ends.values()) and not shares:
        shares = {arm: low for arm, (low, _) in ends.items()}
        if abs(sum(shares.values()) - 1) > 1e-6:
            raise InputError(
                f"the chances of the arms add up to {sum(shares.values()):g} "
                f"({', '.join(shares)}); the arms' shares must add up to 1"
            )
        return Chances(shares if opened.stated else {})
    of_arms = np.column_stack([rows.columns[column] for column in own.values()])
    chance = of_arms[np.arange(len(of_arms)), rows.code]
    return Chances({}, 1 / chance, None if isinstance(opened.chances, str) else of_arms)


def _own_columns(chances: str | Mapping[Any, str], arms: Sequence[str]) -> dict[str, str]:
    if isinstance(chances, str):
        return dict.fromkeys(arms, chances)
    named = {arm_name(arm): column for arm, column in chances.items()}
    for arm in arms:
        if arm not in named:
            raise InputError(f"propensity names no column of {arm!r}; {nearest(arm, named)}")
    return {arm: named[arm] for arm in arms}


def sample_ratio(opened: Opened, rows: Rows, chances: Chances, *, equal: bool = False) -> Check:
    """Check whether the arms came as often as planned (`promolab.effects.ratio_check`).

    Clusters are counted where each is in one arm, else rows: Pearson's χ² against planned shares,
    its extension where each arm's chance is stated; where only that of the arm got is known, the
    arms' sums of 1 ÷ chance against the number of rows.

    Parameters
    ----------
    opened : Opened
    rows : Rows
    chances : Chances
    equal : bool
        Where nothing is stated, test equal shares, if every arm has about one (`WITHIN`).
    """
    alone = rows.crossing
    counts = rows.by_arm() if alone else rows.units_by_arm()
    what = "customers" if opened.cluster is None or alone else "clusters"
    what = "decisions" if opened.once else what
    n = np.array([counts[arm] for arm in rows.names], dtype=float)
    if chances.weight is not None and opened.stated:
        against = _against_inverse if chances.of_arms is None else _against_chances
        return against(rows, chances, n, what)
    total, share = n.sum(), np.array([chances.shares.get(a, 1 / len(n)) for a in rows.names])
    least, most = (part * total / len(n) for part in WITHIN)
    alike = chances.weight is None and least <= n.min() and n.max() <= most
    if not chances.shares and not (equal and alike):
        why = "The sample ratio was not checked: no planned shares are stated (shares=)."
        return Check("sample ratio", "not possible", why)
    spread = total * (np.diag(share) - np.outer(share, share))
    check = ratio_check(rows.names, n / total, share, n - total * share, spread, of=what)
    if chances.shares:
        return check
    told = "No shares are stated (shares=), and equal ones are assumed."
    return replace(check, sentence=f"{told} {check.sentence}")


def _one_per_unit(rows: Rows, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return arm and values of each unit; of each row where units are in several arms."""
    import pandas as pd

    if rows.unit is None or rows.crossing:
        return rows.code, values
    found = pd.DataFrame(values).assign(code=rows.code).groupby(rows.unit).min()
    return found.pop("code").to_numpy(), found.to_numpy()


def _against_chances(rows: Rows, chances: Chances, n: np.ndarray, what: str) -> Check:
    """Compare the arms' sizes with the sums of their chances."""
    assert chances.of_arms is not None
    _, each = _one_per_unit(rows, chances.of_arms)
    expected, total = np.array([exact_sum(column) for column in each.T]), n.sum()
    if abs(expected.sum() / total - 1) > 1e-6:
        raise InputError(
            f"the chances of the arms add up to {expected.sum() / total:g} on average; state that "
            f"of every arm ({', '.join(rows.names)})"
        )
    spread = np.diag(expected) - square(each.T)
    return ratio_check(rows.names, n / total, expected / total, n - expected, spread, of=what)


def _against_inverse(rows: Rows, chances: Chances, n: np.ndarray, what: str) -> Check:
    """Compare each arm's sum of 1 ÷ chance with the number of all: both are the same on average."""
    assert chances.weight is not None
    code, (weight,) = (each.T for each in _one_per_unit(rows, chances.weight[:, None]))
    mine = [weight[code == place] for place in range(len(n))]
    w, ww = (np.array([exact_sum(each**power) for each in mine]) for power in (1, 2))
    total = n.sum()
    # Of 1[arm = a] ÷ chance − 1, whose mean is 0: products of two arms are 1 less both weights.
    spread = np.diag(ww) - w[:, None] - w[None, :] + total
    return ratio_check(rows.names, n / total, n / w, w - total, spread, of=what)


def most_telling(trial: Experiment) -> Experiment:
    """Return the rounds that make the mean of all least uncertain, each decision counting alike.

    A score's variance goes with one over the chances. A round of which chance drew few would add
    more chance than it takes away: one whose variance is above about twice the others' mean.

    Parameters
    ----------
    trial : Experiment
        With a block per round, and known chances.

    Examples
    --------
    >>> even, rare = [[0.5, 0.5]] * 2, [[0.99, 0.01]] * 2
    >>> rows = pd.DataFrame({"customer_id": [1, 2] * 3, "arm": ["none", "mail"] * 3, "y": 1.0})
    >>> rows["round"] = ["a", "a", "b", "b", "c", "c"]
    >>> trial = Experiment(
    ...     rows, "arm", "none", [], ["y"], propensity=even + even + rare, block="round"
    ... )
    >>> most_telling(trial).frame["round"].unique().tolist()
    ['a', 'b']
    """
    assert trial.block is not None
    chances = np.asarray(trial.propensity)
    with np.errstate(divide="ignore"):
        noise = np.where(chances > 0, 1 / chances, 0.0).sum(axis=1)
    rounds = pd.Series(noise).groupby(trial.frame[trial.block]).agg(["sum", "count"])
    rounds = rounds.assign(each=rounds["sum"] / rounds["count"]).sort_values("each", kind="stable")
    whole, n = rounds["sum"].cumsum(), rounds["count"].cumsum()
    best = int(np.argmin((whole / n**2).to_numpy())) + 1
    mine = trial.frame[trial.block].isin(rounds.index[:best]).to_numpy()
    return trial if mine.all() else trial.take(mine)
