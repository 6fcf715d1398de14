"""What an event of theirs is, and what it is worth: purchases and returns, amounts and units."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from promolab.contract import TABLES, is_empty
from promolab.onboarding.contents import Convention, Look, ask, how_many, number_in, say, words_in
from promolab.onboarding.matching import Choice
from promolab.results import words_of
from promolab.sources import STATUS_DONE, STATUS_OPEN, column_rank, key, kind_of_word, table_rank
from promolab.wording import count

_RETURNS = ("C", "CN", "CR", "R", "RET", "RMA", "RT", "ST", "GS")
_MOST_UNKNOWN = 8
_MOST_STATES = 30


@dataclass(frozen=True)
class Line:
    """A line of a section, and why it is proposed.

    Parameters
    ----------
    key : str
        The contract's column, or another key of a section.
    value : object
        What stands behind it; None where they call it alike and nothing has to be said.
    why, check : str
        What speaks for it, and what is doubtful.
    """

    key: str
    value: Any
    why: str = ""
    check: str = ""


def line_of(column: str, name: str, why: str, check: str = "", **more: Any) -> Line:
    """Return the line of one column of theirs, and what more has to be said of it."""
    alike = column.lower() == name.lower()
    value = {"column": name, **more} if more else (None if alike else name)
    return Line(column, value, why, check)


def share(part: float, whole: float) -> float:
    """Return which share of the whole a part is; 0 of nothing."""
    return part / whole if whole else 0.0


def with_rows(found: Mapping[str, int], words: Iterable[str]) -> list[str]:
    """Write words of theirs with the rows of each."""
    return [say("word", shown=repr(w) if w else say("empty"), n=found[w]) for w in words]


def then(*said: str) -> str:
    """Write what was said one after the other."""
    return words_of(__name__).joined(said, "each")


def values_of_kind(
    choice: Choice, column: str, skip: tuple[str, ...] = ()
) -> tuple[dict[str, Any], dict[str, int], str]:
    """Say what the words of a column of kinds mean.

    Parameters
    ----------
    choice : Choice
        The table.
    column : str
        Their column.
    skip : tuple of str
        Kinds that are not taken from here.

    Returns
    -------
    more : dict
        What the section has to say of the column.
    kinds : dict of str to int
        Rows of each kind.
    check : str
        Words whose meaning is not known.
    """
    found = words_in(choice.theirs, column)
    means = {word: kind_of_word(choice.table, word) for word in found}
    values = {word: kind for word, kind in means.items() if kind and kind not in skip}
    unknown = [word for word in found if word not in values]
    kinds: dict[str, int] = {}
    for word, kind in values.items():
        kinds[kind] = kinds.get(kind, 0) + found[word]
    more = {"values": told} if (told := {w: k for w, k in values.items() if w != k}) else {}
    return more, kinds, _unknown(unknown, found)


def counted_kinds(kinds: Mapping[str, int]) -> str:
    """Write kinds with the rows of each."""
    return say("listed", names=[f"{kind} {count(n)}" for kind, n in kinds.items()])


def _unknown(words: list[str], found: Mapping[str, int]) -> str:
    """Name words of theirs without a counterpart; what may be an id or a name is only counted."""
    if not words:
        return ""
    plain = [w for w in words if len(w) <= 30 and not re.search(r"\d{3}|@", w)][:_MOST_UNKNOWN]
    more = [say("more", n=len(words) - len(plain))] if len(plain) < len(words) else []
    return say("no_counterpart", words=[*with_rows(found, plain), *more])


def kind_of_events(choice: Choice, how: Convention, skip: tuple[str, ...] = ()) -> Line:
    """Say what the events of a table are.

    Parameters
    ----------
    choice : Choice
        A table of events.
    how : Convention
        How its numbers are written.
    skip : tuple of str
        Kinds that another table holds.
    """
    state = status_of_orders(choice)
    if choice.has("kind"):
        pick = choice.picks["kind"]
        more, kinds, check = values_of_kind(choice, pick.name, skip)
        if kinds and not (state and _is_state(pick.name, kinds)):
            why = then(pick.by, counted_kinds(kinds))
            if skip and set(skip) & set(TABLES["events"]["kind"].values):
                check = then(say("purchases_elsewhere"), check)
            if set(kinds) <= {"cancel", "return"}:
                check = then(say("no_purchase"), check)
            return line_of("kind", pick.name, why, check, **more)
    return _by_prefix(choice, how) or _by_sign(choice, how) or _constant(choice)


def status_of_orders(choice: Choice) -> Line | None:
    """Say which states of an order count, where some say that it came to nothing."""
    for look in _states(choice):
        found = words_in(choice.theirs, look.name)
        empty = ask(choice.theirs, {"n": how_many(is_empty(choice.theirs.table[look.name]))})["n"]
        found |= {"": empty} if empty else {}
        ended = [word for word in found if _is_end(word)]
        done = [
            w for w in found if key(w) in STATUS_DONE or kind_of_word("events", w) == "purchase"
        ]
        is_open = [word for word in found if key(word) in STATUS_OPEN]
        # A shop that marks nothing but what was cancelled leaves its other orders as they began.
        doubtful = [w for w in found if w not in (*ended, *done, *is_open)]
        doubtful = doubtful or ([] if done else is_open)
        if ended and (done or doubtful) and len(doubtful) <= _MOST_UNKNOWN:
            counts = [*done, *doubtful]
            means = dict.fromkeys(is_open, "unpaid") | {word: _is_end(word) for word in ended}
            means = {**means, **dict.fromkeys(counts, "paid")}
            why = say("states_count", n=sum(found[word] for word in counts))
            none = [word for word in found if word not in counts]
            check = say(
                "states_not", none=with_rows(found, none), doubtful=with_rows(found, doubtful)
            )
            values = {w: state for w, state in means.items() if w and w != state}
            return Line("order_status", {"column": look.name, "values": values}, why, check)
    return None


def _is_state(column: str, kinds: Mapping[str, int]) -> bool:
    """Tell whether a column's words are what became of an order, not what happened in turn."""
    if "purchase" in kinds and column_rank("events", "status", column) is None:
        return False
    return set(kinds) <= {"purchase", "cancel", "return"}


