"""Whether two of their tables mean the same by a customer: told by values, where names differ."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

from promolab.contract import TABLES
from promolab.contract.unsaid import without_zeros
from promolab.sources.proposal.guesses import Choice, Pick, is_id
from promolab.sources.proposal.looks import Look
from promolab.sources.proposal.parts import combined

__all__ = ["match_customers"]

MATCHING = 0.5
"""Share of the events' customers that a column must hold to be the same id."""
HARDLY = 0.05


def match_customers(
    chosen: Sequence[Choice], incomplete: Sequence[Choice]
) -> tuple[list[Choice], list[Choice]]:
    """Find the column in which other tables name the customers of the events.

    Parameters
    ----------
    chosen, incomplete : sequence of Choice
        From `promolab.sources.proposal.guesses.choose_tables`.

    Returns
    -------
    chosen, incomplete : list of Choice
        A table whose customer no name tells is chosen where one of its columns holds the events'
        customers; what matches no one, or only without leading zeros, is marked as doubtful.
    """
    events = next(iter(combined(chosen)[0].get("events", ())), None)
    if events is None:
        return list(chosen), list(incomplete)
    found = [choice if choice is events else _matched(choice, events) for choice in chosen]
    left: list[Choice] = []
    for choice in incomplete:
        mended = _matched(choice, events) if choice.lacks == ("customer_id",) else choice
        (found if mended.has("customer_id") and not mended.lacks else left).append(mended)
    return found, left


def _matched(choice: Choice, events: Choice) -> Choice:
    """Return a choice with the column that holds the events' customers, and what is doubtful."""
    named = choice.picks.get("customer_id")
    if choice.table == "events" or not any(c.name == "customer_id" for c in TABLES[choice.table]):
        return choice
    taken = {pick.name for ours, pick in choice.picks.items() if ours != "customer_id"}
    looks = [look for look in choice.looks if look.name not in taken and is_id(look)]
    shares = {name: (exact, bare) for name, exact, bare in _shares(choice, events, looks)}
    best = max(shares, key=lambda name: shares[name], default=None)
    there = f"{events.picks['customer_id'].name} in {events.theirs.name}"
    mine = shares.get(named.name, (0.0, 0.0)) if named else (0.0, 0.0)
    if best and mine[0] < HARDLY and shares[best][0] >= MATCHING:
        look = next(look for look in looks if look.name == best)
        picks = {
            **choice.picks,
            "customer_id": Pick(look, f"its values: they are those of {there}"),
        }
        return dataclasses.replace(choice, picks=picks, lacks=())
    doubt = ""
    if named and mine[0] < MATCHING <= mine[1]:
        doubt = (
            f"{named.name} and {there} agree only without their leading zeros: one of the files "
            "has lost them (a spreadsheet does that); export it again with ids as text"
        )
    elif named and choice.table == "customers" and not any(mine):
        doubt = f"none of the customers tried of {there} is in {named.name}: is it the same id?"
    return dataclasses.replace(choice, doubts=(*choice.doubts, doubt)) if doubt else choice


def _shares(
    choice: Choice, events: Choice, looks: Sequence[Look]
) -> Iterator[tuple[str, float, float]]:
    """Yield which share of the events' customers each column holds, as they are and without zeros.

    Of a table that need not name everybody, such as contacts, the share is of its own values.
    """
    if not looks or choice.theirs.engine != events.theirs.engine:
        return
    ours = events.theirs.table[events.picks["customer_id"].name].cast("string").strip()
    known = ours.as_table().filter(ours.notnull()).distinct()
    known = known[known.columns[0]]
    table, asked = choice.theirs.table, {}
    for n, look in enumerate(looks):
        theirs = table[look.name].cast("string").strip()
        asked[f"n{n}"] = theirs.nunique()
        asked[f"exact{n}"] = theirs.nunique(where=theirs.isin(known))
        asked[f"bare{n}"] = theirs.nunique(where=without_zeros(theirs).isin(without_zeros(known)))
    asked["known"] = known.nunique().as_scalar()
    found: dict[str, Any] = table.aggregate(**asked).to_pyarrow().to_pylist()[0]
    for n, look in enumerate(looks):
        whole = max(min(found[f"n{n}"], found["known"]), 1)
        yield look.name, found[f"exact{n}"] / whole, found[f"bare{n}"] / whole
