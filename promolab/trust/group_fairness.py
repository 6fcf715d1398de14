"""Who gets how much of a plan's contacts and discounts, and what they bring, by group."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from promolab import checks, metrics, stats
from promolab.campaign.outlook import WeekPlan
from promolab.campaign.plan import Plan
from promolab.contract import NONE, Shop, read_operations
from promolab.display import absent, tried
from promolab.errors import InputError
from promolab.features import decisions_experiment
from promolab.folder import RunFolder
from promolab.policy import allocate
from promolab.results import Estimate, Result, plain, words_of
from promolab.wording import plural

MOST_GROUPS, BANDS, FEW, FOUND = 20, 4, 5, 0.6
"""Groups of a column at most, the smallest joined; bands into which numbers are cut; what is to be
expected in a group at least to compare it, and of the discount that contacts bring, in standard
errors; what lies between −z and z where 0.8 lies below z: a difference is to be seen so often."""
UNKNOWN, MONEY, PAIR = "unknown", ("discount", "sales"), ["customer_id", "action"]
Pair = tuple[np.ndarray, np.ndarray]
"""What is set against what, a value per row; nan where not known."""
KEYS = ("column", "group", "kind", "members", "customers")
FLOOR_STEPS = 4
FLOORS = ["floor", "least", "got", "contacts", "spend", "profit", "lost", "lost_low", "lost_high"]
ENDS = ("value", "ci_low", "ci_high", "others", "difference", "difference_low", "difference_high")


@dataclass(frozen=True)
class Fairness(Result):
    """What each group gets beside all others, and how sure a difference is; by `fairness`.

    Parameters
    ----------
    frame : DataFrame
        ``column, group, kind, members, customers, measure, value, ci_low, ci_high``; ``others``,
        the same of all other customers (of ``share``, a share of the discount: the group's share of
        sales); ``difference, difference_low, difference_high``; ``p_value``, and ``p_adjusted`` for
        the number of comparisons (Holm); ``visible``, the difference that would be seen in 8 of 10
        such plans; ``seen``, whether one is. ``kind`` is ``group``, ``other`` (small ones, joined:
        ``members``) or ``unknown``; where there are too few to compare, figures are nan.
    customers, tests : int
        Customers, and comparisons made.
    level : float
        Of the intervals; a difference is seen where ``p_adjusted`` is below 1 − level.
    currency : str
    """

    frame: pd.DataFrame = field(repr=False)
    customers: int
    tests: int
    level: float
    currency: str = ""

    @property
    def alarms(self) -> pd.DataFrame:
        """The rows of ``frame`` in which a difference is seen, the surest first."""
        return self.frame[self.frame["seen"]].sort_values("p_adjusted", ignore_index=True)

    def facts(self) -> dict[str, Any]:
        """Return what is not seen, how small it could be, and what the figure shows."""
        quiet = self.frame[self.frame["p_adjusted"].notna() & ~self.frame["seen"]]
        return {
            "over": "past" if "benefit" in set(self.frame["measure"]) else "plan",
            "columns": list(dict.fromkeys(self.frame["column"])),
            "unseen": len(quiet),
            "at_latest": quiet.groupby("measure", sort=False)["visible"].max().reset_index(),
            "shown": (shown := self.frame[self.frame["measure"] == "contacted"]),
            "unlike": int(shown["seen"].sum()) or "",
            "differences": len(self.alarms),
            "surest": self.alarms.head(1),
            "groups": plain(self.frame.to_dict("records")),
        }

    def levels(self) -> pd.DataFrame:
        """Return a row per column and group, each measure with its interval beside it."""
        found = pd.DataFrame()
        for name, rows in self.frame.groupby("measure", sort=False):
            ends = (name, f"{name}_low", f"{name}_high", f"{name}_others")
            rows = rows.rename(columns=dict(zip(ENDS, ends, strict=False))).reset_index(drop=True)
            found = rows[[*KEYS, *ends]] if found.empty else found.join(rows[[*ends]])
        return found


def fairness(
    plan: Any, groups: Any, outcomes: pd.DataFrame | None = None, *,
    columns: Sequence[str] | None = None, bands: Mapping[str, Sequence[float]] | None = None,
    least: int = 10, level: float = 0.95, currency: str = "",
) -> Fairness:  # fmt: skip
    r"""Say what each group gets of a plan beside all other customers, and what came of it.

    Parameters
    ----------
    plan : DataFrame or Plan
        A row per customer, or per customer and decision: customer_id, and contacted (0 or 1) or
        action (``none`` or missing: not contacted). By what else there is, here or in ``outcomes``:
        discount and sales (money; missing is 0); p (predicted chance) and responded (0 or 1), where
        both are known; reward (money) and propensity (the chance of being contacted, or not, as it
        was), where chance decided.
    groups : DataFrame, or array-like of one value per row of the plan
        customer_id and the columns to compare by; or without it, a row per row of the plan. With
        cluster_id customers of a household count as one unit.
    outcomes : DataFrame, optional
        customer_id, once each, and more columns of the above.
    columns : sequence of str, optional
        Of ``groups``; by default all.
    bands : dict of str to sequence of float, optional
        Where to cut a column of numbers; by default one of more than eight is cut at its quartiles.
    least : int
        Smaller groups are joined, by name, until they have so many customers; of an unknown group
        that has fewer, nothing but the number is told.
    level : float
        Of intervals.
    currency : str

    Returns
    -------
    Fairness

    Raises
    ------
    InputError
        A plan that is no frame; a column that is not there, that has one value, or whose groups are
        nearly all too small; amounts that are no numbers; no customers.

    Notes
    -----
    With m a group's mask, the measures are ``contacted``, a share, and ``discount``, a mean;
    ``share``, :math:`\sum m d / \sum d` against :math:`\sum m s / \sum s` of sales;
    ``observed_expected``, :math:`\sum m y / \sum m p`; ``auc``; and ``benefit``, what contacts add
    to the reward over what they add to the discount, :math:`\sum m h (r - \bar r) / \sum m h d`
    with h = 1 ÷ propensity of the contacted and −1 ÷ propensity of the others (Horvitz & Thompson
    1952). Intervals are those of influence functions, summed within customers or households; of
    shares Wilson's and Newcombe's, of AUCs DeLong's.
    The standard error of a difference is, at least, that of groups drawn anew: of a small group
    nobody of whom is contacted the other one would be 0. The p value of a share contacted is, at
    least, that of Fisher's exact test. A group of two says the same as the other: one is tested.

    References
    ----------
    Holm (1979); Newcombe (1998); DeLong et al. (1988). Measures by group as those of Weerts et al.
    (2023), "Fairlearn", JMLR 24(257).

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> region = np.repeat(["north", "south"], [4000, 1000])
    >>> rows = pd.DataFrame({"customer_id": range(5000)})
    >>> rows["contacted"] = rng.random(5000) < np.where(region == "south", 0.1, 0.2)
    >>> found = fairness(rows, pd.DataFrame({"customer_id": range(5000), "region": region}))
    >>> found.alarms[["group", "measure"]].values.tolist()
    [['north', 'contacted']]
    """
    checks.whole_number("least", least, 2)
    rows = _rows_of(plan, outcomes)
    wanted = _beside(groups, rows, "groups")
    checks.columns_there(wanted, columns or (), "groups")
    names = columns or wanted.columns.drop("cluster_id", errors="ignore")
    if not len(names) or rows.empty:
        raise InputError("there is no customer or no column to compare by; give one of each")
    own, parts = pd.factorize(rows["customer_id"])[0], _parts(rows)
    unit = stats.units_of(wanted["cluster_id"], own) if "cluster_id" in wanted else own
    found: list[dict[str, Any]] = []
    for name in names:
        labels, order = _levels(name, wanted[name], own, (bands or {}).get(name), least)
        for place, (group, (kind, members)) in enumerate(order.items()):
            mine = labels == place
            n = len(np.unique(own[mine]))
            told = dict(zip(KEYS, (name, group, kind, members, n), strict=True))
            for measure, pair in parts.items():
                row = _compared(measure, pair, mine, unit, level) if n >= least else {}
                row |= {"p_value": np.nan} if place and len(order) == 2 else {}
                found.append({**told, "measure": measure, **row})
    frame = pd.DataFrame(found)
    known = frame["p_value"].notna()
    frame.loc[known, "p_adjusted"] = stats.holm(frame.loc[known, "p_value"])
    tests = int(known.sum())
    seen = stats.normal_quantile(1 - (1 - level) / max(tests, 1)) + stats.normal_quantile(FOUND)
    frame["visible"] = frame.pop("error") * seen
    frame["seen"] = frame["p_adjusted"] < 1 - level
    return Fairness(frame, len(np.unique(own)), tests, level, currency)


def _rows_of(plan: Any, outcomes: pd.DataFrame | None) -> pd.DataFrame:
    """Return a plan as a frame with contacted, and what is known beside it."""
    if isinstance(plan, Plan):
        whole, sent = plan.steps[["customer_id"]].drop_duplicates(), plan.to_contact["customer_id"]
        plan = whole.assign(contacted=whole["customer_id"].isin(sent))
    elif not isinstance(plan, pd.DataFrame):
        raise InputError(f"plan is a {type(plan).__name__}; give a frame: customer_id, contacted")
    checks.columns_there(plan, "customer_id", "plan")
    rows: pd.DataFrame = plan.reset_index(drop=True)
    if outcomes is not None:
        beside = _beside(outcomes, rows, "outcomes")
        rows = rows.drop(columns={*beside} & {*rows}).join(beside)
    if "contacted" not in rows:
        checks.columns_there(rows, "action", "plan")
        rows["contacted"] = rows["action"].fillna(NONE).astype(str) != NONE
    rows["contacted"] = checks.labels_of("contacted", rows["contacted"])
    return rows


def _beside(table: Any, rows: pd.DataFrame, what: str) -> Any:
    """Return what belongs to the rows: of a table with customer_id, by that."""
    if not isinstance(table, pd.DataFrame):
        table = checks.column_of(what, table).to_frame(getattr(table, "name", None) or "group")
    elif "customer_id" in table:
        if table["customer_id"].duplicated().any():
            raise InputError(f"{what} names a customer twice; give a row per customer")
        table = table.set_index("customer_id").reindex(rows["customer_id"])
    checks.same_length(plan=rows, **{what: table})
    return table.reset_index(drop=True)


def _parts(rows: pd.DataFrame) -> dict[str, Pair]:
    """Return what each measure that can be told sets against what."""
    data = {"contacted": rows["contacted"].to_numpy(dtype=float)}
    for name in {"discount", "sales", "responded", "p", "reward", "propensity"} & {*rows}:
        told = checks.numbers_of(name, rows[name].fillna(0.0), finite=True)
        data[name] = told if name in MONEY else np.where(rows[name].isna(), np.nan, told)
    got, one = data["contacted"], np.ones(len(rows))
    off, sales = (data.get(name, 0 * one) for name in MONEY)
    found = {"contacted": (got, one)} | ({"discount": (off, one)} if off.any() else {})
    if off.any() and sales.any():
        found["share"] = off / off.sum(), sales / sales.sum()
    if {"responded", "p"} <= {*data} and not np.isnan(data["responded"] + data["p"]).all():
        found |= dict.fromkeys(("observed_expected", "auc"), (data["responded"], data["p"]))
    if {"reward", "propensity"} <= {*data} and off.any():
        reward, chance = data["reward"], data["propensity"]
        known = (chance > 0) & (chance < 1) & ~np.isnan(reward)
        weight = np.where(known, (2 * got - 1) / np.where(known, chance, 1.0), np.nan)
        centred = reward - np.where(known, reward, 0.0).sum() / max(known.sum(), 1)
        found["benefit"] = weight * centred, weight * off
    return found


def _levels(name: str, column: Any, own: Any, edges: Any, least: int) -> tuple[Any, dict[str, Any]]:
    """Return the number of each row's group, and the groups: kind, and names of those joined."""
    numeric = pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column)
    values = column[column.notna() & (column.astype(str).str.strip() != "")]
    text = values.map("{:g}".format) if numeric else values.astype(str)
    if numeric and (edges is not None or values.nunique() > 2 * BANDS):
        parts = np.arange(1, BANDS) / BANDS
        cut = np.unique(np.quantile(values, parts, method="higher") if edges is None else edges)
        cut = cut[(cut > values.min()) & (cut <= values.max())]
        told = [f"{edge:g}" for edge in cut] or ["∞"]
        names = [f"< {told[0]}", *(f"{a} – < {b}" for a, b in pairwise(told)), f"≥ {told[-1]}"]
        text = pd.Series(np.array(names)[np.searchsorted(cut, values, "right")], values.index)
    in_order = text.loc[(values if numeric else text).sort_values(kind="stable").index].unique()
    sizes = pd.Series(own[text.index]).groupby(text.to_numpy()).nunique().sort_values(kind="stable")
    small = sizes[: max(int((sizes < least).sum()), len(sizes) - MOST_GROUPS)]
    joined = sorted(small.index)
    order = {str(one): ("group", ()) for one in in_order if one not in joined}
    members = (*joined[:MOST_GROUPS], *["…"] * (len(joined) > MOST_GROUPS))
    other = f"other ({', '.join(members)})"
    missing = len(np.unique(own[column.index.difference(text.index)]))
    groups = len(order) + (small.sum() >= least) + (missing >= least)
    if groups < 2 or small.sum() > sizes.sum() / 2:
        said = f"{plural(len(sizes), 'value')}, {len(order):,} with {least} customers or more"
        raise InputError(f"the column {name!r} has {said}; give two such groups, of most customers")
    order |= {other: ("other", members)} if joined else {}
    order |= {UNKNOWN: (UNKNOWN, ())} if missing else {}
    labels = text.where(~text.isin(joined), other).reindex(column.index, fill_value=UNKNOWN)
    return pd.Index([*order]).get_indexer(labels), order