def _states(choice: Choice) -> list[Look]:
    """Return the columns of few words, one of them an order's end: first those called a state."""
    named = [choice.picks[name].look for name in ("status", "kind") if choice.has(name)]
    taken = {pick.name for pick in choice.picks.values()}
    free = [look for look in choice.looks if look.is_text and look.name not in taken]
    few = [look for look in (*named, *free) if look.distinct <= _MOST_STATES]
    return [look for look in few if any(_is_end(value) for value in look.values)]


def _is_end(word: str) -> str:
    """Return how an order ended by its state, such as ``order_refunded``; empty if it did not."""
    if word.lower().startswith("part"):
        return ""
    ends = {"cancel": "cancelled", "return": "refunded"}
    kinds = [kind_of_word("events", each) for each in (word, *re.split(r"[\W_]+", word))]
    return next((ends[kind] for kind in kinds if kind in ends), "")


def _below(choice: Choice, how: Convention) -> tuple[str, Any] | None:
    """Return the column whose sign tells returns, and which rows are below zero."""
    for column in ("quantity", "amount"):
        if choice.has(column):
            name = choice.picks[column].name
            return name, number_in(choice.theirs, name, how)[0] < 0
    return None


def _by_prefix(choice: Choice, how: Convention) -> Line | None:
    """Say which letters at the beginning of an order's id mean a return, or an adjustment."""
    import ibis

    if not choice.has("order_id") or not choice.picks["order_id"].look.is_text:
        return None
    sign, table = _below(choice, how), choice.theirs.table
    column, customer = (choice.picks[name].name for name in ("order_id", "customer_id"))
    marked = table.select(
        letters=table[column].re_extract(r"^([A-Za-z]{1,6})[-_ ]?\d", 1).fill_null(""),
        below=ibis.literal(False) if sign is None else sign[1].fill_null(False),
        unnamed=is_empty(table[customer]),
    )
    starts = marked.group_by("letters").aggregate(
        rows=marked.count(), below=how_many(marked.below), unnamed=how_many(marked.unnamed)
    )
    starts = starts.order_by([starts.rows.desc(), starts.letters]).limit(20)
    found = starts.to_pyarrow().to_pylist()
    if not 2 <= len(found) <= 10 or found[0]["rows"] < 0.8 * sum(f["rows"] for f in found):
        return None
    means, why, check = {}, [], []
    for each in found[1:]:
        letters, rows = each["letters"], each["rows"]
        if each["below"] >= 0.9 * rows or (letters.upper() in _RETURNS and sign is None):
            means[letters] = "return"
            below_zero = share(each["below"], rows)
            why.append(say("prefix", letters=letters, n=rows, share=below_zero))
        elif letters and each["unnamed"] >= 0.9 * rows:
            means[letters] = "adjustment"
            check.append(say("adjustment", letters=letters, n=rows))
    if "return" not in means.values():
        return None
    rest = sum(each["below"] for each in found if each["letters"] not in means)
    if rest:
        check.append(say("others_below", n=rest))
    means = dict(sorted(means.items(), key=lambda each: (-len(each[0]), each[0])))
    value = {"column": column, "starts_with": means, "otherwise": "purchase"}
    return Line("kind", value, then(*why), then(*check))


