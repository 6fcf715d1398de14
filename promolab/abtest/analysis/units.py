"""Who was drawn: rows that make a unit, chances that weigh, and whether arms came as planned."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from promolab.abtest.analysis.moments import exact_sums
from promolab.abtest.analysis.summaries import Arms, ColumnSummary, number_of
from promolab.abtest.analysis.tables import Opened, refuse_torn
from promolab.abtest.assignment import SUM_SLACK, checked_shares
from promolab.effects import Check, arm_name, ratio_check
from promolab.errors import InputError, nearest

if TYPE_CHECKING:
    import ibis


@dataclass(frozen=True)
class Units:
    """How rows make units.

    Parameters
    ----------
    key : ibis.Value
        Of each row's unit: its cluster, or its customer.
    counts : dict of str to int
        Units by arm.
    most : int
        Most rows of one unit in an arm.
    crossing : bool
        Whether units have rows in several arms.
    """

    key: ibis.Value
    counts: dict[str, int]
    most: int
    crossing: bool


def units_of(opened: Opened, arms: Arms) -> Units:
    """Tell which rows belong together.

    Raises
    ------
    InputError
        A customer in several arms.
    """
    key = opened.table[opened.customer]
    if not opened.once:
        counts, most, torn = _grouped(opened, key, arms)
        refuse_torn(torn)
    if opened.cluster is not None:
        key = _cluster_key(opened)
        counts, most, torn = _grouped(opened, key, arms)
    return Units(key, counts, max(most, 2) if torn else most, torn > 0)


def _cluster_key(opened: Opened) -> ibis.Value:
    """Return the cluster; where it is missing the customer stands alone, as in `assign`."""
    import ibis

    table, cluster = opened.table, opened.table[str(opened.cluster)]
    if not int(opened.con.execute(cluster.isnull().sum()) or 0):
        return cluster
    alone = ibis.literal("customer ") + table[opened.customer].cast("string")
    return cluster.isnull().ifelse(alone, ibis.literal("cluster ") + cluster.cast("string"))


def _grouped(opened: Opened, key: Any, arms: Arms) -> tuple[dict[str, int], int, int]:
    """Return units by arm, the most rows of one, and how many units are in several arms."""
    if int(opened.con.execute(key.nunique())) == sum(arms.rows.values()):
        return arms.rows, 1, 0
    table = opened.table.select(unit=key, arm=opened.table[opened.arm])
    each = table.group_by("unit", "arm").agg(rows=table.count())
    by_arm = opened.con.execute(each.group_by("arm").agg(n=each.count(), most=each.rows.max()))
    torn = each.group_by("unit").agg(arms=each.count()).filter(lambda t: t.arms > 1).count()
    counts = {arms.raw[a]: int(n) for a, n in zip(by_arm["arm"], by_arm["n"], strict=True)}
    return counts, int(by_arm["most"].max()), int(opened.con.execute(torn))


@dataclass(frozen=True)
class Chances:
    """With which chances the arms came.

    Parameters
    ----------
    shares : dict of str to float
        Planned share of each arm; empty where chances differ between rows or are not stated.
    weight : ibis.Value or None
        1 ÷ the chance of the arm that a row got, where chances differ.
    largest : float
        Largest weight; 0 where all weigh alike.
    columns : dict of str to str
        Arm → column of its chance, where every arm's is stated.
    own : str or None
        Column of the chance of the arm that a row got, where that alone is stated.
    """

    shares: dict[str, float]
    weight: ibis.Value | None = None
    largest: float = 0.0
    columns: Mapping[str, str] | None = None
    own: str | None = None


WITHIN = (0.5, 2.0)
"""Times an equal share, between which shares that nobody stated are taken as equal."""


def planned_shares(shares: Mapping[Any, float] | None, arms: Arms) -> dict[str, float]:
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
    for arm in arms.names:
        if arm not in found:
            raise InputError(f"shares says nothing of the arm {arm!r}; {nearest(arm, found)}")
        if not found[arm]:
            raise InputError(f"shares says that nobody is in the arm {arm!r}, and some are")
    for arm, part in found.items():
        if part and arm not in arms.names:
            raise InputError(
                f"{arm!r} is an arm with nobody, and its planned share is {part:g}; read the "
                f"experiment with all of its rows, or plan without it (arms: "
                f"{', '.join(arms.names)})"
            )
    return {arm: found[arm] for arm in arms.names}


def chances_of(
    opened: Opened, arms: Arms, looked: Mapping[str, ColumnSummary], shares: dict[str, float]
) -> Chances:
    """Return the chances that were stated, and the weights that follow.

    Raises
    ------
    InputError
        Chances that are none, an arm without one, or the same for all and not adding up to 1.
    """
    if opened.chances is None:
        return Chances(shares)
    own = _own_columns(opened.chances, arms)
    for arm, column in own.items():
        low, high = looked[column].by_arm[arm]
        if looked[column].missing[arm] or not 0 < low <= high <= 1 + SUM_SLACK:
            raise InputError(
                f"the chances in {column!r} are {low:g} to {high:g} in arm {arm!r}; whoever got an "
                "arm had a chance of it above 0, and at most 1"
            )
    ends = {arm: looked[column].by_arm[arm] for arm, column in own.items()}
    columns = own if isinstance(opened.chances, Mapping) else None
    if all(low == high for low, high in ends.values()) and not shares:
        shares = {arm: low for arm, (low, _) in ends.items()}
        if abs(sum(shares.values()) - 1) > 1e-6:
            raise InputError(
                f"the chances of the arms add up to {sum(shares.values()):g} "
                f"({', '.join(shares)}); the arms' shares must add up to 1"
            )
        return Chances(shares if opened.stated else {})
    table = opened.table
    if columns is None:
        chance = number_of(table, str(opened.chances))
    else:
        chance = table[opened.arm].cases(
            *((raw, number_of(table, own[name])) for raw, name in arms.raw.items())
        )
    least = min(low for low, _ in ends.values())
    single = None if columns is not None else str(opened.chances)
    return Chances({}, 1 / chance, 1 / least, columns, single)


def _own_columns(chances: str | Mapping[Any, str], arms: Arms) -> dict[str, str]:
    if isinstance(chances, str):
        return dict.fromkeys(arms.names, chances)
    named = {arm_name(arm): column for arm, column in chances.items()}
    for arm in arms.names:
        if arm not in named:
            raise InputError(f"propensity names no column of {arm!r}; {nearest(arm, named)}")
    return {arm: named[arm] for arm in arms.names}


def sample_ratio(
    opened: Opened, arms: Arms, units: Units, chances: Chances, *, equal: bool = False
) -> Check:
    """Check whether the arms came as often as planned (`promolab.effects.ratio_check`).

    Clusters are counted where each is in one arm, else rows: Pearson's χ² against planned shares,
    its extension where each arm's chance is stated; where only that of the arm got is known, the
    arms' sums of 1 ÷ chance against the number of rows.

    Parameters
    ----------
    opened : Opened
    arms : Arms
    units : Units
    chances : Chances
    equal : bool
        Where nothing is stated, test equal shares, if every arm has about one (`WITHIN`).
    """
    counts = arms.rows if units.crossing else units.counts
    what = "customers" if opened.cluster is None or units.crossing else "clusters"
    what = "decisions" if opened.once else what
    n = np.array([counts[arm] for arm in arms.names], dtype=float)
    if chances.weight is not None and opened.stated:
        if chances.columns is not None:
            return _against_chances(opened, arms, units, chances.columns, what)
        return _against_inverse(opened, arms, units, chances, what)
    total, share = n.sum(), np.array([chances.shares.get(a, 1 / len(n)) for a in arms.names])
    least, most = (part * total / len(n) for part in WITHIN)
    alike = chances.weight is None and least <= n.min() and n.max() <= most
    if not chances.shares and not (equal and alike):
        why = "The sample ratio was not checked: no planned shares are stated (shares=)."
        return Check("sample ratio", "not possible", why)
    spread = total * (np.diag(share) - np.outer(share, share))
    check = ratio_check(arms.names, n / total, share, n - total * share, spread, of=what)
    if chances.shares:
        return check
    told = "No shares are stated (shares=), and equal ones are assumed."
    return replace(check, sentence=f"{told} {check.sentence}")


def _one_per_unit(
    opened: Opened, arms: Arms, units: Units, columns: dict[str, ibis.Value]
) -> ibis.Table:
    table = opened.table.select(unit=units.key, arm=opened.table[opened.arm], **columns)
    if units.most == 1 or units.crossing:
        return table
    return table.group_by("unit", "arm").agg(**{name: table[name].min() for name in columns})


def _against_chances(
    opened: Opened, arms: Arms, units: Units, chances: Mapping[str, str], what: str
) -> Check:
    names = list(arms.names)
    columns = {f"e{i}": number_of(opened.table, chances[arm]) for i, arm in enumerate(names)}
    table = _one_per_unit(opened, arms, units, columns)
    k = range(len(names))
    values = {f"s{i}": (table[f"e{i}"], 1.0) for i in k}
    values |= {f"p{i}_{h}": (table[f"e{i}"] * table[f"e{h}"], 1.0) for i in k for h in k if i <= h}
    found = exact_sums(opened.con, table, values)[0]
    expected = np.array([float(found[f"s{i}"]) for i in k])
    both = np.array([[float(found[f"p{min(i, h)}_{max(i, h)}"]) for h in k] for i in k])
    counts = arms.rows if units.crossing else units.counts
    n = np.array([counts[arm] for arm in names], dtype=float)
    total = n.sum()
    if abs(expected.sum() / total - 1) > 1e-6:
        raise InputError(
            f"the chances of the arms add up to {expected.sum() / total:g} on average; state that "
            f"of every arm ({', '.join(names)})"
        )
    spread = np.diag(expected) - both
    return ratio_check(names, n / total, expected / total, n - expected, spread, of=what)


def _against_inverse(
    opened: Opened, arms: Arms, units: Units, chances: Chances, what: str
) -> Check:
    """Compare each arm's sum of 1 ÷ chance with the number of all: both are the same on average."""
    names = list(arms.names)
    table = _one_per_unit(opened, arms, units, {"weight": chances.weight})
    weight, most = table.weight, chances.largest
    asked = {"w": (weight, most), "ww": (weight * weight, most**2)}
    found = exact_sums(opened.con, table, asked, ["arm"])
    by_arm = {arms.raw[row["arm"]]: row for row in found}
    n, w, ww = (np.array([float(by_arm[a][key]) for a in names]) for key in ("rows", "w", "ww"))
    total = n.sum()
    # Of 1[arm = a] ÷ chance − 1, whose mean is 0: products of two arms are 1 less both weights.
    spread = np.diag(ww) - w[:, None] - w[None, :] + total
    return ratio_check(names, n / total, n / w, w - total, spread, of=what)
