"""Which of their tables belong together: what is said once, and ids that two of them share."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from promolab.contract import TABLES, without_zeros
from promolab.onboarding.guesses import Choice, Look, Pick, is_id, times_of
from promolab.sources import kind_of_word

MATCHING = 0.5
"""Share of the events' customers that a column must hold to be the same id."""
HARDLY = 0.05


def combined(chosen: Sequence[Choice]) -> tuple[dict[str, list[Choice]], list[str]]:
    """Return which of their tables make each of the contract's, and which are left out and why.

    Parameters
    ----------
    chosen : sequence of Choice
        At most one for each of theirs.

    Returns
    -------
    found : dict of str to list of Choice
        By the contract's table.
    remarks : list of str
        Sentences on those left out.
    """
    found: dict[str, list[Choice]] = {}
    remarks = []
    for table in TABLES:
        choices = [choice for choice in chosen if choice.table == table]
        if not choices:
            continue
        best = min(choices, key=_order)
        if table == "events":
            logs = [choice for choice in choices if is_log(choice)]
            sales = [choice for choice in choices if choice not in logs]
            best = min(sales or logs, key=_order)
            kept = [c for c in choices if c in logs or _shape(c) == _shape(best)]
        else:
            kept = [c for c in choices if _shape(c) == _shape(best)]
        found[table] = kept
        remarks += [_left_out(choice, best) for choice in choices if choice not in kept]
    return found, remarks


def _order(choice: Choice) -> tuple[Any, ...]:
    worth = choice.has("amount") or choice.has("price")
    events = (not choice.has("product_id"), not worth, not choice.has("order_id"))
    rank = 9_999 if choice.rank is None else choice.rank
    rest = (bool(choice.doubts), not choice.theirs.own, rank)
    return (*(events if choice.table == "events" else ()), *rest)


def _shape(choice: Choice) -> tuple[str, ...]:
    return tuple(sorted(look.name for look in choice.looks))


def is_log(choice: Choice) -> bool:
    """Tell whether events are (also) views, clicks and the like."""
    if choice.has("kind"):
        kinds = {kind_of_word("events", value) for value in choice.picks["kind"].look.values}
        return bool(kinds & {"view", "click", "cart"})
    return not any(choice.has(column) for column in ("amount", "price", "order_id", "quantity"))


def _left_out(choice: Choice, best: Choice) -> str:
    said = f"{choice.theirs.name} looks like {choice.table} as well: not used, since "
    if choice.table != "events":
        return said + f"{best.theirs.name} is a likelier one."
    return (
        f"{said}{best.theirs.name} says more, and the same purchase must not count twice. If it "
        "holds others, give it an [[events]] section of its own."
    )


def matched(
    chosen: Sequence[Choice], incomplete: Sequence[Choice], unknown: Sequence[Choice]
) -> tuple[list[Choice], list[Choice]]:
    """Find the columns in which other tables name the customers of the events, and the promotions.

    Parameters
    ----------
    chosen, incomplete, unknown : sequence of Choice
        From `promolab.onboarding.guesses.choose_tables`.

    Returns
    -------
    chosen, incomplete : list of Choice
        A table whose customer no name tells is chosen where one of its columns holds the events'
        customers; what matches no one, or only without leading zeros, is marked as doubtful. So is
        a table of whatever name that holds customers, promotions and a time: contacts.
    """
    events = next(iter(combined(chosen)[0].get("events", ())), None)
    if events is None:
        return list(chosen), list(incomplete)
    found = [choice if choice is events else _matched(choice, events) for choice in chosen]
    left: list[Choice] = []
    for choice in incomplete:
        mended = _matched(choice, events) if choice.lacks == ("customer_id",) else choice
        (found if mended.has("customer_id") and not mended.lacks else left).append(mended)
    promotions = next(iter(combined(found)[0].get("promotions", ())), None)
    if promotions is None:
        return found, left
    found = [_of_promotions(choice, promotions) for choice in found]
    for choice in (*left, *unknown):
        made = _contacts(choice, events, promotions)
        if made is not None:
            found.append(made)
            left = [other for other in left if other is not choice]
    return found, left


def _contacts(choice: Choice, events: Choice, promotions: Choice) -> Choice | None:
    """Return a table as contacts or responses where its values say that it is one."""
    if choice.table not in ("exposures", "responses"):
        return None
    picks = dict(choice.picks)
    if "customer_id" not in picks and (look := _holding(choice, events, _free(choice, picks))):
        said = f"its values: they are those of {_called(events, 'customer_id')}"
        picks["customer_id"] = Pick(look, said)
    for look in _free(choice, picks):
        if "promotion_id" not in picks and listing(choice, look, promotions):
            picks["promotion_id"] = Pick(look, f"its values: {promotions.theirs.name} lists them")
    times = [look for look in _free(choice, picks) if times_of(look)]
    if "ts" not in picks and len(times) == 1:
        picks["ts"] = Pick(times[0], "content: the only time")
    lacks = [column for column in choice.lacks if column not in picks]
    if lacks:
        return None
    named = f"is it a table of {choice.table}? Nothing but its columns says so"
    doubts = choice.doubts if choice.rank is not None else (*choice.doubts, named)
    made = dataclasses.replace(choice, picks=picks, lacks=(), doubts=doubts)
    return _of_promotions(_matched(made, events), promotions)


def _of_promotions(choice: Choice, promotions: Choice) -> Choice:
    """Name the promotions' column that a table names them by, where it is not their id."""
    pick = choice.picks.get("promotion_id")
    if choice.table not in ("exposures", "responses") or pick is None:
        return choice
    by = listing(choice, pick.look, promotions)
    if by is None or by.name == promotions.picks["promotion_id"].name:
        return choice
    named = dataclasses.replace(pick, in_promotions=by.name)
    return dataclasses.replace(choice, picks={**choice.picks, "promotion_id": named})