def _figure(measure: str, pair: Pair, mine: np.ndarray) -> tuple[float, np.ndarray]:
    """Return a measure of some rows, and what each row adds to its error; nan of too few."""
    if measure == "share":
        value = float(pair[0][mine].sum())
        return value, (mine - value) * pair[0]
    mine = mine & ~np.isnan(pair[0] + pair[1])
    added, (y, p) = np.zeros(len(mine)), (part[mine] for part in pair)
    if measure == "auc" and min((y == 1).sum(), (y == 0).sum()) >= FEW:
        ranked = metrics.placements(y == 1, p)
        added[mine] = ranked.deviations(y == 1, ranked.auc, None)
        return ranked.auc, added
    least = {"auc": np.inf, "benefit": FEW * float(np.sqrt(p @ p))}.get(measure, FEW)
    if p.sum() < least:
        return np.nan, added
    value = float(y.sum() / p.sum())
    added[mine] = (y - value * p) / p.sum()
    return value, added


def _compared(measure: str, pair: Pair, mine: Any, unit: Any, level: float) -> dict[str, float]:
    """Return a group's figure, that beside it, their difference, and the p value of none."""
    top, y, sizes = pair[0], pair[0] - pair[1], np.array([mine.sum(), (~mine).sum()])
    value, added = _figure(measure, pair, mine)
    other, beside = _figure(measure, *((pair[::-1], mine) if measure == "share" else (pair, ~mine)))
    own: Any = stats.estimate_of(value, added, unit, level).ends
    gap = stats.estimate_of(value - other, added - beside, unit, level).ends
    spread = stats.spread_of(added - beside, unit)
    error, scale = spread.std_error, sizes.prod() / len(y) if measure == "share" else 1.0
    if measure in ("contacted", "discount", "share"):  # at least as of groups drawn anew
        error = max(error, scale * float(np.sqrt(np.var(y) * (1 / sizes).sum())))
        if measure != "contacted" and sizes.min() * np.mean(top != 0) < FEW:
            gap = (np.nan,) * 3
    elif measure != "benefit" and value == value:
        known = mine & ~np.isnan(y)
        own = metrics.measure(top[known], pair[1][known], measure, unit[known], level=level).ends
    if measure == "share":
        variance = stats.spread_of(added, unit).std_error ** 2
        own = value, *map(float, stats.share_interval(value, variance, unit.max() + 1))
    p = stats.two_sided(gap[0], error, spread.degrees)
    if measure == "contacted":
        from scipy.stats import hypergeom

        arms = stats.difference_of(top, mine, unit, level, share=True)
        own, gap = (arms.treated or arms.estimate).ends, arms.estimate.ends
        hits, drawn = top[mine].sum(), (len(top), int(top.sum()), int(mine.sum()))
        tail = min(hypergeom.cdf(hits, *drawn), hypergeom.sf(hits - 1, *drawn))
        p = max(p, min(2 * float(tail), 1.0))
    return dict(zip(ENDS, (*own, other, *gap), strict=True)) | {"p_value": p, "error": error}


