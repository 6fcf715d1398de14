"""What a shop says about its weekly work: whom to contact, what it costs, how results are read.

The sections ``[contact]``, ``[send]``, ``[offers]``, ``[economics]``, ``[attribution]``,
``[release]``, ``[notify]``, ``[privacy]``, ``[fairness]``, ``[replies]`` and ``[[experiments]]`` of
its ``shop.toml``, checked.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from types import MappingProxyType
from typing import Annotated, Any, Literal

from promolab.checks import real_number, share, span, text
from promolab.contract.reply_templates import ReplyTerms
from promolab.contract.settings import (
    OPERATIONS,
    KeyCheck,
    Settings,
    Text,
    Texts,
    by_name,
    each,
    from_one,
    from_zero,
    id_of,
    keyed,
    one_of,
    section_of,
    toml_list,
    toml_table,
)
from promolab.contract.stated_experiments import StatedExperiment, read_experiment_tables
from promolab.contract.tables import TABLES
from promolab.errors import InputError, nearest

SEND_FIELDS = (
    *("customer_id", "promotion_id", "channel", "starts_at", "ends_at", "decision_id", "offers"),
    "promotion_name",
)
"""What a send file may hold. Nothing in it tells a customer who is held out from one who is not."""

ASSUMED = MappingProxyType({"margin_rate": 0.25, "contact_cost": 0.0, "coupon_cost": 0.0})
"""What stands for a figure that a shop does not state; wherever it enters it is called assumed."""

NONE = "none"  # the action of whoever gets nothing


@dataclass(frozen=True)
class ContactLimit:
    """At most so many contacts in so many days.

    Parameters
    ----------
    contacts, days : int
        At least 1 each. A contact exactly so many days before the next one no longer counts.
    channel : str, optional
        The channel it holds for; without one the contacts of all channels count together.
    """

    contacts: Annotated[int, from_one]
    days: Annotated[int, from_one]
    channel: Annotated[str | None, text] = None


def _limit(place: str, row: Any) -> ContactLimit:
    written = '{ channel = "email", contacts = 2, days = 7 }'
    return section_of(ContactLimit, place, row, ": ", written)


def _group(place: str, value: Any) -> tuple[str, ...]:
    group = tuple(id_of(place, one) for one in toml_list(place, value))
    if len(set(group)) < max(2, len(group)):
        raise InputError(f"{place}: {list(group)} must name two promotions or more, each once")
    return group


@dataclass(frozen=True)
class ContactRules:
    """The section ``[contact]``.

    Parameters
    ----------
    limits : tuple of ContactLimit
        Each holds for itself.
    quiet_days_after_complaint : int
        Days without any contact, on all channels.
    quiet_days_after_unsubscribe : int, optional
        Days without the right to contact on that channel; for good where it is not stated. Consent
        given anew (`contact_rights.since` after the unsubscribe) ends it.
    unlisted : str
        What it means that `contact_rights` does not name a customer on a channel: ``no right`` or
        ``may be contacted`` (the table lists refusals only).
    never_statuses : tuple of str
        Values of `customers.status` that are never contacted, whatever their case.
    exclusive : tuple of tuple of str
        Promotions that exclude each other, as text.
    bundles : mapping of str to tuple of str
        Actions made of several promotions that one customer gets together.
    most : mapping of str to int
        Promotion (or bundle) → how many may be contacted for it in its week, where that is more
        than the plan has: `promolab.serve` may then give it to others.
    """

    limits: Annotated[tuple[ContactLimit, ...], each(_limit)] = ()
    quiet_days_after_complaint: Annotated[int, from_zero] = 90
    quiet_days_after_unsubscribe: Annotated[int | None, from_zero] = None
    unlisted: Annotated[
        Literal["no right", "may be contacted"], one_of("no right", "may be contacted")
    ] = "no right"
    never_statuses: Texts = ("blocked",)
    exclusive: Annotated[tuple[tuple[str, ...], ...], each(_group)] = ()
    bundles: Annotated[Mapping[str, tuple[str, ...]], by_name(_group)] = field(
        default_factory=dict, hash=False
    )
    most: Annotated[Mapping[str, int], by_name(from_zero)] = field(default_factory=dict, hash=False)

    def rivals(self, promotion_id: Any) -> tuple[str, ...]:
        """Return the promotions, as text, that exclude one."""
        groups = [group for group in self.exclusive if str(promotion_id) in group]
        return tuple(sorted({p for group in groups for p in group} - {str(promotion_id)}))


@dataclass(frozen=True)
class SendColumns:
    """The section ``[send]``.

    Parameters
    ----------
    columns : mapping of str to str
        Field of `SEND_FIELDS` → its column's name, in the file's order.
    encoding : {"utf-8", "utf-8-sig"}
        Of the files. ``utf-8-sig`` begins with the mark by which Excel knows that names are not in
        the machine's own alphabet.
    stated : bool
        Whether the shop states the columns: its files then hold these and no others.
    """

    columns: Annotated[Mapping[str, str], by_name(text, SEND_FIELDS)] = field(
        default_factory=lambda: {name: name for name in SEND_FIELDS[:3]}, hash=False
    )
    encoding: Annotated[str, one_of("utf-8", "utf-8-sig")] = "utf-8"
    stated: bool = False


@dataclass(frozen=True)
class OfferRules:
    """The section ``[offers]``.

    Parameters
    ----------
    chosen_types : tuple of str
        Types of promotion whose offers the shop chose customer by customer, from what they had
        bought, without a record of which: who took what says nothing of how well offers are ranked.
    """

    chosen_types: Texts = ()


@dataclass(frozen=True)
class StatedRate:
    """A figure, and whether the shop stated it or it is assumed."""

    value: float
    assumed: bool


@dataclass(frozen=True)
class Economics:
    """The section ``[economics]``.

    Parameters
    ----------
    margin_rate : StatedRate
        Margin as a share of sales.
    contact_cost : StatedRate
        Cost of one contact, where the promotion states none.
    coupon_cost : StatedRate
        Cost of one redemption beside its discount.
    currency : str
        The shop's.
    budget : float or None
        What a week's contacts and discounts may cost the shop; None where it states none.
    """

    margin_rate: StatedRate
    contact_cost: StatedRate
    coupon_cost: StatedRate
    currency: str
    budget: float | None = None

    @property
    def assumed(self) -> tuple[str, ...]:
        """Names of the figures that are assumed."""
        return tuple(name for name in ASSUMED if getattr(self, name).assumed)


@dataclass(frozen=True)
class Attribution:
    """The section ``[attribution]``.

    Parameters
    ----------
    windows : mapping of str to int
        Kind of response → days after the promotion's start in which one counts; kinds that are not
        named count until the promotion ends.
    return_days : int
        Days in which a purchase may come back.
    """

    windows: Annotated[Mapping[str, int], by_name(from_one, TABLES["responses"]["kind"].values)] = (
        field(default_factory=dict, hash=False)
    )
    return_days: Annotated[int, from_zero] = 30


@dataclass(frozen=True)
class ReleaseTerms:
    """The section ``[release]``: who releases the week's plan, and by when; texts, as shown."""

    owner: Text = ""
    deadline: Text = ""


