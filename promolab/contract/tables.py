"""The table contract: every table, its columns, their types, units and meaning.

The data dictionary (``data/README.md``) and the checks are made from this page.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

Type = Literal["id", "time", "text", "money", "share", "number", "flag"]

EVENT_KINDS = ("view", "click", "cart", "purchase", "return", "cancel", "share")
NOT_COUNTED = ("cancelled", "refunded", "unpaid")
"""States of an order that did not count; any other, and none, counts."""
_STATES = ("paid", *NOT_COUNTED)
PROMOTION_KINDS = ("recommendation", "limited_time_discount", "full_reduction", "coupon")
BOUGHT_FROM = ("recommendation",)
"""Kinds that take nothing off, so that there is nothing to redeem: a purchase answers them."""
RESPONSE_KINDS = (
    "delivered",
    "open",
    "click",
    "claim",
    "redeem",
    "purchase",
    "share",
    "unsubscribe",
    "complaint",
)
HAPPENED = ("events", "exposures", "responses")
"""Tables of things that have happened: a time that lies ahead is an error there."""


@dataclass(frozen=True)
class Column:
    """One column of the contract.

    Parameters
    ----------
    name, type : str
        ``id`` (text or whole number), ``time``, ``text``, ``money``, ``share`` (0–1), ``number``
        or ``flag`` (true or false).
    meaning : str
        What it holds, in a few words.
    required : bool
        Whether the table is useless without it.
    values : tuple of str
        The kinds that are known, where the column holds a kind.
    references : str
        The table whose key it is, where it is a foreign key.
    low, high : float, optional
        The range allowed, both ends included.
    example : object
        A value as it may stand in a file.
    """

    name: str
    type: Type
    meaning: str
    required: bool = False
    values: tuple[str, ...] = ()
    references: str = ""
    low: float | None = None
    high: float | None = None
    example: Any = None


@dataclass(frozen=True)
class TableSpec:
    """One table of the contract: its columns, what one row is, and what it unlocks."""

    name: str
    row: str
    unlocks: str
    columns: tuple[Column, ...]
    key: tuple[str, ...] = ()

    def __getitem__(self, name: str) -> Column:
        return next(column for column in self.columns if column.name == name)

    def __iter__(self) -> Iterator[Column]:
        return iter(self.columns)

    def __contains__(self, name: object) -> bool:
        return any(column.name == name for column in self.columns)

    @property
    def required(self) -> tuple[str, ...]:
        """Names of the columns that must be there."""
        return tuple(column.name for column in self.columns if column.required)


def _id(name: str, meaning: str, example: Any, *, required: bool = False, to: str = "") -> Column:
    return Column(name, "id", meaning, required, references=to, example=example)


def _time(name: str, meaning: str, example: str, *, required: bool = True) -> Column:
    return Column(name, "time", meaning, required, example=example)


def _kind(values: tuple[str, ...], example: str) -> Column:
    return Column("kind", "text", "what it is", True, values=values, example=example)


_CUSTOMER = _id("customer_id", "the customer", "C1041", required=True, to="customers")
_PROMOTION = _id("promotion_id", "the promotion", "P18", required=True, to="promotions")
_CHANNEL = Column("channel", "text", "mail, email, app, sms, store …", example="email")

_SPECS = (
    TableSpec(
        "customers",
        "a customer",
        "profiles by demographics; derived from events where it is missing",
        (
            _id("customer_id", "the customer", "C1041", required=True),
            Column("status", "text", "active, closed, blocked …", example="active"),
            _time("since", "when the customer joined", "2016-03-01T00:00:00Z", required=False),
            _id("cluster_id", "household or the like", "H7"),
        ),
        key=("customer_id",),
    ),
    TableSpec(
        "products",
        "a product",
        "interests, price level and private-label share",
        (
            _id("product_id", "the product", "A100", required=True),
            Column("category", "text", "the group it is compared in", True, example="COFFEE"),
            Column("type", "text", "a finer group", example="INSTANT COFFEE"),
            Column("brand", "text", "the brand", example="Private"),
            _id("maker", "who makes it", "M693"),
            Column("department", "text", "a coarser group", example="GROCERY"),
            Column("private_label", "flag", "the shop's own brand", example=True),
            Column("margin_rate", "share", "margin / amount", low=-1, high=1, example=0.3),
        ),
        key=("product_id",),
    ),
    TableSpec(
        "events",
        "something a customer did; a purchase is a row per order line",
        "profiles and segments: with nothing but this table the report has its first three steps",
        (
            _CUSTOMER,
            _time("ts", "when", "2017-10-29T17:02:11Z"),
            _kind(EVENT_KINDS, "purchase"),
            _id("product_id", "the product", "A100", to="products"),
            _id("order_id", "the order; a return's or cancel's is its order's", "O5521"),
            Column(
                "order_status", "text", "what became of its order", values=_STATES, example="paid"
            ),
            Column("quantity", "number", "units", low=0, example=2),
            Column(
                "amount",
                "money",
                "what the shop takes in (of a return or cancel: gives back)",
                example=5.98,
            ),
            Column("discount", "money", "all kinds of discount", low=0, example=1.0),
            Column("coupon_discount", "money", "the coupons' part of it", low=0, example=0.5),
            _id("store_id", "the store", "S3"),
        ),
    ),
    TableSpec(
        "promotions",
        "a promotion",
        "with exposures and responses: response models and campaign reports",
        (
            _id("promotion_id", "the promotion", "P18", required=True),
            Column("name", "text", "what people call it", example="Spring voucher"),
            _kind(PROMOTION_KINDS, "coupon"),
            _time("starts_at", "first moment it is valid", "2017-10-30T04:00:00Z"),
            _time("ends_at", "first moment it is no longer valid", "2017-12-25T05:00:00Z"),
            Column("type", "text", "the shop's own class of promotion", example="Type A"),
            _CHANNEL,
            Column("discount_rate", "share", "share taken off", low=0, high=1, example=0.1),
            Column("threshold", "money", "spend at least", low=0, example=50.0),
            Column("reduction", "money", "and save; a coupon's value", low=0, example=5.0),
            Column("steps", "number", "times in one order (1; 0: every time)", low=0, example=1),
            Column("stacking", "flag", "adds to others in one order", example=False),
            Column("contact_cost", "money", "cost of one contact", low=0, example=0.4),
            Column("funder_share", "share", "paid by the brand", low=0, high=1, example=0.5),
        ),
        key=("promotion_id",),
    ),
    TableSpec(
        "promotion_products",
        "a product that a promotion is valid for (and the coupon that says so)",
        "what a customer bought of a promotion's products before",
        (
            _PROMOTION,
            _id("product_id", "the product", "A100", required=True, to="products"),
            _id("coupon_id", "the coupon", "K9"),
        ),
    ),
    TableSpec(
        "exposures",
        "a customer who was contacted for a promotion",
        "with promotions and responses: response models",
        (
            _PROMOTION,
            _CUSTOMER,
            _time("ts", "when", "2017-10-30T04:00:00Z"),
            _CHANNEL,
        ),
    ),
    TableSpec(
        "responses",
        "what a contacted customer did about it",
        "with promotions and exposures: response models",
        (
            _PROMOTION,
            _CUSTOMER,
            _time("ts", "when", "2017-11-03T04:00:00Z"),
            _kind(RESPONSE_KINDS, "redeem"),
            Column("amount", "money", "money of it", example=4.5),
            _id("coupon_id", "the coupon", "K9"),
        ),
    ),
    TableSpec(
        "decisions",
        "an eligible customer and decision, those who got nothing included",
        "effects: what a promotion adds, not only who responds",
        (
            _id("decision_id", "the decision", "D1", required=True),
            _CUSTOMER,
            _time("ts", "when", "2017-10-27T04:00:00Z"),
            Column("action", "id", "a promotion_id or none", True, example="none"),
            Column(
                "propensity", "share", "chance of that action", True, low=0, high=1, example=0.1
            ),
            Column("planned_action", "id", "what was planned", example="P18"),
            Column(
                "holdout",
                "text",
                "kept out",
                values=("none", "standing", "promotion"),
                example="promotion",
            ),
        ),
        key=("decision_id",),
    ),
    TableSpec(
        "decision_propensities",
        "an action that was possible in a decision",
        "off-policy values of other policies",
        (
            _id("decision_id", "the decision", "D1", required=True, to="decisions"),
            Column("action", "id", "a promotion_id or none", True, example="P18"),
            Column("propensity", "share", "chance of it", True, low=0, high=1, example=0.9),
        ),
    ),
    TableSpec(
        "contact_rights",
        "whether a customer may be contacted through a channel",
        "consent in the weekly plan",
        (
            _CUSTOMER,
            Column("channel", "text", "the channel", True, example="email"),
            Column("allowed", "flag", "may be contacted", True, example=True),
            _time("since", "from when", "2017-01-01T00:00:00Z", required=False),
            Column("reason", "text", "why", example="opt-in"),
        ),
    ),
    TableSpec(
        "reviews",
        "a customer's review of a product",
        "satisfaction by promotion",
        (
            _CUSTOMER,
            _id("product_id", "the product", "A100", required=True, to="products"),
            _time("ts", "when", "2017-11-09T12:00:00Z"),
            Column("rating", "number", "1 (bad) to 5 (good)", low=1, high=5, example=4),
            Column("text", "text", "the words", example="good value"),
            _id("promotion_id", "the promotion", "P18", to="promotions"),
            _id("order_id", "the order", "O5521"),
        ),
    ),
    TableSpec(
        "calendar",
        "a named span of days: sale days, holidays",
        "weeks that differ from others for a known reason",
        (
            Column("name", "text", "its name", True, example="Black Friday"),
            _time("starts_at", "from", "2017-11-24T05:00:00Z"),
            _time("ends_at", "until (not included)", "2017-11-25T05:00:00Z"),
        ),
    ),
)

TABLES: dict[str, TableSpec] = {spec.name: spec for spec in _SPECS}
"""The tables of the contract by name."""


def _range(column: Column) -> str:
    if column.values:
        return ", ".join(column.values)
    if column.low is None:
        return ""
    return f"≥ {column.low:g}" if column.high is None else f"{column.low:g} to {column.high:g}"


def dictionary() -> str:
    """Return the data dictionary as Markdown: a table of columns and an example row per table.

    Examples
    --------
    >>> dictionary().splitlines()[0]
    '### customers'
    """
    lines: list[str] = []
    for spec in TABLES.values():
        lines += [f"### {spec.name}", "", f"One row is {spec.row}. Unlocks: {spec.unlocks}.", ""]
        lines += ["| column | type | meaning | allowed | example |", "|---|---|---|---|---|"]
        for column in spec.columns:
            star = "★" if column.required else ""
            example = str(column.example).lower() if column.type == "flag" else column.example
            lines.append(
                f"| {column.name}{star} | {column.type} | {column.meaning} "
                f"| {_range(column)} | {example} |"
            )
        lines.append("")
    return "\n".join(lines)
