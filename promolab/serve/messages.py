"""What is asked and answered over HTTP, each field explained: the API's pages are made of it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

CustomerId = str | int
MOST_CUSTOMERS, MOST_EVENTS, MOST_LETTERS = 1_000, 10_000, 4_000
Customers = Annotated[list[CustomerId], Field(min_length=1, max_length=MOST_CUSTOMERS)]
Promotions = Annotated[list[str | int], Field(max_length=MOST_CUSTOMERS)]
Holdout = Literal["none", "standing", "promotion"]


class Asked(BaseModel):
    """Customers, and the promotions to look at for each.

    - customers: the customers, as the shop writes them, such as ["C1041"]; one whom the shop does
      not know is answered as new.
    - promotions: any that the shop has, such as ["P18"]; by default those of the week's plan.
    """

    model_config = ConfigDict(extra="forbid")
    customers: Customers
    promotions: Promotions | None = None


class Effect(BaseModel):
    """What a contact adds, as the week's report found it.

    - value: expected difference in the outcome, in the shop's currency.
    - ci_low, ci_high: the ends of its interval.
    - identification: whether chance decided past contacts, or differences were adjusted for.
    - as_of: of when the effect is (UTC); events do not move it.
    """

    value: float
    ci_low: float
    ci_high: float
    identification: Literal["randomised", "adjusted"]
    as_of: datetime


class Pair(BaseModel):
    """One customer with one promotion.

    - promotion_id: the promotion, as text.
    - chance: chance of a response if contacted, 0–1, by the week's model and the features of now;
      null where the week has no model.
    - effect: what a contact adds; null where that is not identified, or not for this customer and
      promotion.
    - eligible: whether the promotion may be offered to the customer now.
    - why_not: why not: no right to contact on its channel (no_right); a status that is never
      contacted (status); over a contact limit, or quiet after a complaint (over_limit); another
      promotion excludes it (excluded); or it is over (over).
    - holdout: whether chance holds the customer out, of everything for the long run (standing) or
      of this promotion. Nobody held out is ever given a promotion.
    """

    promotion_id: str
    chance: float | None
    effect: Effect | None
    eligible: bool
    why_not: list[Literal["no_right", "status", "over_limit", "excluded", "over"]]
    holdout: Holdout


class Decided(BaseModel):
    """What a customer gets, as it was written into the week's served log.

    - decision_id: the decision; the plan's own where the plan alone decided.
    - ts: when it was made (UTC).
    - action: a promotion or bundle of the week's plan, or none.
    - propensity: chance of that action under the policy, 0–1.
    - planned_action: what was meant before chance held anybody out, or rights barred it.
    - holdout: whether chance held the customer out of it.
    - chances: chance of every action that was possible; they add up to 1.
    - planned: whether the released plan has the customer.
    """

    decision_id: str
    ts: datetime
    action: str
    propensity: float
    planned_action: str
    holdout: Holdout
    chances: dict[str, float]
    planned: bool


class Answer(BaseModel):
    """One customer.

    - customer_id: the customer, as the shop writes it.
    - new: whether nothing is known that the customer ever did: the answer is that of somebody new.
    - promotions: the customer with each promotion asked for.
    - decision: what the customer gets; null unless choose=1 was asked.
    """

    customer_id: CustomerId
    new: bool
    promotions: list[Pair]
    decision: Decided | None


class Answers(BaseModel):
    """What is known now, and of when it is.

    - week: the released week, such as 2017-W44.
    - as_of: of when the answer is (UTC).
    - events_until: when the latest event was that is counted; the week's own moment before one.
    - age_seconds: how much older the latest event is than the answer.
    - kept_as_of: features that cannot be kept fresh → of when they are (UTC).
    - model: SHA-256 of the model's file; null without a model.
    - customers: the customers, in the order asked.
    """

    week: str
    as_of: datetime
    events_until: datetime
    age_seconds: float
    kept_as_of: dict[str, datetime]
    model: str | None
    customers: list[Answer]


class Happened(BaseModel):
    """Something that happened: a row of the contract's events, exposures, responses or rights.

    Beside the fields below it has the columns that the contract's table has; times are ISO 8601,
    UTC unless a zone is written.

    - table: whose row it is; by default its columns tell: with a promotion_id it is a response,
      without a kind an exposure; with allowed a contact right; else an event.
    - event_id: what tells it from others of its table: given again it counts once. Without it, rows
      that say the same are one.
    - customer_id: the customer, as the shop writes it.
    """

    model_config = ConfigDict(extra="allow")
    table: Literal["events", "exposures", "responses", "contact_rights"] | None = None
    event_id: str | int | None = None
    customer_id: CustomerId


class Events(BaseModel):
    """Events, of which all are taken in or none.

    - events: what happened, in any order.
    """

    model_config = ConfigDict(extra="forbid")
    events: list[Happened] = Field(min_length=1, max_length=MOST_EVENTS)


class Taken(BaseModel):
    """What became of the events; it is written to the store when this is answered.

    - new: events that count from now on.
    - repeated: events whose id came before: they count once.
    - conflicting: events whose id came before in the same table and said something else: the first
      one counts, and a refusal is obeyed all the same.
    - late: events from before the week's moment: features have them already, or with the next week;
      rights and contact limits count them at once.
    - unknown_customers: events of customers of whom neither the shop nor an earlier event knows.
    """

    new: int
    repeated: int
    conflicting: int
    late: int
    unknown_customers: int


class Question(BaseModel):
    """What a customer asks.

    - question: the question, in the customer's words; it is kept nowhere.
    - customer_id: who asks; without it no promotion is named.
    - promotion_id: the promotion that may be named; by default what the customer gets this week.
    - k: how many templates at most.
    """

    model_config = ConfigDict(extra="forbid")
    question: str = Field(max_length=MOST_LETTERS)
    customer_id: CustomerId | None = None
    promotion_id: str | int | None = None
    k: int = Field(3, ge=1, le=10)


class Reply(BaseModel):
    """A template of the shop's that may answer.

    - intent: what it is for, as the shop calls it.
    - text: the template's text; where a promotion is named, its name and terms are filled in.
    - score: how sure it is, 0–1.
    - promotion_id: the promotion that the text names; null where it names none, as for whoever may
      not be offered it now, and for whoever chance holds out.
    """

    intent: str
    text: str
    score: float
    promotion_id: str | None


class Found(BaseModel):
    """Templates for a question, the best first.

    - replies: none where it is not sure enough.
    - why: why there are none: no words (empty), a script without examples (script), or none is sure
      enough to fit (unsure).
    """

    replies: list[Reply]
    why: Literal["empty", "script", "unsure"] | None


class Health(BaseModel):
    """Whether the service can answer, and how fresh it is.

    - status: whether it can answer: the store does not, its log was emptied, or a file cannot be
      written.
    - week: the released week.
    - store: where the log lies: memory or redis.
    - as_of: the week's own moment (UTC).
    - events_until: when the latest event was that is counted (UTC).
    - notes: what else is to be known, in sentences.
    """

    status: Literal["ok", "store down", "log gone", "not written"]
    week: str
    store: str
    as_of: datetime
    events_until: datetime
    notes: list[str]


class Problem(BaseModel):
    """What went wrong, as RFC 9457 says it, without anything that was sent.

    - type: always about:blank: the status says what it is.
    - title: the status in words.
    - status: the status.
    - detail: a sentence: what is expected, and what to do.
    """

    type: str
    title: str
    status: int
    detail: str
