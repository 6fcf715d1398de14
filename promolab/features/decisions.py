"""A shop's own decisions as an experiment: who was assigned what, what was known, what followed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

from promolab.checks import real_number
from promolab.contract import CERTAIN, NONE, Experiment, is_special, read_operations
from promolab.contract import pooled_values as pooled
from promolab.errors import DataError, InputError, TooLittleError, nearest
from promolab.features.customers import build_features
from promolab.features.lines import order_lines
from promolab.features.point_in_time import fixed, joined
from promolab.features.rounds import before_them, chances_of, complete, known_until, rounds_of
from promolab.language import _
from promolab.wording import count

if TYPE_CHECKING:
    import pandas as pd

    from promolab.contract import Shop


OUTCOMES = ("margin", "sales", "purchases", "orders_placed")
"""What `outcomes_between` can count; `orders` is a feature, of the time before."""


def whole_margin_rate(shop: Shop) -> float | None:
    """Return the margin rate that the shop states for everything it sells, if it states one."""
    rate = read_operations(shop.settings).economics.margin_rate
    return None if rate.assumed else float(rate.value)


def placed_lines(shop: Shop) -> Any:
    """Return signed lines with ``placed``, when what they belong to was bought.

    What comes back counts where it was bought, if its order is known, else when it came back.

    Returns
    -------
    ibis Table
        customer_id, ts, placed, order_id, single_ts, product_id, bought, amount, discount.
    """
    import ibis

    columns = ("customer_id", "ts", "order_id", "single_ts", "product_id", "bought")
    lines = order_lines(shop).select(*columns, "amount", "discount")
    keys = ["customer_id", "order_id"]
    bought, back = lines.filter(lines.bought), lines.filter(~lines.bought)
    orders = bought.semi_join(back, keys)
    orders = orders.group_by(keys).aggregate(first_ts=orders.ts.min())
    known = joined(back, orders, keys)
    placed = ibis.least(known.first_ts.fill_null(known.ts), known.ts)
    known = known.mutate(placed=placed).drop("first_ts")
    return bought.mutate(placed=bought.ts).union(known.select(*bought.columns, "placed"))


def outcomes_between(shop: Shop, spans: pd.DataFrame, *, margin: bool = True) -> Any:
    """Return what each customer bought in each span; who bought nothing has no row.

    Parameters
    ----------
    shop : Shop
        With purchases; for the margin also ``products.margin_rate``, or a rate of its own.
    spans : DataFrame
        span (a number), low, high (UTC): bought at low ≤ ts < high; what came back before high is
        taken off.
    margin : bool
        Whether to count it.

    Returns
    -------
    ibis Table
        span, customer_id; margin = Σ (amount + discount) · margin rate − discount, before any cost
        of contacts; sales = Σ amount, and discount, all three of all products; orders_placed, those
        that were not wholly returned; purchases, 1 if there is such an order, else 0.

    Raises
    ------
    DataError
        If lines have a product without a margin rate, and the shop states none.
    """
    import ibis

    table = ibis.memtable(spans[["span", "low", "high"]])
    lines = placed_lines(shop)
    rows = lines.join(table, [lines.placed >= table.low, lines.placed < table.high])
    rows = rows.filter(rows.ts < rows.high)
    if margin:
        rows = with_margin(shop, rows)
    rows = rows.mutate(discount=fixed(rows.discount, 6))
    sums = ["amount", "discount", "margin"] if margin else ["amount", "discount"]
    orders = rows.group_by("span", "customer_id", "order_id", "single_ts").aggregate(
        bought=rows.bought.any(),
        gross=ibis.ifelse(rows.bought, rows.amount, 0).sum(),
        **{name: rows[name].sum() for name in sums},
    )
    returned = orders.gross > orders.amount
    kept = (orders.bought & ~(returned & (orders.amount <= 0))).cast("int64")
    found = orders.group_by("span", "customer_id").aggregate(
        **{
            name: orders[old].sum().cast("float64")
            for name, old in (("margin", "margin"), ("sales", "amount"), ("discount", "discount"))
            if old in sums
        },
        orders_placed=kept.sum(),
        purchases=kept.max(),
    )
    return found


def with_margin(shop: Shop, rows: Any) -> Any:
    """Add the margin of each line, in fixed point: sums of floats change with the threads.

    Parameters
    ----------
    rows : ibis Table
        Signed lines with product_id, amount and discount.

    Raises
    ------
    DataError
        If lines have a product without a margin rate, and the shop states none.
    """
    import ibis

    stated = whole_margin_rate(shop)
    rows = with_rates(shop, rows, ibis.null("float64") if stated is None else stated)
    if stated is None and shop.once(
        "unrated lines", ("events", "products"), lambda: _lacking(shop)
    ):
        _check_rates(shop, rows)
    amount, discount = rows.amount.cast("float64"), rows.discount.cast("float64")
    return rows.mutate(margin=fixed((amount + discount) * rows.rate - discount, 6))


def _lacking(shop: Shop) -> bool:
    """Say whether any line ever sold lacks a rate: else none of any window does."""
    import ibis

    lines = with_rates(shop, order_lines(shop), ibis.null("float64"))
    return bool(lines.rate.isnull().any().execute())


def with_rates(shop: Shop, rows: Any, default: Any) -> Any:
    """Add the margin rate of each line's product, or a default, as ``rate``."""
    import ibis

    if shop.has("products", "margin_rate"):
        products = shop.products.group_by("product_id").aggregate(
            margin_rate=shop.products.margin_rate.cast("float64").max()
        )
        # A stored NaN is a missing rate as well.
        own = products.margin_rate
        products = products.mutate(margin_rate=ibis.ifelse(own.isnan(), None, own))
        rows = joined(rows, products, ["product_id"])
        return rows.mutate(rate=rows.margin_rate.fill_null(default)).drop("margin_rate")
    return rows.mutate(rate=default)