def listing(choice: Choice, look: Look, promotions: Choice) -> Look | None:
    """Return the column of the promotions that lists the values of another table's column.

    Parameters
    ----------
    choice : Choice
        The other table.
    look : Look
        Its column.
    promotions : Choice
        The table of promotions.

    Returns
    -------
    Look or None
        Their id where that is it; None where no column has half of the values.
    """
    own = promotions.picks["promotion_id"]
    picks = {ours: pick for ours, pick in promotions.picks.items() if ours != "name"}
    free = _free(promotions, picks)
    codes = [x for x in free if x.is_text and _tells_apart(x)]
    for each in (own.look, *codes):
        named = dataclasses.replace(promotions, picks={"promotion_id": Pick(each)})
        (share,) = _shares(choice, named, [look], "promotion_id", any_case=each is not own.look)
        if share[1] >= MATCHING:
            return each
    return None


def _tells_apart(look: Look) -> bool:
    """Tell whether a column names a row rather than a group of them."""
    return 0 < look.filled < 2 * look.distinct


def _free(choice: Choice, picks: Mapping[str, Pick]) -> list[Look]:
    """Return the columns that are nothing else yet."""
    taken = {pick.name for pick in picks.values()}
    return [look for look in choice.looks if look.name not in taken]


def _holding(choice: Choice, events: Choice, looks: Sequence[Look]) -> Look | None:
    """Return the column that holds the events' customers, None where none holds half of them."""
    shares = {
        name: exact for name, exact, _ in _shares(choice, events, [x for x in looks if is_id(x)])
    }
    best = max(shares, key=lambda name: shares[name], default="")
    if not best or shares[best] < MATCHING:
        return None
    return next(look for look in looks if look.name == best)


def _called(choice: Choice, column: str) -> str:
    return f"{choice.picks[column].name} in {choice.theirs.name}"


def _matched(choice: Choice, events: Choice) -> Choice:
    """Return a choice with the column that holds the events' customers, and what is doubtful."""
    named = choice.picks.get("customer_id")
    if choice.table == "events" or not any(c.name == "customer_id" for c in TABLES[choice.table]):
        return choice
    taken = {pick.name for ours, pick in choice.picks.items() if ours != "customer_id"}
    looks = [look for look in choice.looks if look.name not in taken and is_id(look)]
    shares = {name: (exact, bare) for name, exact, bare in _shares(choice, events, looks)}
    best = max(shares, key=lambda name: shares[name], default=None)
    there = _called(events, "customer_id")
    mine = shares.get(named.name, (0.0, 0.0)) if named else (0.0, 0.0)
    if best and mine[0] < HARDLY and shares[best][0] >= MATCHING:
        look = next(look for look in looks if look.name == best)
        picks = {
            **choice.picks,
            "customer_id": Pick(look, f"its values: they are those of {there}"),
        }
        return dataclasses.replace(choice, picks=picks, lacks=())
    doubt = ""
    if named and mine[0] < MATCHING <= mine[1] and (digits := _digits_of(events)):
        doubt = f"without its leading zeros {named.name} is {there}: filled up to {digits} digits"
        picks = {**choice.picks, "customer_id": dataclasses.replace(named, digits=digits)}
        choice = dataclasses.replace(choice, picks=picks)
    elif named and mine[0] < MATCHING <= mine[1]:
        doubt = (
            f"{named.name} and {there} agree only without their leading zeros: one of the files "
            "has lost them (a spreadsheet does that); export it again with ids as text"
        )
    elif named and choice.table == "customers" and not any(mine):
        doubt = f"none of the customers tried of {there} is in {named.name}: is it the same id?"
    return dataclasses.replace(choice, doubts=(*choice.doubts, doubt)) if doubt else choice


def _digits_of(events: Choice) -> int:
    """Return how many digits each customer of the events has; 0 where they are of several."""
    values = events.picks["customer_id"].look.values
    lengths = {len(value) if value.isdigit() else 0 for value in values}
    return lengths.pop() if len(lengths) == 1 else 0


def _shares(
    choice: Choice,
    other: Choice,
    looks: Sequence[Look],
    column: str = "customer_id",
    *,
    any_case: bool = False,
) -> Iterator[tuple[str, float, float]]:
    """Yield which share of another table's ids each column holds, as they are and without zeros.

    Of a table that need not name everybody, such as contacts, the share is of its own values.
    """
    if not looks or choice.theirs.engine != other.theirs.engine:
        return

    def text(table: Any, name: str) -> Any:
        value = table[name].cast("string").strip().nullif("")
        return value.upper() if any_case else value

    ours = text(other.theirs.table, other.picks[column].name)
    known = ours.as_table().filter(ours.notnull()).distinct()
    known = known[known.columns[0]]
    asked = {}
    for n, look in enumerate(looks):
        theirs = text(choice.theirs.table, look.name)
        asked[f"n{n}"] = theirs.nunique()
        asked[f"exact{n}"] = theirs.nunique(where=theirs.isin(known))
        asked[f"bare{n}"] = theirs.nunique(where=without_zeros(theirs).isin(without_zeros(known)))
    asked["known"] = known.nunique().as_scalar()
    found: dict[str, Any] = choice.theirs.table.aggregate(**asked).to_pyarrow().to_pylist()[0]
    for n, look in enumerate(looks):
        whole = max(min(found[f"n{n}"], found["known"]), 1)
        yield look.name, found[f"exact{n}"] / whole, found[f"bare{n}"] / whole
