"""In which currency the money of a table is: by a column, by its sign, by a column's name."""

from __future__ import annotations

from promolab.sources.currency import SHARED_SIGNS, SIGNS
from promolab.sources.proposal.event_guesses import Line, alike, listed
from promolab.sources.proposal.guesses import Choice
from promolab.sources.proposal.looks import Convention
from promolab.sources.proposal.synonyms import CURRENCIES, currency_in
from promolab.sources.proposal.whole import words_in

__all__ = ["currency_of"]


def currency_of(choice: Choice, how: Convention) -> tuple[tuple[str, str, str] | None, Line | None]:
    """Say in which currency a table's money is.

    Parameters
    ----------
    choice : Choice
        The table.
    how : Convention
        How its numbers are written.

    Returns
    -------
    currency : tuple of str or None
        Its code, what says so, and what is doubtful.
    line : Line or None
        The line of the section that names the column of currencies.
    """
    if choice.has("currency"):
        name = choice.picks["currency"].name
        codes = words_in(choice.theirs, name)
        first = next(iter(codes), "").upper()
        line = None if alike("currency", name) else Line("currency", name, "by name")
        others = [code for code in codes if code.upper() != first]
        check = f"rows in {listed(others)} need a rate: [rates] {others[0]} = …" if others else ""
        return (first, f"most rows of {name} say so", check) if first else None, line
    if how.symbol:
        code = how.symbol if how.symbol in CURRENCIES else SIGNS.get(how.symbol)
        check = "other currencies share the sign" if how.symbol in SHARED_SIGNS else ""
        if code:
            return (code, f"amounts are written with {how.symbol}", check), None
    for column in ("amount", "price"):
        if choice.has(column) and (code := currency_in(choice.picks[column].name)):
            name = choice.picks[column].name
            check = "" if code == "EUR" or code in name.upper() else "others are called so as well"
            return (code, f"{name} says so", check), None
    return None, None