def _check_rates(shop: Shop, rows: Any) -> None:
    without = rows.aggregate(n=rows.count(), known=rows.rate.count()).execute().iloc[0]
    n, lacking = int(without["n"]), int(without["n"] - without["known"])
    if lacking:
        raise DataError(
            f"{count(lacking)} of {count(n)} order lines in the windows have no margin rate: "
            f"{shop.settings.name} states none in products.margin_rate for them and none for all. "
            "Write margin_rate = 0.3, or what it is, in shop.toml, or ask for other outcomes: "
            'outcomes=["sales", "purchases", "orders_placed"]'
        )


BEFORE = "_before"
"""Ending of the placebo outcomes."""
EARLY = {"margin_in_window": "margin", "discount_in_window": "discount"}
"""What is counted in the window alone, and of which of `outcomes_between`."""
NO_ATTRIBUTES = ("customer_id", "status", "since", "cluster_id")
"""Columns of customers that may have changed since, or say who rather than what a customer is."""
BY = ("promotion", "kind")
WITHIN = "share_of_arm"
"""Column: the chance of the action taken among those of its arm."""
KEYS = ("decision_id", "customer_id", "ts", "action", "holdout", "arm", "span", "round", WITHIN)
ORDER = ("ts", "customer_id", "decision_id")
ROUND = "%Y-%m-%d %H:%M"