def _by_sign(choice: Choice, how: Convention) -> Line | None:
    sign = _below(choice, how)
    if sign is None:
        return None
    column, below = sign
    found = ask(choice.theirs, {"below": how_many(below)})
    if not found["below"]:
        return None
    return Line(
        "kind",
        {"column": column, "negative": "return", "otherwise": "purchase"},
        say("below_zero", n=found["below"]),
    )


def _constant(choice: Choice) -> Line:
    bought = any(choice.has(c) for c in ("amount", "price", "order_id", "quantity"))
    named = kind_of_word("events", re.sub(r"\d", "", choice.theirs.stem))
    if not bought and named in ("view", "click"):
        return Line("kind", {"value": named}, say("one_kind"))
    doubt = "" if bought or table_rank("events", choice.theirs.stem) else say("no_purchase")
    return Line("kind", {"value": "purchase"}, say("one_kind"), doubt)


def amount_of(choice: Choice, how: Convention) -> Line | None:
    """Say what an event is worth: an amount, or units times their price.

    Parameters
    ----------
    choice : Choice
        A table of events.
    how : Convention
        How its numbers are written.
    """
    picks = choice.picks
    if choice.has("quantity", "price"):
        factors = [picks["quantity"].name, picks["price"].name]
        return (_checked_total if choice.has("amount") else _product)(choice, how, factors)
    if choice.has("amount"):
        return _money("amount", picks["amount"].name, say("by_name"))
    if choice.has("price"):
        return _money("amount", picks["price"].name, say("by_name"), say("a_price"))
    return None


def _product(choice: Choice, how: Convention, factors: list[str]) -> Line:
    """Propose units × price, or the price alone where it is that of all pieces of a line."""
    units, price = (_number(choice, name, how) for name in factors)
    if (of_line := _share_of_lines(choice, units, price)) > 0.5:
        return _money("amount", factors[1], say("of_the_line", units=factors[0], share=of_line))
    off = choice.picks["discount"].name if choice.has("discount") else ""
    check = say("not_taken_off", name=off) if off else ""
    return Line("amount", {"multiply": factors}, say("no_total"), check)


def _share_of_lines(choice: Choice, units: Any, price: Any) -> float:
    """Return in which share of the rows of several pieces a price is rather that of all."""
    if not choice.has("product_id"):
        return 0.0
    product = choice.theirs.table[choice.picks["product_id"].name]
    rows = choice.theirs.table.select(product=product, units=units, price=price)
    rows = rows.filter(rows.units > 0, rows.price > 0)
    ones = rows.filter(rows.units == 1)
    ones = ones.group_by("product").aggregate(one=ones.price.mean())
    many = rows.filter(rows.units > 1).join(ones, "product")
    nearer = (many.price / many.units - many.one).abs() < (many.price - many.one).abs()
    found = many.aggregate(n=many.count(), line=how_many(nearer)).to_pyarrow().to_pylist()[0]
    return share(found["line"] or 0, found["n"])


def _number(choice: Choice, column: str, how: Convention) -> Any:
    return number_in(choice.theirs, column, how)[0].cast("float64")


def _checked_total(choice: Choice, how: Convention, factors: list[str]) -> Line:
    """Compare the total with units × price."""
    total = choice.picks["amount"].name
    amount, units, price = (_number(choice, name, how) for name in (total, *factors))
    given = amount.notnull() & units.notnull() & price.notnull()
    equal = given & ((amount.abs() - (units * price).abs()).abs() < 0.011)
    found = ask(choice.theirs, {"given": how_many(given), "equal": how_many(equal)})
    rate = share(found["equal"], found["given"])
    why = then(say("by_name"), say("equals", product=" × ".join(factors), share=rate))
    off = found["given"] and rate < 0.5
    return _money("amount", total, why, say("another_total") if off else "")


def _money(column: str, name: str, why: str, check: str = "") -> Line:
    if re.search(r"cents?\b|_ct\b|[(（]分[)）]", name.lower()):
        return line_of(column, name, say("cents", why=why), check, scale=0.01)
    return line_of(column, name, why, check)