@dataclass(frozen=True)
class FloorCurve(Result):
    """What floors for a group cost, up to its share of the customers; by `floor_curve`.

    Parameters
    ----------
    group : object
    frame : DataFrame
        ``floor``, the share of the contacts that it is to get at least (0–1), and ``least``, in
        customers; ``got``, who of it is contacted; ``contacts``, ``spend``, ``profit`` as
        predicted; ``lost, lost_low, lost_high``, what the floor costs in profit, with an interval
        where it is by scores of past decisions.
    level : float
        Of the intervals.
    currency : str
    """

    group: Any
    frame: pd.DataFrame = field(repr=False)
    level: float
    currency: str = ""

    def facts(self) -> dict[str, Any]:
        """Return what the group gets without a floor, and what its share of the customers costs."""
        first, last = (self.frame.iloc[place].to_dict() for place in (0, -1))
        lost = Estimate.of(last[name] for name in ("lost", "lost_low", "lost_high"))
        state = "met" if last["least"] <= first["got"] else "costs"
        basis = "predicted" if np.isnan(lost.ci_low) else "scored"
        return {"first": first, "last": last, "cost": lost, "state": state, "basis": basis}


def floor_curve(
    value: Any, cost: Any, groups: Any, group: Any, *, scores: Any = None, cluster: Any = None,
    steps: int = 5, level: float = 0.9, **options: Any,
) -> FloorCurve:  # fmt: skip
    """Say what a least number of contacts for a group costs in profit.

    Parameters
    ----------
    value, cost : array-like of shape (n, P)
        As `promolab.policy.allocate` takes them, in money.
    groups : array-like of shape (n,)
        A group of each customer; missing for none.
    group : object
        The one that is to get a floor.
    scores : array-like of shape (n, P), optional
        Of past decisions: doubly robust scores of what each promotion added, by which the
        allocations are valued (`promolab.policy.PolicyRows.gamma`, beside its ``effect`` as
        ``value``). By default by ``value``, which promises too much of those whom it chose.
    cluster : array-like of shape (n,), optional
        Customers of the scores.
    steps : int
        Floors from none to the group's share of the customers, beside none.
    level : float
        Of the intervals, which only scores have.
    **options
        Of `promolab.policy.allocate`: budget, eligible, capacity, constraints, currency, …

    Returns
    -------
    FloorCurve

    Raises
    ------
    InputError
        A group that nobody is in, or everybody; nobody contacted; a floor that limits or the
        budget do not allow.

    Notes
    -----
    Floors are shares of the contacts made without one. Each is an optimum of its own; the
    difference to the first, customer by customer, is summed, and its interval is that of the sum
    over customers. What it costs never rises by a looser floor.

    Examples
    --------
    >>> value, cost = [[9.0], [8.0], [3.0], [2.0]], [[1.0]] * 4
    >>> found = floor_curve(value, cost, ["a", "a", "b", "b"], "b", budget=2, steps=2)
    >>> found.frame[["floor", "got", "profit", "lost"]].values.tolist()
    [[0.0, 0.0, 17.0, 0.0], [0.25, 1.0, 12.0, 5.0], [0.5, 1.0, 12.0, 5.0]]
    """
    column = checks.column_of("groups", groups)
    mine = (column == checks.choice("group", group, column.dropna().unique())).to_numpy()
    first = allocate(value, cost, **options)
    if mine.all() or not first.contacted:
        raise InputError(f"no floor for {group!r}: all are in it, or nobody is contacted at all")
    worth = np.asarray(value if scores is None else scores, dtype=float)
    worth, at = np.insert(worth, 0, 0.0, axis=1), np.arange(len(worth))
    unit = None if cluster is None else stats.units_of(cluster)
    rows, found, currency = [], first, options.get("currency", "")
    for floor in np.linspace(0, mine.mean(), checks.whole_number("steps", steps, 1) + 1):
        least = int(np.ceil(floor * first.contacted - 1e-9))
        if least > int(np.sum(mine & (found.choice >= 0))):
            found = allocate(value, cost, groups=column, floors={group: least}, **options)
        lost = worth[at, first.choice + 1] - worth[at, found.choice + 1]
        ends = stats.estimate_of(float(lost.sum()), lost - lost.mean(), unit, level).ends
        ends = ends if scores is not None else (ends[0], np.nan, np.nan)
        got = int(np.sum(mine & (found.choice >= 0)))
        rows.append((floor, least, got, found.contacted, found.spend, found.value, *ends))
    return FloorCurve(group, pd.DataFrame(rows, columns=FLOORS), level, currency)


