"""Tables made out of order lines: products of which they say a category, codes redeemed."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Mapping, Sequence

from promolab.onboarding.contents import Look, ask, how_many, is_empty, is_id, say
from promolab.onboarding.events import Line
from promolab.onboarding.matching import Choice, Pick, choose_columns, listing
from promolab.onboarding.sections import Section, section_of
from promolab.sources import column_rank


def products_within(chosen: Mapping[str, Sequence[Choice]]) -> Section | None:
    """Propose a table of products made from order lines, if these say a category.

    Parameters
    ----------
    chosen : mapping of str to sequence of Choice
        Their tables by the contract's; there are events.
    """
    choice = chosen["events"][0]
    if not choice.has("product_id"):
        return None
    taken = {pick.name for column, pick in choice.picks.items() if column != "product_id"}
    free = [look for look in choice.looks if look.name not in taken]
    picks = choose_columns("products", free)
    if "category" not in picks or "product_id" not in picks:
        return None
    wanted = ("product_id", "category", "brand", "department")
    picks = {column: picks[column] for column in wanted if column in picks}
    within = dataclasses.replace(
        choice,
        table="products",
        picks=picks,
        theirs=dataclasses.replace(choice.theirs, own=False),
    )
    section = section_of(within)
    table = choice.theirs.table
    names = [pick.name for pick in picks.values()]
    told = table.filter(~is_empty(table[picks["category"].name]))
    pairs = told.select(names).distinct().count()
    found = ask(choice.theirs, {"ids": table[picks["product_id"].name].nunique()})
    more = int(pairs.execute()) - found["ids"]
    checks = section.checks
    if more > 0.5 * found["ids"]:
        return None
    if more > 0:
        checks += (say("categories", n=more),)
    where = {**section.where, "distinct": True}
    return dataclasses.replace(
        section, where=where, kept=(), personal=(), checks=checks, since=say("since_category")
    )


def redemptions_within(chosen: Mapping[str, Sequence[Choice]]) -> Section | None:
    """Propose responses made from order lines, if these hold the codes of promotions.

    Parameters
    ----------
    chosen : mapping of str to sequence of Choice
        Their tables by the contract's; there are events.
    """
    choice = chosen["events"][0]
    if not chosen.get("promotions"):
        return None
    promotions = chosen["promotions"][0]
    taken = {pick.name for pick in choice.picks.values()}
    free = [look for look in choice.looks if look.name not in taken and _may_be_a_code(look)]
    codes = {look.name: (look, listing(choice, look, promotions)) for look in free}
    look, listed = next((pair for pair in codes.values() if pair[1]), (None, None))
    if look is None or listed is None:
        return None
    by = "" if listed.name == promotions.picks["promotion_id"].name else listed.name
    picks = {c: choice.picks[c] for c in ("customer_id", "ts", "time_of_day") if choice.has(c)}
    picks["promotion_id"] = Pick(look, say("by_values", there=promotions.theirs.name), by)
    theirs = dataclasses.replace(choice.theirs, own=False)
    within = dataclasses.replace(choice, table="responses", picks=picks, theirs=theirs)
    section = section_of(within)
    given = {"n": how_many(~is_empty(theirs.table[look.name]))}
    kind = Line("kind", {"value": "redeem"}, say("handed_in"))
    return dataclasses.replace(
        section,
        where={**section.where, "rows_with": look.name, "distinct": True},
        lines=[kind if line.key == "kind" else line for line in section.lines],
        rows=ask(theirs, given)["n"],
        kept=(),
        personal=(),
        since=say("since_code", name=look.name),
    )


def _may_be_a_code(look: Look) -> bool:
    """Tell whether a column holds codes: by its name, or words that no number could be."""
    if not look.filled or not is_id(look):
        return False
    named = any(
        column_rank("responses", c, look.name) is not None for c in ("promotion_id", "coupon_id")
    )
    return named or (look.is_text and all(re.search(r"[^\W\d_]", value) for value in look.values))


WITHIN: Mapping[str, Callable[[Mapping[str, Sequence[Choice]]], Section | None]] = {
    "products": products_within,
    "responses": redemptions_within,
}
"""What makes a table of the contract out of order lines, where no table of theirs is one."""
