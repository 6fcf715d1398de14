"""Which of their tables together make one of the contract's, and which are left out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from promolab.contract import TABLES
from promolab.sources.proposal.event_guesses import listed
from promolab.sources.proposal.guesses import Choice
from promolab.sources.proposal.kind_words import kind_of_word
from promolab.sources.proposal.sections import Section, products_within, section_of

__all__ = ["combined", "in_words", "incomplete_said", "sections_of"]

_SAME_PURCHASES = ("purchase", "return", "cancel")


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
            logs = [choice for choice in choices if _is_log(choice)]
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


def _is_log(choice: Choice) -> bool:
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


def sections_of(chosen: Mapping[str, Sequence[Choice]]) -> dict[str, list[Section]]:
    """Propose the sections, those of events first; products from order lines that tell them."""
    made: dict[str, list[Section]] = {}
    for table in ("events", *(name for name in TABLES if name != "events")):
        choices = chosen.get(table, ())
        sales = table == "events" and not all(_is_log(choice) for choice in choices)
        sections = [
            section_of(
                choice,
                several=len(choices) > 1,
                skip=_SAME_PURCHASES if sales and _is_log(choice) else (),
            )
            for choice in choices
        ]
        if table == "products" and not choices:
            within = products_within(chosen["events"][0])
            sections = [within] if within else []
        if sections:
            made[table] = sections
    return made


def in_words(columns: Sequence[str]) -> list[str]:
    """Return what columns of the contract hold, in words."""
    words = {
        "customer_id": "a customer",
        "ts": "a time that can be read",
        "product_id": "a product",
    }
    return [words.get(column, column) for column in columns]


def incomplete_said(choice: Choice, events: Choice) -> str:
    """Say what a table lacks whose name says what it is, and what it could be joined to."""
    name, lacks = choice.theirs.name, listed(in_words(choice.lacks))
    said = f"{name} looks like {choice.table} by its name, but lacks {lacks}: not used."
    if choice.table == "events" and choice.has("order_id") and events.has("order_id"):
        said += (
            f" Its rows belong to those of {events.theirs.name} by "
            f"{choice.picks['order_id'].name}: a view or file that joins the two would tell what "
            "was bought."
        )
    return said
