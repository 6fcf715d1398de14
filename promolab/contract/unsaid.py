"""What a shop does not say and a reader should know: columns that lack, words that nobody knows."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any, Literal

from promolab.contract.personal_looks import looks_personal
from promolab.contract.shop import Shop
from promolab.wording import count, plural

__all__ = ["NO_AMOUNT", "lacking", "unknown_words", "unmatched", "without_zeros"]

NO_AMOUNT = "events has no amount: no sales, and no money in profiles"
_NO_PRODUCT = (
    "events has no product_id: no interests, no price level, and nothing on a promotion's products"
)
_MOST_WORDS = 5


def lacking(shop: Shop) -> Iterator[tuple[str, str, Literal["warn", "note"], int, str]]:
    """Yield what lacks in a usable shop: table, check, level, rows and sentence of a finding.

    Parameters
    ----------
    shop : Shop
        The shop. No query is run.

    Examples
    --------
    >>> import ibis, pandas as pd
    >>> events = pd.DataFrame({"customer_id": ["A"], "product_id": ["P"]})
    >>> shop = Shop({"events": ibis.duckdb.connect().create_table("events", events)})
    >>> [found[4] for found in lacking(shop)]
    ['events has no amount: no sales, and no money in profiles']
    """
    if "events" in shop.tables:
        columns = shop.tables["events"].columns
        if "amount" not in columns:
            yield "events", "no_amount", "warn", 0, NO_AMOUNT
        if "product_id" not in columns:
            yield "events", "no_product", "note", 0, _NO_PRODUCT
    for gap in shop.gaps:
        yield gap.table, "missing_in_files", "warn", gap.rows, gap.sentence


def unknown_words(column: Any, known: Sequence[str]) -> str:
    """Return a clause on the most frequent words of a column that are none of the known ones.

    Parameters
    ----------
    column : ibis StringColumn
        The column.
    known : sequence of str
        The contract's words.

    Returns
    -------
    str
        Empty if there are none; what may be an id, a name or an address is only counted.

    Examples
    --------
    >>> import ibis
    >>> unknown_words(ibis.memtable({"kind": ["view", "buy", "buy", "x@y.org"]}).kind, ["view"])
    "; the most frequent: 'buy' (2 rows), and 1 word more"
    """
    table = column.as_table()
    words = table[table.columns[0]]
    odd = table.filter(words.notnull() & words.notin(known))
    odd = odd.group_by(word=odd[odd.columns[0]]).aggregate(n=odd.count())
    top = odd.order_by([odd.n.desc(), odd.word]).limit(_MOST_WORDS).to_pyarrow().to_pylist()
    if not top:
        return ""
    plain = [f"{each['word']!r} ({plural(each['n'], 'row')})" for each in top if _tells(each)]
    more = int(odd.count().execute()) - len(plain)
    if not plain:
        return f"; it holds {plural(more, 'other word')}"
    rest = f", and {plural(more, 'word')} more" if more else ""
    return f"; the most frequent: {', '.join(plain)}{rest}"


def without_zeros(ids: Any) -> Any:
    """Return ids, as text, without the zeros that they start with.

    Parameters
    ----------
    ids : ibis StringColumn
        The ids; one of zeros alone stays empty.
    """
    return ids.re_replace("^0+", "")


def unmatched(ids: Any, known: Any, rows: int) -> str:
    """Return a clause on why ids have no match in another table; empty where some simply lack.

    Parameters
    ----------
    ids, known : ibis Column
        The ids of one table, and those that the other has.
    rows : int
        Rows of the first whose id the other does not have.

    Returns
    -------
    str
        Says whether most of these rows match once leading zeros are dropped, or whether no row at
        all matches.

    Examples
    --------
    >>> import ibis
    >>> mine, theirs = ibis.memtable({"id": ["007"]}).id, ibis.memtable({"id": ["7"]}).id
    >>> unmatched(mine, theirs, 1)[:44]
    '; 1 of them would match without leading zero'
    """
    if ids.type().is_string() and known.type().is_string():
        bare = without_zeros(ids).isin(without_zeros(known)) & ids.notin(known)
        zeros = int(bare.sum().execute() or 0)
        if zeros > rows / 2:
            return (
                f"; {count(zeros)} of them would match without leading zeros: one of the two "
                "tables has lost its zeros (a spreadsheet does that); export it again, ids as text"
            )
    if rows == int(ids.count().execute()):
        return "; not one matches: are they the same ids?"
    return ""


def _tells(each: dict[str, Any]) -> bool:
    word = str(each["word"])
    return len(word) <= 30 and not re.search(r"\d{3}|@", word) and looks_personal(word) is None