@dataclass(frozen=True)
class PrivacyTerms:
    """The section ``[privacy]``: what the shop's models may tell of a customer, all in all.

    Parameters
    ----------
    epsilon, delta : float
        The budget: all releases together are (ε, δ)-private.
    bounds : mapping of str to (float, float)
        Column → smallest and largest value that it counts for; the columns a model may use.
    releases : int
        How many equal releases the budget is for; one a week for a year by default.
    least : int
        Customers that a segment holds on pages and cards, at least: smaller ones are shown as one.
        It holds alone as well, where no budget is stated.
    """

    epsilon: Annotated[float, partial(real_number, above=0)]
    delta: Annotated[float, partial(real_number, above=0, below=1)]
    bounds: Annotated[Mapping[str, tuple[float, float]], by_name(span)] = field(hash=False)
    releases: Annotated[int, from_one] = 52
    least: Annotated[int, from_one] = 10


_PRIVACY = "epsilon = 10, delta = 1e-6, bounds = { orders_84d = [0, 100] }"


def _command(place: str, value: Any) -> tuple[str, ...]:
    if isinstance(value, str):
        raise InputError(
            f'{place} = "{value}" is one text; no shell runs it: give the command and its arguments'
            ' apart, such as ["notify-team", "--week"]'
        )
    return tuple(text(place, part, empty=i > 0) for i, part in enumerate(toml_list(place, value)))


