"""What people change of a plan by hand: a promotion out, a list capped, a customer forced out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from promolab.campaign.plan.result import LEFT, Plan, count_steps
from promolab.checks import columns_there, whole_number
from promolab.contract import NONE
from promolab.errors import InputError
from promolab.results import Result

BY_HAND = "by_hand"
"""Step of the funnel at which whoever is taken out by hand leaves it."""
_COLUMNS = ("number", "kind", "promotion_id", "most", "customer_id", "reason", "planned")


@dataclass(frozen=True)
class Overrides(Result):
    """What is to be changed of a plan before it is released.

    Parameters
    ----------
    without : tuple of str
        Promotions to take out, by id; one of a bundle takes the whole bundle out.
    caps : mapping of str to int
        Promotion → most customers to plan for it, those to be held out included.
    forced_out : mapping of object to str
        Customer → why nothing may be sent to them this week.

    Examples
    --------
    >>> Overrides(without=("18",), forced_out={7: "asked at the till"}).summary()
    'Promotion 18 taken out; 1 customer forced out.'
    >>> bool(Overrides())
    False
    """

    without: tuple[str, ...] = ()
    caps: Mapping[str, int] = field(default_factory=dict)
    forced_out: Mapping[Any, str] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.without or self.caps or self.forced_out)

    def facts(self) -> dict[str, Any]:
        """Return each change by its kind."""
        parts: list[dict[str, Any]] = []
        if self.without:
            parts.append({"kind": "without", "promotions": self.without})
        parts += [{"kind": "cap", "promotion": p, "most": n} for p, n in self.caps.items()]
        if self.forced_out:
            parts.append({"kind": "forced", "customers": len(self.forced_out)})
        return {"any": bool(self), "parts": parts}

    @classmethod
    def read(cls, file: str | Path) -> dict[str, str]:
        """Return whom a csv file forces out, and why: columns customer_id, reason.

        Raises
        ------
        InputError
            If there is no such file, a column or a reason is missing, or a customer stands in it
            twice.
        """
        path = Path(file).expanduser()
        if not path.is_file():
            raise InputError(f"there is no file {path}; give a csv with customer_id and reason")
        try:
            rows = pd.read_csv(path, dtype=str, keep_default_na=False)
        except (ValueError, OSError) as error:
            raise InputError(f"{path} cannot be read as csv ({error}); save it again") from error
        columns_there(rows, ("customer_id", "reason"), path.name)
        twice = rows["customer_id"].duplicated()
        if twice.any():
            raise InputError(
                f"{path.name}: customer {rows.loc[twice, 'customer_id'].iloc[0]} stands there "
                "twice; give each once"
            )
        return dict(zip(rows["customer_id"], rows["reason"], strict=True))


@dataclass(frozen=True)
class Overridden(Result):
    """A plan with what was changed of it by hand; made by `override_plan`.

    Parameters
    ----------
    plan : Plan
        As it is then.
    frame : DataFrame
        A row per override: number, kind (``taken out``, ``capped``, ``forced out``), promotion_id,
        most, customer_id, reason, and how many planned rows it took off the lists.
    overrides : Overrides
        What was asked.
    """

    plan: Plan
    frame: pd.DataFrame = field(repr=False)
    overrides: Overrides

    def facts(self) -> dict[str, Any]:
        """Return what was asked, and how many planned customers that took off the lists."""
        return {"asked": self.overrides.summary, "gone": int(self.frame["planned"].sum())}


def override_plan(
    plan: Plan, overrides: Overrides, values: pd.DataFrame | None = None
) -> Overridden:
    """Change a plan by hand: whom that takes off a list gets nothing else in its place.

    First customers are forced out, then promotions, then lists are cut to their caps.

    Parameters
    ----------
    plan : Plan
        A draft.
    overrides : Overrides
        What is to be changed.
    values : DataFrame, optional
        customer_id, action, value: what contacts are predicted to add; needed to cap the list of a
        promotion whose customers an allocation chose.

    Returns
    -------
    Overridden

    Raises
    ------
    InputError
        A promotion or customer that is none of the plan's, a cap that is no whole number of 0 or
        more, a reason that is missing.

    Notes
    -----
    Who is forced out is not eligible: no decision about them is on record, so they enter no later
    comparison, held out or not. Whom to force out must be said without a look at the draw of the
    holdout, or those who are left of the two sides are no longer alike.

    A promotion that is taken out is no action any more: its chances go to ``none``, for all who
    could have got it. A cap keeps the best by the order that made the list (by the predicted value
    where an allocation chose, of equals by the chance of a response, then by id) down to the last
    whom the cap admits, held out or not; the rule is no look at the draw. Whoever ranks below has
    no chance of that action, planned for it or not. Given that rule, the chances of all others are
    as they were.
    The standing holdout stays what it is.

    Examples
    --------
    >>> from promolab.campaign.plan.planning import plan_week
    >>> from promolab.contract import Shop
    >>> nobody = pd.DataFrame({"customer_id": [], "promotion_id": [], "p_redeemed": []})
    >>> plan = plan_week(Shop({}), nobody, "2017-03-06", [])
    >>> override_plan(plan, Overrides(without=("18",)))
    Traceback (most recent call last):
    ...
    promolab.errors.InputError: promotion '18' is none of the plan's; these are: none
    """
    out = [_known(plan, name) for name in dict.fromkeys(overrides.without)]
    caps = {_known(plan, p): whole_number("cap", n, 0) for p, n in overrides.caps.items()}
    rows = [_forced(plan, customer, why) for customer, why in overrides.forced_out.items()]
    made = _without_customers(plan, [row["customer_id"] for row in rows])
    for promotion in out:
        before = len(made.planned)
        made = _without_action(made, _action(plan, promotion))
        rows.append({"kind": "taken out", "promotion_id": str(promotion)})
        rows[-1]["planned"] = before - len(made.planned)
    for promotion, most in caps.items():
        before = len(made.planned)
        made = _capped(made, _action(plan, promotion), most, values)
        rows.append({"kind": "capped", "promotion_id": str(promotion), "most": most})
        rows[-1]["planned"] = before - len(made.planned)
    return Overridden(_counted(made), _recorded(rows), overrides)


def _known(plan: Plan, promotion: Any) -> Any:
    """Return a promotion's id as the plan has it."""
    ids = plan.funnel["promotion_id"].tolist()
    found = [one for one in ids if str(one) == str(promotion).strip()]
    if not found:
        known = ", ".join(map(str, ids)) or "none"
        raise InputError(f"promotion {str(promotion)!r} is none of the plan's; these are: {known}")
    return found[0]


