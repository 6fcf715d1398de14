"""Personal data: columns that look like e-mail, phone, name, birth or tax id; a shop without them.

They are told by their name, in tables about customers, by a bounded sample of their values, or by
one e-mail address anywhere in the column. What is found stays at the source: cleaning still
compares rows with it, and nothing of it is written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

from promolab.contract.personal_looks import (
    ANY_EMAIL,
    PHONES,
    by_name,
    by_number,
    by_shape,
    by_value,
    is_barcode,
    is_one_of_each,
    is_owner,
    is_special,
)
from promolab.contract.settings import Settings, toml_line
from promolab.contract.shop import Shop
from promolab.contract.tables import TABLES
from promolab.errors import DataError, InputError, nearest
from promolab.results import words_of

if TYPE_CHECKING:
    import ibis.expr.types as ir


_Finding = tuple[str, str, Literal["stop", "note"], int, str]

SAMPLE_ROWS = 20_000
"""First rows of a table whose values are looked at."""
SAMPLE_VALUES = 1_000
"""Different values of a column that are looked at."""
LEAST_PEOPLE = 5
"""Fewer different values than this are not taken for the names of people."""
ONE_OF_EACH = "an id of each customer's own"
_WHO = "customer_id"


def _say(line: str, **facts: Any) -> str:
    return words_of(__name__, "personal", **facts).say(line)


def _keys(places: Sequence[str]) -> str:
    return toml_line("keep_personal", list(places))


@dataclass(frozen=True)
class PersonalColumns:
    """Columns that look like personal data; `personal_columns` makes it.

    Parameters
    ----------
    found : mapping of str to str
        ``"table.column"`` and why, in the order of the tables.
    kept : tuple of str
        Places that look personal as well and may be written, since ``keep_personal`` says so.
    """

    found: Mapping[str, str]
    kept: tuple[str, ...] = ()

    @property
    def left_out(self) -> tuple[str, ...]:
        """Places that nothing is written of."""
        return tuple(place for place in self.found if not _required(place))

    def problems(self) -> list[tuple[str, str]]:
        """Return place and sentence of each that is personal and cannot be left out."""
        return [
            (place, _say("needed", place=place, why=why, keep=_keys([place])))
            for place, why in self.found.items()
            if _required(place)
        ]

    def sentences(self) -> list[str]:
        """Say which columns were left out and how to keep them; which were kept all the same."""
        left = [_say("left_out", places=self.left_out, keep=_keys(self.left_out))]
        kept = [_say("kept", places=self.kept, keep="keep_personal")]
        return [*(left if self.left_out else ()), *(kept if self.kept else ())]

    def findings(self) -> list[_Finding]:
        """Return table, check, level, rows and sentence of each finding of the checks."""
        stops: list[_Finding] = [
            (place.partition(".")[0], "personal_id", "stop", 0, sentence)
            for place, sentence in self.problems()
        ]
        notes: list[_Finding] = [
            ("shop.toml", "personal", "note", 0, s.rstrip(".")) for s in self.sentences()
        ]
        return stops + notes


def personal_columns(shop: Shop) -> PersonalColumns:
    """Find the columns of a shop that tell who a customer is.

    A column that the contract does not name is found by its name, in tables with a customer_id, or
    by its values: at least half of them look like e-mail addresses or phone numbers, one e-mail
    address stands anywhere in it, or nearly every customer has a text of their own, written as the
    name of a person. So are birth dates and national numbers of persons, nine in ten of which look
    so (`by_number`), and ids of which each customer has one that no other has (`is_one_of_each`).
    An id of the contract is found by its values alone, half of them at least. Other columns
    of the contract are what it says they are.

    Parameters
    ----------
    shop : Shop
        The shop, on any engine. The first 20,000 rows of a table are looked at, and all of them
        for an e-mail address.

    Returns
    -------
    PersonalColumns
        Those of ``keep_personal`` in the shop's settings are not among them.

    Raises
    ------
    InputError
        If ``keep_personal`` names a column that is not there.

    Examples
    --------
    >>> import ibis, pandas as pd
    >>> from promolab.contract.shop import Shop
    >>> customers = pd.DataFrame({"customer_id": [1], "mail": ["a@b.org"], "age": ["25-34"]})
    >>> shop = Shop({"customers": ibis.duckdb.connect().create_table("customers", customers)})
    >>> personal_columns(shop).found
    {'customers.mail': 'looks like e-mail addresses'}
    """
    keep = _keep(shop)
    found, kept = {}, []
    for name, table in shop.tables.items():
        for column, why in _look(name, table, lambda: _latest_year(shop)).items():
            place = f"{name}.{column}"
            if place in keep:
                kept.append(place)
            else:
                found[place] = why
    return PersonalColumns(found, tuple(kept))


def personal_in(shop: Shop, name: str, *, kept: bool = False) -> list[str]:
    """Return the names of one table's personal columns.

    Parameters
    ----------
    shop : Shop
        The shop.
    name : str
        One of its tables.
    kept : bool
        Those of ``keep_personal`` as well: they may be written, and are never shown.
    """
    keep = () if kept else getattr(shop.settings, "keep_personal", ())
    found = _look(name, shop.tables[name], lambda: _latest_year(shop))
    return [c for c in found if f"{name}.{c}" not in keep]


def _latest_year(shop: Shop) -> int:
    try:
        return shop.span()[1].year
    except DataError:  # no event has a time
        return datetime.now(UTC).year


def _required(place: str) -> bool:
    table, _, column = place.partition(".")
    return table in TABLES and column in TABLES[table].required


def _keep(shop: Shop) -> Sequence[str]:
    keep: Sequence[str] = getattr(shop.settings, "keep_personal", ())
    places = [f"{name}.{column}" for name, table in shop.tables.items() for column in table.columns]
    for place in keep:
        if place not in places:
            close = nearest(place, places).partition(" (known")[0]
            hint = close if close.startswith("did you mean") else 'write "table.column"'
            raise InputError(f"keep_personal names {place!r}, which is no column; {hint}")
    return keep


def _look(name: str, table: ir.Table, latest: Callable[[], int]) -> dict[str, str]:
    """Return the personal columns of a table and why each is taken for one."""
    spec = TABLES.get(name)
    ids = {column.name for column in spec if column.type == "id"} if spec else set()
    known = {column.name for column in spec} if spec else set()
    about_customers = _WHO in table.columns
    suspects = {}
    texts = set()
    for column, kind in table.schema().items():
        is_text = kind.is_string() or kind.is_json() or kind.is_nested()
        counts = about_customers and (kind.is_numeric() or kind.is_temporal())
        ours = column in known
        if (not ours and (is_text or counts)) or (kind.is_string() and column in ids):
            word = by_name(column) if about_customers and not ours else None
            suspects[column] = word or ""
            texts |= {column} if is_text else set()
    if not suspects:
        return {}
    samples, own_words, one_each = _samples(table, list(suspects), is_customers=name == "customers")
    found = {}
    for column, word in suspects.items():
        values, is_text = samples[column], column in texts
        what = ""
        if is_text or word == PHONES:
            what = by_value(values, word, is_id=column in ids) or ""
        if not what and about_customers and column not in ids and not is_barcode(column):
            what = by_number(values, word, latest) or ""
            if not what and is_text:
                people = column in own_words or is_owner(column)
                what = by_shape(values, people=people) or ""
            if not what and column in one_each and is_one_of_each(values, column):
                what = ONE_OF_EACH
        if what:
            found[column] = _say("looks_like", what=what)
    rest = [c for c in suspects if c in texts and c not in found and c not in ids]
    for column, rows in _with_email(table, rest).items():
        found[column] = _say("holds", n=rows)
    return {column: found[column] for column in suspects if column in found}


def _with_email(table: ir.Table, columns: list[str]) -> dict[str, int]:
    """Return the columns that hold an e-mail address in any row, and in how many."""
    if not columns:
        return {}
    import ibis

    texts = [table[column].cast("string") for column in columns]
    counts = {
        # Most values hold no @, and that is seen at once.
        f"n{i}": ibis.ifelse(text.contains("@"), text.re_search(ANY_EMAIL), False).sum()
        for i, text in enumerate(texts)
    }
    row = table.aggregate(**counts).to_pyarrow().to_pylist()[0]
    return {column: int(row[f"n{i}"]) for i, column in enumerate(columns) if row[f"n{i}"]}


def _samples(
    table: ir.Table, columns: list[str], *, is_customers: bool
) -> tuple[dict[str, list[str]], set[str], set[str]]:
    """Return up to 1,000 different values of each column, and two sets of columns.

    Those with words of nearly each row's, or each customer's, own; and those that have one value
    for each customer, which no other shares.
    """
    chosen = {column: table[column].cast("string") for column in columns}
    if _WHO in table.columns:
        chosen[_WHO] = table[_WHO].cast("string")
    texts = table.select(**chosen)
    rows = texts.limit(SAMPLE_ROWS).to_pyarrow()
    found = {}
    for column in columns:
        values: Any = rows[column].drop_null()
        if not len(values) and rows.num_rows == SAMPLE_ROWS:
            there = texts.filter(texts[column].notnull())
            values = there.select(column).limit(SAMPLE_VALUES).to_pyarrow()[column]
        seen = [value.strip() for value in values.unique()[:SAMPLE_VALUES].to_pylist()]
        if table[column].type().is_floating():  # whole numbers, where some are missing
            seen = [value.removesuffix(".0") for value in seen]
        found[column] = [value for value in seen if value]
    bonds = {
        column: _bond(rows, column, is_customers=is_customers)
        for column in columns
        if column != _WHO and _WHO in chosen
    }
    own = {column for column, (words, _) in bonds.items() if words}
    return found, own, {column for column, (_, each) in bonds.items() if each}


def _bond(rows: Any, column: str, *, is_customers: bool) -> tuple[bool, bool]:
    """Tell how values go with customers.

    First whether nearly every row, or nearly every customer, has a value of its own; then whether
    every customer has one value, which no other has, a hundredth apart.
    """
    filled = rows.select([_WHO, column]).drop_null()
    n, pairs = filled.num_rows, filled.group_by([_WHO, column]).aggregate([])
    values, people = len(pairs[column].unique()), len(pairs[_WHO].unique())
    alone = pairs.num_rows <= 1.2 * people and values >= 0.6 * people
    own = values >= LEAST_PEOPLE and (values >= 0.6 * n or alone)
    told = is_customers or n >= 2 * people  # where each has a row, each row has
    odd = max(pairs.num_rows - people, people - values)
    return own, told and people > 0 and odd <= 0.01 * people


FEWEST_SHARING = 10
"""Customers that share a value, at least, where the shop does not declare the attribute."""
_OTHER = "other"


@dataclass(frozen=True)
class Attributes:
    """What may be shown of customers' attributes; `attributes_in` makes it.

    Parameters
    ----------
    shown : tuple of str
        Columns whose values may stand on a card: the shop declares them.
    personal : mapping of str to str
        Columns that are personal, and why: never shown, whatever the shop declares.
    rare : tuple of str
        Columns, not declared, of which some value is shared by fewer than 10 customers, or whose
        name says religion, health or the like: on no page.
    undeclared : tuple of str
        Columns that are neither personal nor declared, the rare ones among them.
    """

    shown: tuple[str, ...] = ()
    personal: Mapping[str, str] = field(default_factory=dict)
    rare: tuple[str, ...] = ()
    undeclared: tuple[str, ...] = ()

    def sentence(self) -> str:
        """Say how many attributes are not shown, which, and what shows them; empty if all are."""
        withheld = len(self.personal) + len(self.undeclared)
        said = [f"{name} {why}" for name, why in self.personal.items()]
        if self.undeclared:
            where = "[customers.attributes]"
            said.append(_say("not_declared", columns=self.undeclared, section=where))
        words = words_of(__name__, "personal", n=withheld)
        return words_of(__name__, "personal", n=withheld, said=words.joined(said, "each")).say(
            "not_shown"
        )


def attributes_in(
    customers: ir.Table,
    settings: Settings | None = None,
    personal: Mapping[str, str] | None = None,
) -> Attributes:
    """Tell which attributes of customers a page may show.

    Birth dates, national numbers, ids of each customer's own and all else that
    `promolab.contract.personal` finds are never shown, whether they may be written or not. Any
    other column that the contract does not name stands on a customer's card if
    ``[customers.attributes]`` declares it. Undeclared, the values of all customers together may be
    listed where each is shared by 10 customers or more, but for special categories.

    Parameters
    ----------
    customers : ibis Table
        One row per customer, with customer_id.
    settings : Settings, optional
        The shop's; without them nothing is declared.
    personal : mapping of str to str, optional
        Columns that are personal, and why, where they were looked for already.

    Returns
    -------
    Attributes

    References
    ----------
    Sweeney (2002), k-anonymity: a model for protecting privacy, with k = 10 for each column.

    Examples
    --------
    >>> import ibis
    >>> rows = [{"customer_id": i, "tier": "ab"[i % 2], "town": f"T{i // 4}"} for i in range(20)]
    >>> declared = {"customers": {"attributes": {"tier": "tier"}}}
    >>> found = attributes_in(ibis.memtable(rows), Settings(mapping=declared))
    >>> found.shown, found.rare
    (('tier',), ('town',))
    """
    known = {column.name for column in TABLES["customers"]} | {"flags"}
    if personal is None:
        personal = _look("customers", customers, lambda: datetime.now(UTC).year)
    declared = settings.declared if settings else frozenset()
    others = [c for c in customers.columns if c not in known and c not in personal]
    undeclared = tuple(c for c in others if c not in declared)
    rare = tuple(
        c for c in undeclared if is_special(c) or _least_shared(customers, c) < FEWEST_SHARING
    )
    shown = tuple(column for column in others if column in declared)
    never = {c: why for c, why in personal.items() if c not in known}
    return Attributes(shown, never, rare, undeclared)


def _least_shared(customers: ir.Table, column: str) -> int:
    """Return how many customers share the rarest value; as many as needed where there is none."""
    rows = customers.filter(customers[column].notnull())
    counts = rows.group_by(value=rows[column].cast("string")).aggregate(
        n=rows.customer_id.nunique()
    )
    found = counts.n.min().to_pyarrow().as_py()
    return FEWEST_SHARING if found is None else int(found)


def pooled_values(
    customers: ir.Table, columns: Iterable[str], settings: Settings
) -> dict[str, Any]:
    """Return attributes for a model, whose pages name values: rare texts become ``other``.

    Parameters
    ----------
    customers : ibis Table
        One row per customer.
    columns : iterable of str
        Some of its columns.
    settings : Settings
        What they declare stays as it is.

    Returns
    -------
    dict of str to ibis Column

    Examples
    --------
    >>> import ibis
    >>> table = ibis.memtable({"customer_id": list(range(12)), "town": ["A"] * 11 + ["B"]})
    >>> towns = table.mutate(**pooled_values(table, ["town"], Settings())).town
    >>> towns.value_counts().execute().size
    4
    """
    import ibis

    declared = settings.declared
    made: dict[str, Any] = {}
    for name in columns:
        value = customers[name]
        if value.type().is_string() and name not in declared:
            shared = value.count().over(ibis.window(group_by=value)) >= FEWEST_SHARING
            value = ibis.ifelse(value.notnull() & ~shared, _OTHER, value)
        made[name] = value
    return made