@dataclass(frozen=True)
class Notify:
    """The section ``[notify]``: a command and its arguments each, or nothing."""

    on_success: Annotated[tuple[str, ...], _command] = ()
    on_failure: Annotated[tuple[str, ...], _command] = ()


@dataclass(frozen=True)
class GroupColumns:
    """The section ``[fairness]``: by which columns of its customers a plan is compared.

    Parameters
    ----------
    columns : tuple of str
        Personal ones too, where they are stated here: their values are shown as groups' names.
    bands : mapping of str to tuple of float
        Where to cut a column of numbers.
    """

    columns: Texts = ()
    bands: Annotated[Mapping[str, Any], by_name(each(real_number))] = field(default_factory=dict)


@dataclass(frozen=True)
class Operations:
    """All that a shop says about its weekly work; made by `read_operations`."""

    contact: ContactRules
    send: SendColumns
    offers: OfferRules
    economics: Economics
    attribution: Attribution
    notify: Notify
    release: ReleaseTerms = field(default_factory=ReleaseTerms)
    experiments: tuple[StatedExperiment, ...] = ()
    privacy: PrivacyTerms | None = None
    least: int = PrivacyTerms.least
    fairness: GroupColumns = field(default_factory=GroupColumns)
    replies: ReplyTerms = field(default_factory=ReplyTerms)


def read_operations(settings: Settings) -> Operations:
    """Read what a shop's settings say about its weekly work.

    Parameters
    ----------
    settings : Settings
        ``settings.operations`` holds the sections; what they leave out has a default.

    Returns
    -------
    Operations

    Raises
    ------
    InputError
        If a key is unknown (the nearest is named) or a value is not understood.

    Examples
    --------
    >>> said = {"contact": {"limits": [{"channel": "email", "contacts": 2, "days": 7}]}}
    >>> read_operations(Settings(operations=said)).contact.limits
    (ContactLimit(contacts=2, days=7, channel='email'),)
    >>> read_operations(Settings(margin_rate=0.4)).economics.assumed
    ('contact_cost', 'coupon_cost')
    """
    said = settings.operations
    unknown = [name for name in said if name not in OPERATIONS]
    if unknown:
        raise InputError(f"[{unknown[0]}] is no section; {nearest(unknown[0], OPERATIONS)}")
    read = {
        name: section_of(cls, f"[{name}]", said.get(name, {})) for name, cls in _SECTIONS.items()
    }
    for stated in [said["privacy"]] if "privacy" in said else []:
        if {*toml_table("[privacy]", stated, None)} == {"least"}:
            read["least"] = from_one("[privacy] least", stated["least"])
        else:
            read["privacy"] = section_of(PrivacyTerms, "[privacy]", stated, example=_PRIVACY)
            read["least"] = read["privacy"].least
    _check_bundles(read["contact"])
    _check_columns(read["send"])
    return Operations(
        **read | {"send": replace(read["send"], stated="columns" in said.get("send", {}))},
        economics=_economics(said.get("economics", {}), settings),
        experiments=read_experiment_tables(said.get("experiments", ())),
    )


