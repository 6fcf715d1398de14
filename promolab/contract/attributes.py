"""Which attributes of customers a page or a card may show: k-anonymity of each by itself.

A page that leaves the house may not tell who a customer is. So what is personal stays off it, and
of the rest only what the shop declares, or what so many share that it points at nobody.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from promolab.contract.personal import personal_in_customers
from promolab.contract.settings import Settings, toml_line
from promolab.contract.tables import TABLES
from promolab.wording import plural

if TYPE_CHECKING:
    import ibis.expr.types as ir

__all__ = ["FEWEST", "Attributes", "attributes_in", "declaration", "declared_in", "pooled"]

FEWEST = 10
"""Customers that share a value, at least, where the shop does not declare the attribute."""
_OTHER = "other"


@dataclass(frozen=True)
class Attributes:
    """What may be shown of customers' attributes; `attributes_in` makes it.

    Parameters
    ----------
    shown : tuple of str
        Columns whose values may stand on a page.
    personal : mapping of str to str
        Columns that are personal, and why: never shown, whatever the shop declares.
    rare : tuple of str
        Columns of which some value is shared by fewer than 10 customers, not declared.
    """

    shown: tuple[str, ...] = ()
    personal: Mapping[str, str] = field(default_factory=dict)
    rare: tuple[str, ...] = ()

    def sentence(self) -> str:
        """Say how many attributes are not shown, which, and what shows them; empty if all are."""
        withheld = len(self.personal) + len(self.rare)
        if not withheld:
            return ""
        said = [f"{name} {why}" for name, why in self.personal.items()]
        if self.rare:
            holds, it_is = ("holds", "it is") if len(self.rare) == 1 else ("hold", "they are")
            said.append(
                f"{_and(self.rare)} {holds} values that fewer than {FEWEST} customers share "
                f"(declared in [customers.attributes] of shop.toml, {it_is} shown)"
            )
        return f"{plural(withheld, 'attribute')} of customers not shown: {'; '.join(said)}."


def attributes_in(
    customers: ir.Table,
    settings: Settings | None = None,
    personal: Mapping[str, str] | None = None,
) -> Attributes:
    """Tell which attributes of customers a page may show.

    Birth dates, national numbers, ids of each customer's own and all else that
    `promolab.contract.personal` finds are never shown, whether they may be written or not. Any
    other column that the contract does not name is shown if ``[customers.attributes]`` declares it,
    or if each of its values is shared by 10 customers or more.

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
    >>> found = attributes_in(ibis.memtable(rows))
    >>> found.shown, found.rare
    (('tier',), ('town',))
    """
    known = {column.name for column in TABLES["customers"]} | {"flags"}
    personal = personal_in_customers(customers) if personal is None else personal
    declared = declared_in(settings)
    others = [c for c in customers.columns if c not in known and c not in personal]
    asked = [c for c in others if c not in declared]
    least = {column: _least_shared(customers, column) for column in asked}
    rare = tuple(column for column in asked if least[column] < FEWEST)
    shown = tuple(column for column in others if column not in rare)
    return Attributes(shown, {c: why for c, why in personal.items() if c not in known}, rare)


def _least_shared(customers: ir.Table, column: str) -> int:
    """Return how many customers share the rarest value; as many as needed where there is none."""
    rows = customers.filter(customers[column].notnull())
    counts = rows.group_by(value=rows[column].cast("string")).aggregate(
        n=rows.customer_id.nunique()
    )
    found = counts.n.min().to_pyarrow().as_py()
    return FEWEST if found is None else int(found)


def pooled(customers: ir.Table, columns: Iterable[str], settings: Settings) -> dict[str, Any]:
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
    >>> table.mutate(**pooled(table, ["town"], Settings())).town.value_counts().execute().size
    4
    """
    import ibis

    declared = declared_in(settings)
    made: dict[str, Any] = {}
    for name in columns:
        value = customers[name]
        if value.type().is_string() and name not in declared:
            shared = value.count().over(ibis.window(group_by=value)) >= FEWEST
            value = ibis.ifelse(value.notnull() & ~shared, _OTHER, value)
        made[name] = value
    return made


def declared_in(settings: Settings | None) -> frozenset[str]:
    """Return the names that ``[customers.attributes]`` of a shop's settings declares."""
    said = settings.mapping.get("customers", {}) if settings is not None else {}
    sections = said if isinstance(said, list) else [said]
    return frozenset(name for section in sections for name in section.get("attributes", {}))


def declaration(names: Iterable[str]) -> str:
    """Return the section of a ``shop.toml`` that declares columns under their own names.

    Examples
    --------
    >>> print(declaration(["age"]))
    <BLANKLINE>
    [customers.attributes]
    age = "age"
    <BLANKLINE>
    """
    lines = [toml_line(name, name) for name in names]
    return "\n".join(["", "[customers.attributes]", *lines, ""]) if lines else ""


def _and(names: Iterable[str]) -> str:
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last
