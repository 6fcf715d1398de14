"""What is asked and answered over HTTP, each field explained: the API's pages are made of it."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, create_model

from promolab.contract import TABLES
from promolab.serve.fresh.events import KINDS
from promolab.wording import capital

CustomerId = Annotated[str | int, Field(description="The customer, as the shop writes it.")]
MOST_CUSTOMERS, MOST_EVENTS = 1_000, 10_000


class Asked(BaseModel):
    """Customers, and the promotions to look at for each."""

    model_config = ConfigDict(extra="forbid")

    customers: list[CustomerId] = Field(
        min_length=1,
        max_length=MOST_CUSTOMERS,
        description="The customers. One whom the shop does not know is answered as new.",
        examples=[["C1041"]],
    )
    promotions: list[str | int] | None = Field(
        default=None,
        max_length=MOST_CUSTOMERS,
        description="The promotions, any that the shop has; by default those of the week's plan.",
        examples=[["P18"]],
    )


class Effect(BaseModel):
    """What a contact adds, as the week's report found it."""

    value: float = Field(description="Expected difference in the outcome, in the shop's currency.")
    ci_low: float = Field(description="Lower end of its interval.")
    ci_high: float = Field(description="Upper end of its interval.")
    identification: Literal["randomised", "adjusted"] = Field(
        description="Whether chance decided past contacts, or differences were adjusted for."
    )
    as_of: datetime = Field(description="Of when the effect is (UTC); events do not move it.")


class Pair(BaseModel):
    """One customer with one promotion."""

    promotion_id: str = Field(description="The promotion, as text.")
    chance: float | None = Field(
        description="Chance of a response if contacted, 0–1, by the week's model and the features "
        "of now; null where the week has no model."
    )
    effect: Effect | None = Field(
        description="What a contact adds; null where that is not identified, or not for this "
        "customer and promotion."
    )
    eligible: bool = Field(description="Whether the promotion may be offered to the customer now.")
    why_not: list[Literal["no_right", "status", "over_limit", "excluded", "over"]] = Field(
        description="Why not: no right to contact on its channel; a status that is never "
        "contacted; over a contact limit, or quiet after a complaint; another promotion excludes "
        "it; or it is over."
    )
    holdout: Literal["none", "standing", "promotion"] = Field(
        description="Whether chance holds the customer out: of everything for the long run, or of "
        "this promotion. Nobody held out is ever given a promotion."
    )


class Decided(BaseModel):
    """What a customer gets, as it was written into the week's served log."""

    decision_id: str = Field(
        description="The decision; the plan's own where the plan alone decided."
    )
    ts: datetime = Field(description="When it was made (UTC).")
    action: str = Field(description="A promotion or bundle of the week's plan, or none.")
    propensity: float = Field(description="Chance of that action under the policy, 0–1.")
    planned_action: str = Field(
        description="What was meant before chance held anybody out, or rights barred it."
    )
    holdout: Literal["none", "standing", "promotion"] = Field(
        description="Whether chance held the customer out of it."
    )
    chances: dict[str, float] = Field(
        description="Chance of every action that was possible; they add up to 1."
    )
    planned: bool = Field(description="Whether the released plan has the customer.")


class Answer(BaseModel):
    """One customer."""

    customer_id: CustomerId
    new: bool = Field(
        description="Whether nothing is known that the customer ever did: the answer is that of "
        "somebody new."
    )
    promotions: list[Pair] = Field(description="The customer with each promotion asked for.")
    decision: Decided | None = Field(
        description="What the customer gets; null unless `choose=1` was asked."
    )