_SECTIONS: Mapping[str, type[Any]] = {
    "contact": ContactRules,
    "send": SendColumns,
    "offers": OfferRules,
    "attribution": Attribution,
    "notify": Notify,
    "release": ReleaseTerms,
    "fairness": GroupColumns,
    "replies": ReplyTerms,
}


def _check_bundles(rules: ContactRules) -> None:
    seen: dict[str, str] = {}
    for name, members in rules.bundles.items():
        place = f"[contact] bundles.{name}"
        if name == NONE or not name.strip():
            raise InputError(f'{place}: "{name}" cannot be the name of a bundle; give another')
        for promotion in members:
            if promotion in seen:
                raise InputError(
                    f"{place} holds {promotion!r}, which {seen[promotion]!r} holds too; a "
                    "promotion is part of one bundle at most"
                )
            seen[promotion] = name
            both = sorted(set(rules.rivals(promotion)) & set(members))
            if both:
                raise InputError(
                    f"{place} holds {promotion!r} and {both[0]!r}, which [contact] exclusive says "
                    "exclude each other"
                )


def _check_columns(send: SendColumns) -> None:
    place = "[send] columns"
    names = send.columns.values()
    if "customer_id" not in send.columns:
        raise InputError(f"{place} lacks customer_id; the sending tool needs to know the customer")
    if len(set(names)) < len(names):
        raise InputError(f"{place} gives two columns one name: {', '.join(names)}")
    for key, name in send.columns.items():
        if name[0] in "=+-@" or any(ord(c) < 32 for c in name):
            raise InputError(
                f"{place}.{key} = {name!r} would be run as a formula, or breaks the line; give a "
                "plain name"
            )


def _budget(place: str, value: Any) -> float | None:
    return budget_of(value, place)


_RATES: Mapping[str, KeyCheck] = {
    "margin_rate": partial(share, zero=False, one=False),
    "contact_cost": partial(real_number, least=0),
    "coupon_cost": partial(real_number, least=0),
}


def _economics(said: Any, settings: Settings) -> Economics:
    place, own = "[economics]", settings.currency
    keys = {**_RATES, "currency": text, "assumed": each(text), "budget": _budget}
    given = {"currency": own, "assumed": ()} | keyed(place, said, keys, " ")
    if given["currency"] != own:
        raise InputError(
            f"{place} currency = {given['currency']!r}, but the shop's amounts are in {own!r}; "
            f"state the costs in {own}"
        )
    stated = {name: given[name] for name in ASSUMED if name in given}
    top = settings.margin_rate
    if top is not None and stated.setdefault("margin_rate", top) != top:
        raise InputError(
            f"{place} margin_rate = {stated['margin_rate']!r}, but margin_rate = {top!r} stands"
            " above the sections; state it once"
        )
    for name in given["assumed"]:
        if name not in stated:
            raise InputError(
                f"{place} assumed names {name!r}, which is not stated; {nearest(name, stated)}"
            )
    rates = {
        name: StatedRate(stated.get(name, value), name not in stated or name in given["assumed"])
        for name, value in ASSUMED.items()
    }
    return Economics(**rates, currency=own, budget=given.get("budget"))


def budget_of(value: Any, place: str = "budget") -> float | None:
    """Return a week's budget: a number from 0 on; None where nothing is stated.

    Parameters
    ----------
    value : object
        As it was written; None and an empty text state nothing.
    place : str
        What a message calls it.

    Raises
    ------
    InputError
        It is negative, or no number.

    Examples
    --------
    >>> budget_of(42_000), budget_of("")
    (42000.0, None)
    >>> budget_of("much")
    Traceback (most recent call last):
    ...
    promolab.errors.InputError: budget = 'much'; expected a number from 0 on, ...
    """
    if value is None or value == "":
        return None
    hint = ", such as 42000; without one, no more is spent where a further unit adds nothing"
    return real_number(place, value, least=0, hint=hint)