class WeekFairness(dict[str, Any]):
    """The week's ``plan``, what a ``floor`` costs, and ``past`` decisions that chance drew."""

    def shown(self) -> list[Any]:
        """Return what a page shows: what each says, its figure and, of groups, its table."""
        tables = [one.to_table if isinstance(one, Fairness) else "" for one in self.values()]
        return [piece for pair in zip(self.values(), tables, strict=True) for piece in pair]

    def write(self, run: RunFolder) -> None:
        """Record the figures beside the plan's, where the shop states columns."""
        told = {name: one.to_dict() for name, one in self.items() if isinstance(one, Fairness)}
        if told:
            run.record("plan", {"by_group": told})


def week_fairness(week: WeekPlan) -> WeekFairness:
    """Say what groups of customers get of a week's plan, and what they got of past decisions.

    Parameters
    ----------
    week : WeekPlan
        Of a shop that states ``[fairness] columns``; else a sentence says that it does not.
    """
    run, shop, sent = week.run, week.shop, week.plan.to_contact
    told = read_operations(shop.settings)
    if not told.fairness.columns:
        return WeekFairness(plan=absent(words_of(__name__, "Fairness").say("not_stated")))
    off = {str(one.promotion_id): one.discount.value for one in week.economics.promotions}
    sent = sent.merge(run.read_table("allocation").astype(sent.dtypes[PAIR]), "left", PAIR)
    part = sent["p_redeemed"] / sent.groupby("promotion_id")["p_redeemed"].transform("sum")
    expected = part * sent["promotion_id"].astype(str).map(off).astype(float)
    sent["discount"] = sent["discount"].astype(float).fillna(expected)
    sales = run.read_table("features").set_index("customer_id")["amount_84d"].rename("sales")
    known = pd.concat([sales, sent.groupby("customer_id")["discount"].sum()], axis=1).reset_index()
    customers, least = shop.customers.execute(), max(told.least, 2)
    options = vars(told.fairness) | {"currency": shop.settings.currency, "least": least}
    nobody = absent(words_of(__name__, "Fairness").say("nobody")) if sent.empty else None
    found = WeekFairness(plan=nobody or tried(fairness, week.plan, customers, known, **options))
    if isinstance(found["plan"], Fairness) and week.plan.by_effect:
        found["floor"] = tried(_week_floor, week, found["plan"], customers, options)
    if nobody or isinstance(found["plan"], Fairness):
        found["past"] = tried(fairness, tried(_past_decisions, run, shop), customers, **options)
    return found