class Answers(BaseModel):
    """What is known now, and of when it is."""

    week: str = Field(description="The released week, such as 2017-W44.")
    as_of: datetime = Field(description="Of when the answer is (UTC).")
    events_until: datetime = Field(
        description="When the latest event was that is counted; the week's own moment before one."
    )
    age_seconds: float = Field(description="How much older the latest event is than the answer.")
    kept_as_of: dict[str, datetime] = Field(
        description="Features that cannot be kept fresh → of when they are (UTC)."
    )
    model: str | None = Field(description="SHA-256 of the model's file; null without a model.")
    customers: list[Answer] = Field(description="The customers, in the order asked.")


class Row(BaseModel):
    """Something that happened: a row of the contract's events, exposures, responses or rights."""

    model_config = ConfigDict(extra="allow")

    table: Literal["events", "exposures", "responses", "contact_rights"] | None = Field(
        default=None,
        description="Whose row it is; by default its columns tell: with a promotion_id it is a "
        "response, without a kind an exposure; with allowed a contact right; else an event.",
    )
    event_id: str | int | None = Field(
        default=None,
        description="What tells it from others of its table: given again it counts once. Without "
        "it, rows that say the same are one.",
    )
    customer_id: CustomerId


def _columns() -> dict[str, Any]:
    """Return a field for each column of the contract that a row may have, with its meaning."""
    types: dict[str, Any] = {"id": str | int, "flag": bool, "money": float, "number": float}
    found: dict[str, Any] = {}
    for table in KINDS:
        for column in TABLES[table]:
            kinds = f" of {table}: {', '.join(column.values)}" if column.values else ""
            kinds += ", ISO 8601; UTC unless a zone is written" if column.type == "time" else ""
            before = f"{found[column.name][1].description} " if column.name in found else ""
            if column.values or not before:
                said = f"{before}{capital(column.meaning)}{kinds}."
                kind = types.get(column.type, str) | None
                found[column.name] = kind, Field(default=None, description=said)
    return {name: field for name, field in found.items() if name not in Row.model_fields}


if TYPE_CHECKING:
    Happened = Row
else:
    Happened = create_model("Happened", __base__=Row, __doc__=Row.__doc__, **_columns())


class Events(BaseModel):
    """Events, of which all are taken in or none."""

    model_config = ConfigDict(extra="forbid")

    events: list[Happened] = Field(
        min_length=1, max_length=MOST_EVENTS, description="What happened, in any order."
    )


class Taken(BaseModel):
    """What became of the events; it is written to the store when this is answered."""

    new: int = Field(description="Events that count from now on.")
    repeated: int = Field(description="Events whose id came before: they count once.")
    conflicting: int = Field(
        description="Events whose id came before in the same table and said something else: the "
        "first one counts, and a refusal is obeyed all the same."
    )
    late: int = Field(
        description="Events from before the week's moment: features have them already, or with "
        "the next week; rights and contact limits count them at once."
    )
    unknown_customers: int = Field(
        description="Events of customers of whom neither the shop nor an earlier event knows."
    )
    unknown_channels: int = Field(
        description="Rights refused on a channel that the shop does not have, as a queue may "
        "bring them: they bar every channel. Over HTTP such a channel is an error."
    )


class Health(BaseModel):
    """Whether the service can answer, and how fresh it is."""

    status: Literal["ok", "store down", "log gone", "not written", "queue unread"] = Field(
        description="Whether it can answer: the store does not, its log was emptied, a file cannot "
        "be written, or what reads the queue of events has ended by an error."
    )
    week: str = Field(description="The released week.")
    store: str = Field(description="Where the log lies: memory or redis.")
    as_of: datetime = Field(description="The week's own moment (UTC).")
    events_until: datetime = Field(description="When the latest event was that is counted (UTC).")
    notes: list[str] = Field(description="What else is to be known, in sentences.")


class Problem(BaseModel):
    """What went wrong, as RFC 9457 says it, without anything that was sent."""

    type: str = Field(description="Always about:blank: the status says what it is.")
    title: str = Field(description="The status in words.")
    status: int = Field(description="The status.")
    detail: str = Field(description="A sentence: what is expected, and what to do.")