def decisions_experiment(
    shop: Shop,
    at: Any = None,
    *,
    horizon_days: int = 28,
    arms: Sequence[str] | str | None = None,
    by: str | None = None,
    outcomes: Sequence[str] = OUTCOMES,
    as_of: Any = None,
    early: bool = False,
    kept: Experiment | None = None,
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
    early : bool
        Whether to count margin and discount of the window alone, too: weeks after it hold more
        chance than effect, so that customers are told apart better by the window (the margin must
        be the first outcome).
    kept : Experiment, optional
        What this function returned for the same shop at an earlier time, asked alike: only rounds
        that it lacks are worked out, and put behind it (with ``at`` left out). What was known at a
        decision, and what came of it by the end of its horizon, does not change.

    Returns
    -------
    Experiment
        One row per decision, in the order of its time and customer. Control ``none``. Covariates:
        `promolab.build_features` as of the decision, and the customers' attributes. Outcomes: from
        the start of the first window among the arms to the end of the last plus ``horizon_days``,
        the same for all arms of a round; margin = Σ (amount + discount) · margin rate − discount
        over all products, without the cost of the contact. Placebo outcomes (``margin_before`` …):
        the same over as long a time before the decision; nan where the shop was not there yet.
        ``block`` is the round; ``action`` and ``share_of_arm`` say which promotion of the arm it
        was, and by what chance given the arm. Decisions with only one possible action, such as the
        standing holdout's, are left out, for no chance decided them; a note says how many.

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
    real_number("horizon_days", horizon_days, least=0, most=3650)
    until = known_until(shop, as_of)
    known = list(kept.frame["ts"].unique()) if kept is not None and at is None else []
    rounds = rounds_of(shop, at, until, known)
    horizon = timedelta(days=horizon_days)
    if at is None:
        if kept is not None:
            by = by or "kind"
            if not (rounds.groupby("ts")["ends_at"].max() + horizon <= until).any():
                return kept
        usable = complete(rounds, horizon, until, every=False)["ts"]
        rounds = rounds[rounds["ts"].isin(usable)]
    by = by or ("promotion" if len(rounds["ts"].unique()) == 1 else "kind")
    if by not in BY:
        raise InputError(f"by is {by!r}; {nearest(str(by), BY)}")
    rounds = _with_arms(rounds, by, arms)
    spans = complete(rounds, horizon, until, every=True)
    rounds = rounds[rounds["ts"].isin(spans["ts"])]
    chosen = _decisions(shop, rounds, spans)
    chosen, chances, notes = _with_a_choice(shop, chosen, rounds)
    soon: dict[str, str] = EARLY if early and outcomes[0] == "margin" else {}
    within = spans.assign(high=spans["high"] - horizon)
    measured, placebo = with_outcomes(shop, chosen, spans, outcomes, (within, soon))
    if soon:
        notes.append(
            _(
                "Customers are told apart by the margin of the window alone, as the weeks after it "
                "hold more chance than effect; averages, and how far differences are believed, are "
                "of the whole time."
            )
        )
    attributes = attributes_of(shop)
    described = _described(shop, measured, attributes, spans["ts"].tolist())
    frame = described.order_by(ORDER).execute()
    moments = frame["ts"].drop_duplicates()  # few, of many rows
    frame["round"] = frame["ts"].map(dict(zip(moments, moments.dt.strftime(ROUND), strict=True)))
    taken = {*KEYS, *outcomes, *placebo, *soon, "cluster_id"}
    found = Experiment(
        frame.drop(columns="span"),
        "arm",
        NONE,
        [c for c in frame.columns if c not in taken],
        outcomes,
        propensity=chances,
        placebo=placebo,
        early=tuple(soon),
        block="round",
        household="cluster_id" if "cluster_id" in frame.columns else None,
        arms=_names(rounds),
        name=shop.settings.name,
        notes=notes,
    )
    return found if kept is None else one_after(kept, found)


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
    chances, share, notes = chances_of(shop, frame, rounds, _names(rounds))
    if chances is None or share is None:
        return chosen, None, notes
    # Where an arm has several promotions: the chance of the one taken, given the arm.
    shares = ibis.memtable(frame[["decision_id"]].assign(**{WITHIN: share}))
    chosen = chosen.join(shares, "decision_id").cache()
    certain = chances.max(axis=1) > CERTAIN
    if certain.all():
        raise TooLittleError(
            "every decision had one possible action only: chance decided nothing, so that effects "
            "are not identified"
        )
    if not certain.any():
        return chosen, chances, notes
    standing = int((frame["holdout"][certain] == "standing").sum())
    notes.append(
        _(
            "Decisions with only one possible action are left out: {n}, {standing} of them of the "
            "standing holdout.",
            n=count(certain.sum()),
            standing=count(standing),
        )
    )
    left = ibis.memtable(frame.loc[certain, ["decision_id"]])
    return chosen.anti_join(left, "decision_id").cache(), chances[~certain], notes


def with_outcomes(
    shop: Shop,
    chosen: Any,
    spans: pd.DataFrame,
    outcomes: Sequence[str],
    *also: tuple[pd.DataFrame, Mapping[str, str]],
) -> tuple[Any, tuple[str, ...]]:
    """Add the outcomes, those before the decision where any round has them, and other spans'.

    Each is null in spans that are not there. Lines are read once for all.
    """
    import pandas as pd

    before, of = before_them(shop, spans), {f"{name}{BEFORE}": name for name in outcomes}
    placebo = {} if before.empty else of
    parts = [(spans, {name: name for name in outcomes}), (before, placebo), *also]
    parts = [(part, names) for part, names in parts if names]
    step = int(spans["span"].max()) + 1
    each = [part.assign(span=part["span"] + k * step) for k, (part, _) in enumerate(parts)]
    found = outcomes_between(shop, pd.concat(each), margin="margin" in outcomes).cache()
    table = chosen
    for k, (part, names) in enumerate(parts):
        mine = found.filter(found.span.between(k * step, (k + 1) * step - 1))
        columns = {name: mine[counted] for name, counted in names.items()}
        mine = mine.select("customer_id", span=mine.span - k * step, **columns)
        table = joined(table, mine, ["span", "customer_id"])
        known = table.span.isin(part["span"].tolist())
        table = table.mutate(**{n: known.ifelse(table[n].fill_null(0), None) for n in names})
    return table, tuple(placebo)


def attributes_of(shop: Shop) -> list[str]:
    """Return the columns of customers that describe them.

    Personal ones, kept or not, are left out, and special categories that the shop does not declare.
    """
    if not shop.has("customers"):
        return []
    personal = shop.personal_in("customers", kept=True)
    columns = shop.customers.schema().items()
    personal += [c for c, _ in columns if is_special(c) and c not in shop.settings.declared]
    return [
        name
        for name, kind in columns
        if name not in (*NO_ATTRIBUTES, *personal, "flags") and not kind.is_temporal()
    ]


def _described(shop: Shop, measured: Any, attributes: list[str], moments: list[Any]) -> Any:
    """Add what was known: features as of each decision, and attributes."""
    measured = measured.mutate(as_of=measured.ts).cache()
    one = moments[0] if len(moments) == 1 else measured.select("customer_id", "as_of")
    features = build_features(shop, one)
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


ROLES = ("arm", "control", "covariates", "outcomes", "early", "block", "household")


def one_after(earlier: Experiment, later: Experiment) -> Experiment:
    """Return the decisions of an experiment, and behind them those of a later one.

    Parameters
    ----------
    earlier, later : Experiment
        Of the same columns, with known chances; every decision of the first was made before any of
        the second.

    Returns
    -------
    Experiment
        With the arms of both, and the notes of both, each once.

    Raises
    ------
    InputError
        Their columns differ, or their times overlap.

    Examples
    --------
    >>> import pandas as pd
    >>> def of(day, arm):
    ...     rows = pd.DataFrame({"customer_id": [1, 2], "arm": ["none", arm], "spend": [0.0, 1.0]})
    ...     rows["ts"] = pd.Timestamp(day)
    ...     return Experiment(rows, "arm", "none", [], ["spend"], propensity=[[0.5, 0.5]] * 2)
    >>> found = one_after(of("2024-07-01", "coupon"), of("2024-07-08", "mail"))
    >>> found.n, found.arms, found.propensity[3].tolist()
    (4, ('none', 'coupon', 'mail'), [0.5, 0.0, 0.5])
    """
    import pandas as pd

    for name in ROLES:
        if getattr(earlier, name) != getattr(later, name):
            raise InputError(
                f"kept has other {name} than these decisions; give what was made of the same shop "
                "and asked alike, or leave it out"
            )
    if earlier.frame["ts"].max() >= later.frame["ts"].min():
        raise InputError(
            "kept holds decisions later than those that it lacks; give what was made at an earlier "
            "time, or leave it out"
        )
    treatments = sorted({*earlier.treatments, *later.treatments}, key=str)
    arms = (earlier.control, *treatments)
    return replace(
        earlier,
        frame=pd.concat([earlier.frame, later.frame], ignore_index=True),
        propensity=np.vstack([_spread(one, arms) for one in (earlier, later)]),
        arms=arms,
        placebo=max(earlier.placebo, later.placebo, key=len),  # the first round may have none
        notes=tuple(dict.fromkeys((*earlier.notes, *later.notes))),
    )


def _spread(trial: Experiment, arms: tuple[object, ...]) -> np.ndarray:
    """Return the chances of all arms, 0 of one that was not there."""
    found = np.zeros((trial.n, len(arms)))
    found[:, [arms.index(arm) for arm in trial.arms]] = trial.propensity
    return found