def _week_floor(
    week: WeekPlan, found: Fairness, customers: pd.DataFrame, options: Mapping[str, Any]
) -> FloorCurve:
    """Say what floors would cost for the group that is contacted least, within what is spent."""
    contacted = found.frame.query("measure == 'contacted' and kind == 'group'")
    fewest = contacted.sort_values("difference", kind="stable").iloc[0]
    name, people = fewest["column"], _rows_of(week.plan, None)
    own, values = np.arange(len(people)), _beside(customers, people, "groups")[name]
    labels, order = _levels(name, values, own, options["bands"].get(name), options["least"])
    groups = pd.Series(np.array([*order])[labels], people["customer_id"])
    rows = week.run.read_table("allocation").astype({"customer_id": groups.index.dtype})
    wide = rows[rows["action"] != NONE].pivot_table(["value", "cost"], "customer_id", "action")
    limits: Any = {"budget": float(rows["cost"][rows["chosen"]].sum()), "steps": FLOOR_STEPS}
    limits |= {"eligible": wide["value"].notna().to_numpy(), "currency": options["currency"]}
    value, cost = (wide[part].fillna(0.0).to_numpy() for part in ("value", "cost"))
    mine = groups.reindex(wide.index).to_numpy()
    return floor_curve(value, cost, mine, fewest["group"], **limits)


def _past_decisions(run: RunFolder, shop: Shop) -> pd.DataFrame:
    """Return decisions that chance drew, what came of them, and what was predicted."""
    trial = decisions_experiment(shop, as_of=run.as_of, early=True)
    names = {"margin": "reward", "discount_in_window": "discount"}
    rows = trial.frame[["customer_id", "action", *names]].rename(columns=names)
    got = rows["action"].to_numpy() != NONE
    none = np.nan if trial.propensity is None else trial.propensity[:, 0]
    rows["propensity"] = np.where(got, 1 - none, none)
    past = run.read_table("backtest").rename(columns={"promotion_id": "action", "y": "responded"})
    return rows.merge(past.astype(rows.dtypes[PAIR]), "left", PAIR)