def _action(plan: Plan, promotion: Any) -> str:
    return str(plan.funnel.loc[plan.funnel["promotion_id"] == promotion, "action"].iloc[0])


def _forced(plan: Plan, customer: Any, why: str) -> dict[str, Any]:
    """Return the record of a customer who is forced out."""
    known = plan.steps["customer_id"]
    kind = known.dtype.kind
    text = str(customer).strip()
    try:
        mine = int(text) if kind in "iu" else text
    except ValueError:
        mine = text
    if not (known == mine).any():
        raise InputError(
            f"customer {text!r} is none of the plan's active customers; give an id as the send "
            "files have it"
        )
    if not str(why).strip():
        raise InputError(f"customer {text} is forced out without a reason; say why")
    planned = int((plan.planned["customer_id"] == mine).sum())
    row = {"kind": "forced out", "customer_id": mine, "reason": str(why).strip()}
    return row | {"planned": planned}


def _recorded(rows: list[dict[str, Any]]) -> pd.DataFrame:
    told = [row | {"number": number} for number, row in enumerate(rows, 1)]
    frame = pd.DataFrame(told, columns=list(_COLUMNS)).astype({"most": "Int64"})
    for name in ("promotion_id", "customer_id", "reason"):
        frame[name] = [
            "" if value is None or value != value else str(value) for value in frame[name]
        ]
    return frame.astype({"number": "int64", "planned": "int64", "kind": "str"})


def _without_customers(plan: Plan, customers: list[Any]) -> Plan:
    """Return a plan in which some customers are not eligible for anything."""
    if not customers:
        return plan
    gone = plan.steps["customer_id"].isin(customers)
    ids = plan.decisions.loc[plan.decisions["customer_id"].isin(customers), "decision_id"]
    return replace(
        plan,
        steps=_at(plan.steps, gone & ~plan.steps["step"].isin(LEFT), BY_HAND),
        planned=_but(plan.planned, plan.planned["customer_id"].isin(customers)),
        decisions=_but(plan.decisions, plan.decisions["decision_id"].isin(ids)),
        propensities=_but(plan.propensities, plan.propensities["decision_id"].isin(ids)),
    )


def _without_action(plan: Plan, action: str) -> Plan:
    """Return a plan in which nobody gets an action, nor could have."""
    gone = plan.planned["action"].astype(str) == action
    barred = plan.propensities.loc[plan.propensities["action"] == action, "decision_id"]
    return _moved(plan, gone, action, pd.Index(barred), BY_HAND)


def _capped(plan: Plan, action: str, most: int, values: pd.DataFrame | None) -> Plan:
    """Return a plan in which an action's list holds the best of its customers."""
    gone = plan.planned["action"].astype(str) == action
    mine = plan.planned.loc[gone, "customer_id"].unique()
    if len(mine) <= most:
        return plan
    able = plan.propensities.loc[plan.propensities["action"] == action, ["decision_id"]]
    able = able.merge(plan.decisions[["decision_id", "customer_id"]], on="decision_id")
    ranked = pd.concat([able["customer_id"], pd.Series(mine)]).drop_duplicates()
    order = best_first(plan, action, ranked, values)
    place = pd.Series(np.arange(len(order)), index=order)
    last = np.sort(place[mine].to_numpy())[most - 1] if most else -1
    below = place.index[place > last]
    barred = able.loc[able["customer_id"].isin(below), "decision_id"]
    gone &= plan.planned["customer_id"].isin(below)
    return _moved(plan, gone, action, pd.Index(barred), "not_planned")


