"""Who was assigned a promotion by chance and who was not: decisions, with their chances."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from promolab.contract import read_operations
from promolab.effects import DOUBTFUL, UNLIKELY
from promolab.results import words_of

if TYPE_CHECKING:
    from promolab.contract import Shop


ASSIGNED = "assigned"
FEWEST_UNITS = 20
"""Independent units in the smaller group; below, one large basket makes the figure."""
NONE = "none"
SAME = 1e-6  # chances that differ by less are one chance, written with rounding
_COLUMNS = ("action", "customer_id", "cluster", "arm", "propensity", "ts", "chance", "weight")


def action_of(shop: Shop, promotion_id: Any) -> str:
    """Return as what a promotion is decided, as text: itself, or the bundle that it is part of."""
    bundles, text = read_operations(shop.settings).contact.bundles, str(promotion_id)
    return next((name for name, parts in bundles.items() if text in parts), text)


def read_decisions(shop: Shop, actions: Sequence[str], now: datetime) -> pd.DataFrame:
    """Return each customer's first decision for each action, with what weighs it.

    Where all planned for an action had one chance of it, these are the rows: planned and assigned,
    planned and held back. Where chances differ, a row planned for it says little about those not
    planned: all who got it or nothing, and could have got either (``decision_propensities``), are
    the rows, and those who got nothing weigh c/(1 − c) with c the chance of the action against
    nothing. So weighted they stand for those who got it.

    Parameters
    ----------
    actions : sequence of str
        Promotions as text, or the names of bundles.
    now : datetime
        Decisions made before it are read.

    Returns
    -------
    DataFrame
        action, customer_id, cluster (the customer's ``cluster_id``, else the customer, as text),
        arm (``assigned``, or the holdout: ``promotion`` or ``standing``; ``chance`` of those who
        got nothing where chances differ), propensity (of what was done), ts, chance (c; nan where
        it is not told) and weight. Empty where the shop has no decisions.

    References
    ----------
    Hirano, Imbens & Ridder (2003), Econometrica 71 (weights for the treated, known chances).
    """
    if not shop.has("decisions"):
        return pd.DataFrame(columns=list(_COLUMNS))
    rows = _planned(shop, actions, now)
    if shop.has("decision_propensities"):
        equal = [a for a in rows["action"].unique() if not _differ(rows[rows["action"] == a])]
        others = _possible(shop, [a for a in actions if a not in equal], now)
        rows = pd.concat([rows[rows["action"].isin(equal)], others], ignore_index=True)
    else:
        told = [_by_own_chance(mine) for _, mine in rows.groupby("action")]
        rows = pd.concat(told, ignore_index=True) if told else rows
    rows["cluster"] = clusters_of(shop, rows["customer_id"])
    return rows.sort_values(["action", "customer_id"], ignore_index=True)[list(_COLUMNS)]


def _planned(shop: Shop, actions: Sequence[str], now: datetime) -> pd.DataFrame:
    """Return the decisions in which one of the actions was planned, whatever was done then."""
    import ibis

    if not shop.has("decisions", "planned_action"):
        return pd.DataFrame(columns=["decision_id", *_COLUMNS])
    table = shop.decisions
    held = table.holdout.fill_null(NONE) if "holdout" in table.columns else ibis.literal(NONE)
    table = table.select(
        "decision_id", "customer_id", "ts", "propensity",
        taken=table.action.cast("string"),
        action=table.planned_action.cast("string"),
        held=held,
    )  # fmt: skip
    table = table.filter((table.ts < now) & table.action.isin(list(actions)))
    rows = _first(table.filter((table.taken == table.action) | (table.taken == NONE)).execute())
    # Where the shop does not write which holdout, held back is held back.
    which = rows["held"].where(rows["held"] != NONE, "promotion")
    rows["arm"] = which.where(rows["taken"] != rows["action"], ASSIGNED)
    own = rows["propensity"].astype(float)
    chance = own.where(rows["arm"] == ASSIGNED, 1 - own)
    # Where they do not agree another action was possible, too, and its chance is not told here.
    agreed = chance.groupby(rows["action"]).transform(lambda c: c.max() - c.min() <= SAME)
    return rows.assign(chance=chance.where(agreed), weight=1.0)


def _first(rows: pd.DataFrame) -> pd.DataFrame:
    """Return each customer's first decision for each action."""
    rows = rows.assign(text=rows["decision_id"].astype(str)).sort_values(["ts", "text"])
    return rows.drop_duplicates(["action", "customer_id"])


def _differ(rows: pd.DataFrame) -> bool:
    """Tell whether chances differ among those assigned, or among those held back."""
    chances = rows["propensity"].astype(float).groupby(rows["arm"] == ASSIGNED)
    return bool((chances.max() - chances.min()).max() > SAME)


def _by_own_chance(rows: pd.DataFrame) -> pd.DataFrame:
    """Weigh rows planned for an action by the chance of what was done, if there were but two."""
    if not _differ(rows):
        return rows
    own = rows["propensity"].astype(float)
    return _weighed(rows.assign(chance=own.where(rows["arm"] == ASSIGNED, 1 - own)))


def _weighed(rows: pd.DataFrame) -> pd.DataFrame:
    """Weigh those who got nothing so that they stand for those assigned."""
    possible = rows[rows["chance"].between(0, 1, inclusive="neither")]
    odds = possible["chance"] / (1 - possible["chance"])
    return possible.assign(weight=odds.where(possible["arm"] != ASSIGNED, 1.0))


def _possible(shop: Shop, actions: Sequence[str], now: datetime) -> pd.DataFrame:
    """Return the decisions in which an action was possible and so was none; one of them was done.

    The standing holdout has no chance of it and is not among them.
    """
    table, chances = shop.decisions, shop.decision_propensities
    chances = chances.select(
        "decision_id", action=chances.action.cast("string"), of=chances.propensity.cast("float64")
    )
    made = table.filter(table.ts < now)
    made = made.select(
        "decision_id", "customer_id", "ts", "propensity", taken=made.action.cast("string")
    )
    mine = chances.filter(chances.action.isin(list(actions)) & (chances.of > 0))
    none = chances.filter((chances.action == NONE) & (chances.of > 0))
    none = none.select("decision_id", of_none="of")
    rows = made.join(mine, "decision_id").join(none, "decision_id")
    rows = _first(rows.filter((rows.taken == rows.action) | (rows.taken == NONE)).execute())
    arm = np.where(rows["taken"] == rows["action"], ASSIGNED, "chance")
    chance = rows["of"] / (rows["of"] + rows["of_none"])
    return _weighed(rows.assign(arm=arm, chance=chance))


def clusters(shop: Shop, customers: pd.Index) -> pd.Series[Any] | None:
    """Return the cluster of each customer, missing where there is none; None without any."""
    if not shop.has("customers", "cluster_id"):
        return None
    # As text: whole numbers with gaps would become floats.
    cluster = shop.customers.cluster_id.cast("string")
    found = shop.customers.select("customer_id", cluster_id=cluster).execute()
    found = found.dropna().drop_duplicates("customer_id").set_index("customer_id")["cluster_id"]
    return found.reindex(customers) if len(found) else None


def clusters_of(shop: Shop, customers: pd.Series[Any]) -> pd.Series[Any]:
    """Return the household of each customer as text, or the customer where none is known."""
    own, found = "customer " + customers.astype(str), clusters(shop, pd.Index(customers))
    if found is None:
        return own
    known = found.set_axis(customers.index)
    return ("cluster " + known.astype(str)).where(known.notna(), own)


def groups_of(decisions: pd.DataFrame) -> tuple[pd.DataFrame, str]:
    """Return those assigned and those to compare them with, and which holdout that is.

    Parameters
    ----------
    decisions : DataFrame
        From `read_decisions`: those of one action.
    """
    found = set(decisions["arm"])
    holdout = next((name for name in ("chance", "promotion") if name in found), "standing")
    return decisions[decisions["arm"].isin([ASSIGNED, holdout])], holdout


def sample_ratio(assigned: np.ndarray, chance: np.ndarray, cluster: np.ndarray) -> float:
    """Return the p value of how many were assigned, given each one's chance of it.

    The sum of (assigned − chance) against its standard deviation, normal, with a continuity
    correction. Whole clusters are drawn, so that the deviations of their members add up.

    Parameters
    ----------
    assigned : ndarray of bool, shape (n,)
    chance : ndarray, shape (n,)
    cluster : ndarray, shape (n,)
        Who was drawn together.

    Examples
    --------
    >>> assigned = np.repeat([True, False], [560, 440])
    >>> round(sample_ratio(assigned, np.full(1000, 0.5), np.arange(1000)), 5)
    0.00017
    """
    from scipy.stats import norm

    codes, _ = pd.factorize(cluster)
    spread = np.bincount(codes, weights=np.sqrt(chance * (1 - chance)))
    error = float(np.sqrt((spread**2).sum()))
    off = max(abs(float((assigned - chance).sum())) - 0.5, 0.0)
    return float(2 * norm.sf(off / error)) if error > 0 else float(off == 0)


def _ratio(decisions: pd.DataFrame) -> tuple[float, Any]:
    """Return the sample ratio's p value, 1 where the chances do not tell, and words for it."""
    assigned = (decisions["arm"] == ASSIGNED).to_numpy()
    chance = decisions["chance"].to_numpy(dtype=float)
    if not assigned.any() or assigned.all() or np.isnan(chance).any():
        return 1.0, None
    p = sample_ratio(assigned, chance, decisions["cluster"].to_numpy())
    return p, words_of(
        __name__, "assignment", found=int(assigned.sum()), expected=float(chance.sum()), p=p
    )


def doubtful_ratio(decisions: pd.DataFrame) -> str:
    """Say beside the figure if there are more or fewer of those assigned than is likely."""
    p, words = _ratio(decisions)
    return words.say("doubtful") if p < DOUBTFUL else ""


def broken_ratio(decisions: pd.DataFrame) -> str:
    """Say that so many assigned cannot be chance; empty where they can.

    Then the log, the sending or the chances written down are wrong, and no comparison of these
    customers is to be believed, an adjusted one included.

    Parameters
    ----------
    decisions : DataFrame
        From `read_decisions`: those of one action.
    """
    p, words = _ratio(decisions)
    return words.say("broken") if p < UNLIKELY else ""


def obstacle(decisions: pd.DataFrame) -> str:
    """Say what stands against a randomised comparison; empty where nothing does.

    Parameters
    ----------
    decisions : DataFrame
        From `read_decisions`: those of one action.
    """
    rows = groups_of(decisions)[0]
    treated = rows["arm"] == ASSIGNED
    if rows.empty or treated.all():
        return words_of(__name__, "assignment").say("undecided" if rows.empty else "nobody_held")
    units = [rows.loc[side, "cluster"].nunique() for side in (treated, ~treated)]
    if min(units) < FEWEST_UNITS:
        words = words_of(__name__, "assignment", units=min(units), needed=FEWEST_UNITS)
        return words.say("few_held" if units[1] < units[0] else "few_assigned")
    if why := broken_ratio(decisions):
        return why
    weight = rows.loc[~treated, "weight"].to_numpy(dtype=float)
    worth = float(weight.sum() ** 2 / (weight @ weight))
    words = words_of(__name__, "assignment", units=worth, rows=weight, needed=FEWEST_UNITS)
    return words.say("few_weighted") if worth < FEWEST_UNITS else ""
