"""A shop's own decisions as an experiment: who was assigned what, what was known, what followed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from promolab.contract import CERTAIN, NONE, Experiment
from promolab.contract import pooled_values as pooled
from promolab.errors import DataError, InputError, nearest
from promolab.features.customers import build_features
from promolab.features.outcomes import OUTCOMES, outcomes_between
from promolab.features.point_in_time import joined
from promolab.features.rounds import before_them, chances_of, complete, known_until, rounds_of
from promolab.wording import count, plural

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from promolab.contract import Shop

__all__ = ["attributes_of", "decisions_experiment", "with_outcomes"]

BEFORE = "_before"
"""Ending of the placebo outcomes."""
NO_ATTRIBUTES = ("customer_id", "status", "since", "cluster_id")
"""Columns of customers that may have changed since, or say who rather than what a customer is."""
BY = ("promotion", "kind")
KEYS = ("decision_id", "customer_id", "ts", "action", "holdout", "arm", "span", "round")
ORDER = ("ts", "customer_id", "decision_id")


def decisions_experiment(
    shop: Shop,
    at: Any = None,
    *,
    horizon_days: int = 28,
    arms: Sequence[str] | str | None = None,
    by: str | None = None,
    outcomes: Sequence[str] = OUTCOMES,
    as_of: Any = None,
) -> Experiment:
    """Turn a shop's decisions into an experiment.

    Parameters
    ----------
    shop : Shop
        With decisions and promotions; decision_propensities tell the chances of the actions.
    at : datetime or sequence of datetime, optional
        Moments of decisions (UTC if they have no zone), by default all whose horizon is over.
    horizon_days : int
        Days after the window in which outcomes count.
    arms : str or sequence of str, optional
        Actions (or kinds of promotion) to compare with none; by default all.
    by : {"promotion", "kind"}, optional
        Whether an arm is a promotion (the default of one round) or all promotions of a kind (of
        several rounds, in which promotions are not the same).
    outcomes : sequence of str
        Of margin, sales, purchases (bought at all, 0 or 1) and orders_placed; the first is the
        main one.
    as_of : datetime, optional
        Nothing at or after it is read; by default all that the shop has.

    Returns
    -------
    Experiment
        One row per decision, in the order of its time and customer. Control ``none``. Covariates:
        `promolab.build_features` as of the decision, and the customers' attributes. Outcomes: from
        the start of the first window among the arms to the end of the last plus ``horizon_days``,
        the same for all arms of a round; margin = Σ (amount + discount) · margin rate − discount
        over all products, without the cost of the contact. Placebo outcomes (``margin_before`` …):
        the same over as long a time before the decision; nan where the shop was not there yet.
        ``block`` is the round. Decisions with only one possible action, such as the standing
        holdout's, are left out, for no chance decided them; a note says how many.

    Raises
    ------
    DataError
        If the shop has no decisions, no margin rate, or chances that contradict the decisions.
    InputError
        If there is no such round or arm, or a horizon is not over.

    Examples
    --------
    >>> from promolab import load_shop
    >>> trial = decisions_experiment(load_shop("simulated", customers=300, weeks=12))
    >>> trial.control, len(trial.treatments), trial.outcomes[0], trial.design
    ('none', 4, 'margin', 'known')
    """
    shop.require("effects")
    if not shop.has("promotions"):
        raise DataError(f"effects need the table 'promotions', which {shop.settings.name} lacks")
    outcomes = _outcomes(outcomes)
    if not 0 <= horizon_days <= 3650:
        raise InputError(f"horizon_days = {horizon_days}, must be a number of days from 0 on")
    until = known_until(shop, as_of)
    rounds = rounds_of(shop, at, until)
    horizon = timedelta(days=horizon_days)
    if at is None:
        usable = complete(rounds, horizon, until, every=False)
        rounds = rounds[rounds["ts"].isin(usable["ts"])]
    by = by or ("promotion" if len(rounds["ts"].unique()) == 1 else "kind")
    if by not in BY:
        raise InputError(f"by is {by!r}; {nearest(str(by), BY)}")
    rounds = _with_arms(rounds, by, arms)
    spans = complete(rounds, horizon, until, every=True)
    rounds = rounds[rounds["ts"].isin(spans["ts"])]
    chosen = _decisions(shop, rounds, spans)
    chosen, chances, notes = _with_a_choice(shop, chosen, rounds)
    measured, placebo = with_outcomes(shop, chosen, spans, outcomes)
    attributes = attributes_of(shop)
    described = _described(shop, measured, attributes)
    frame = described.order_by(ORDER).execute()
    frame["round"] = frame["ts"].dt.strftime("%Y-%m-%d %H:%M")
    taken = {*KEYS, *outcomes, *placebo, "cluster_id"}
    return Experiment(
        frame.drop(columns="span"),
        "arm",
        NONE,
        [c for c in frame.columns if c not in taken],
        outcomes,
        propensity=chances,
        placebo=placebo,
        block="round",
        household="cluster_id" if "cluster_id" in frame.columns else None,
        arms=_names(rounds),
        name=shop.settings.name,
        notes=notes,
    )


def _outcomes(given: Sequence[str]) -> tuple[str, ...]:
    names = (given,) if isinstance(given, str) else tuple(given)
    for name in names:
        if name not in OUTCOMES:
            raise InputError(f"there is no outcome {name!r}; {nearest(str(name), OUTCOMES)}")
    if not names or len(set(names)) < len(names):
        raise InputError(f"outcomes are {names}; name at least one, each once")
    return names


def _with_arms(rounds: pd.DataFrame, by: str, arms: Any) -> pd.DataFrame:
    """Name the arm of each action, and keep those asked for and none."""
    rounds = rounds.assign(arm=rounds["action" if by == "promotion" else "kind"])
    if arms is None:
        return rounds
    wanted = {str(arm) for arm in ([arms] if isinstance(arms, str) else arms)} - {NONE}
    known = sorted(set(rounds["arm"]) - {NONE})
    for arm in sorted(wanted):
        if arm not in known:
            raise InputError(f"there is no arm {arm!r} in these rounds; {nearest(arm, known)}")
    if not wanted:
        raise InputError(f"arms names none to compare with {NONE!r}; {nearest('', known)}")
    return rounds[rounds["arm"].isin({*wanted, NONE})]


def _decisions(shop: Shop, rounds: pd.DataFrame, spans: pd.DataFrame) -> Any:
    """Return the decisions for one of the arms: keys, arm, and the number of their span."""
    import ibis

    made = shop.decisions
    actions = ibis.memtable(rounds[["ts", "action", "arm"]].astype({"ts": "datetime64[us]"}))
    numbers = ibis.memtable(spans[["ts", "span"]].astype({"ts": "datetime64[us]"}))
    held = made.holdout.fill_null(NONE) if "holdout" in made.columns else ibis.literal(NONE)
    made = made.select(
        "decision_id", "customer_id", "ts", action=made.action.cast("string"), holdout=held
    )
    made = made.join(actions, ["ts", "action"]).join(numbers, "ts")
    return made.select(
        "decision_id", "customer_id", "ts", "action", "holdout", "arm", "span"
    ).cache()


def _names(rounds: pd.DataFrame) -> list[str]:
    return [NONE, *sorted(set(rounds["arm"]) - {NONE})]


def _with_a_choice(
    shop: Shop, chosen: Any, rounds: pd.DataFrame
) -> tuple[Any, np.ndarray | None, list[str]]:
    """Return the decisions that chance decided, their chances in `ORDER`, and notes."""
    import ibis

    frame = chosen.order_by(ORDER).execute()
    chances, notes = chances_of(shop, frame, rounds, _names(rounds))
    if chances is None:
        return chosen, None, notes
    certain = chances.max(axis=1) > CERTAIN
    if certain.all():
        raise DataError(
            "every decision had one possible action only: chance decided nothing, so that effects "
            "are not identified"
        )
    if not certain.any():
        return chosen, chances, notes
    standing = int((frame["holdout"][certain] == "standing").sum())
    notes.append(
        f"{plural(int(certain.sum()), 'decision')} with only one possible action left out, "
        f"{count(standing)} of them of the standing holdout."
    )
    left = ibis.memtable(frame.loc[certain, ["decision_id"]])
    return chosen.anti_join(left, "decision_id").cache(), chances[~certain], notes


def with_outcomes(
    shop: Shop, chosen: Any, spans: pd.DataFrame, outcomes: Sequence[str]
) -> tuple[Any, tuple[str, ...]]:
    """Add the outcomes, and those before the decision where any round has them."""
    table, placebo = chosen, tuple(f"{name}{BEFORE}" for name in outcomes)
    for part, names in ((spans, outcomes), (before_them(shop, spans), placebo)):
        if part.empty:
            return table, ()
        found = outcomes_between(shop, part, margin="margin" in outcomes)
        found = found.select(
            "span", "customer_id", **{n: found[o] for n, o in zip(names, outcomes, strict=True)}
        )
        table = joined(table, found.cache(), ["span", "customer_id"])
        known = table.span.isin(part["span"].tolist())
        table = table.mutate(**{n: known.ifelse(table[n].fill_null(0), None) for n in names})
    return table, placebo


def attributes_of(shop: Shop) -> list[str]:
    """Return the columns of customers that describe them; personal ones, kept or not, left out."""
    from promolab.contract import personal_in

    if not shop.has("customers"):
        return []
    personal = personal_in(shop, "customers", kept=True)
    columns = shop.customers.schema().items()
    return [
        name
        for name, kind in columns
        if name not in (*NO_ATTRIBUTES, *personal, "flags") and not kind.is_temporal()
    ]


def _described(shop: Shop, measured: Any, attributes: list[str]) -> Any:
    """Add what was known: features as of each decision, and attributes."""
    measured = measured.mutate(as_of=measured.ts).cache()
    features = build_features(shop, measured.select("customer_id", "as_of"))
    table = joined(measured, features.cache(), ["customer_id", "as_of"]).drop("as_of")
    household = ["cluster_id"] if shop.has("customers", "cluster_id") else []
    if not attributes and not household:
        return table
    clash = [name for name in attributes if name in (*table.columns, "round")]
    customers = shop.customers.distinct(on="customer_id", keep="first")
    described = pooled(customers, attributes, shop.settings)
    described |= {name: customers[name] for name in household}
    named = {f"customer_{n}" if n in clash else n: value for n, value in described.items()}
    return joined(table, customers.select("customer_id", **named), ["customer_id"])