def best_first(
    plan: Plan, action: str, customers: pd.Series[Any], values: pd.DataFrame | None = None
) -> pd.Index:
    """Return customers in the order that an action's list was made by, the best first.

    Parameters
    ----------
    plan : Plan
    action : str
        A promotion or bundle of the plan.
    customers : Series of ids
        Each once.
    values : DataFrame, optional
        As of `override_plan`.
    """
    if action in plan.by_effect:
        if values is None:
            raise InputError(f"values are needed to cap the list of promotion {action}")
        columns_there(values, ("customer_id", "action", "value"), "values")
        rows = values[values["action"].astype(str) == action]
        worth = rows.set_index("customer_id")["value"]
    ids = plan.funnel.loc[plan.funnel["action"].astype(str) == action, "promotion_id"]
    rows = plan.steps[plan.steps["promotion_id"].isin(ids)]
    chance = rows.groupby("customer_id")["p_redeemed"].max()
    told = pd.DataFrame({"id": customers.to_numpy(), "worth": 0.0})
    if action in plan.by_effect:
        told["worth"] = worth.reindex(told["id"]).to_numpy()
    told["chance"] = chance.reindex(told["id"]).to_numpy()
    told = told.sort_values(["worth", "chance", "id"], ascending=[False, False, True])
    ranked: pd.Index = pd.Index(told["id"])
    return ranked


def _moved(plan: Plan, gone: pd.Series[bool], action: str, barred: pd.Index, step: str) -> Plan:
    """Return a plan without some planned rows of an action, and without chances of it.

    Parameters
    ----------
    plan : Plan
    gone : Series of bool
        Which rows of ``planned`` go.
    action : str
    barred : Index of decision ids
        Who cannot get the action any more, planned for it or not.
    step : str
        Where those who go leave the funnel.
    """
    keys = ["customer_id", "promotion_id"]
    left = plan.steps[keys].merge(plan.planned.loc[gone, keys], how="left", indicator=True)
    ids = plan.planned.loc[gone, "decision_id"].unique()
    chances = _to_none(plan.propensities, action, barred)
    decisions = plan.decisions.copy()
    out = decisions["decision_id"].isin(ids)
    decisions.loc[out, ["action", "planned_action"]] = NONE
    # The standing holdout is drawn among all who are eligible, whatever they are planned for.
    decisions.loc[out & (decisions["holdout"] != "standing"), "holdout"] = NONE
    own = decisions[["decision_id", "action"]].merge(chances, how="left")["propensity"]
    changed = decisions["decision_id"].isin(barred) | out
    decisions["propensity"] = decisions["propensity"].where(~changed, own.to_numpy())
    return replace(
        plan,
        steps=_at(plan.steps, (left["_merge"] == "both").to_numpy(), step),
        planned=_but(plan.planned, gone),
        decisions=decisions,
        propensities=chances,
    )


def _to_none(chances: pd.DataFrame, action: str, barred: pd.Index) -> pd.DataFrame:
    """Return chances in which those of an action went to ``none``, for some decisions."""
    mine = (chances["action"] == action) & chances["decision_id"].isin(barred)
    kept = chances[~mine]
    rest = 1 - kept[kept["action"] != NONE].groupby("decision_id")["propensity"].sum()
    rest = rest.reindex(pd.Index(chances.loc[mine, "decision_id"].unique()), fill_value=1.0)
    nothing = pd.DataFrame({"decision_id": rest.index, "action": NONE, "propensity": rest})
    old = (kept["action"] == NONE) & kept["decision_id"].isin(rest.index)
    made = pd.concat([kept[~old], nothing], ignore_index=True)
    made = made.sort_values(["decision_id", "action"], ignore_index=True)
    return made.astype(dict.fromkeys(("decision_id", "action"), "str"))


def _at(steps: pd.DataFrame, rows: Any, step: str) -> pd.DataFrame:
    """Return steps with some rows at another one."""
    moved = steps.copy()
    moved.loc[np.asarray(rows), "step"] = step
    return moved


def _but(table: pd.DataFrame, rows: pd.Series[bool]) -> pd.DataFrame:
    return table[~rows].reset_index(drop=True)


def _counted(plan: Plan) -> Plan:
    """Return a plan with its funnel counted again."""
    return replace(plan, funnel=count_steps(plan.steps, plan.funnel))
