"""What a shop says about its weekly work: whom to contact, what it costs, how results are read.

The sections ``[contact]``, ``[send]``, ``[offers]``, ``[economics]``, ``[attribution]``,
``[release]``, ``[notify]`` and ``[[experiments]]`` of its ``shop.toml``, checked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal

from promolab.checks import choice, real_number, share, text, whole_number
from promolab.contract.settings import Settings
from promolab.contract.stated_experiments import StatedExperiment, read_experiment_tables
from promolab.contract.tables import RESPONSE_KINDS
from promolab.errors import InputError, nearest


def table_of(place: str, value: Any, keys: Sequence[str] | None) -> dict[str, Any]:
    """Return a table of TOML with no other keys than these (None: any)."""
    if not isinstance(value, Mapping):
        raise InputError(f"{place} is {value!r}, must be a table of key = value")
    for key in value if keys is not None else ():
        if key not in (keys or ()):
            raise InputError(f"{place} has an unknown key {key!r}; {nearest(key, keys or ())}")
    return dict(value)


def list_of(place: str, value: Any) -> Sequence[Any]:
    """Return a list."""
    if not isinstance(value, (list, tuple)):
        raise InputError(f"{place} = {value!r}, must be a list: [ … ]")
    return value


def texts_of(place: str, value: Any) -> tuple[str, ...]:
    """Return a list of texts."""
    return tuple(text(place, part) for part in list_of(place, value))


def group_of(place: str, value: Any) -> tuple[str, ...]:
    """Return two promotions or more, as text: ids may be whole numbers."""
    numbered = [str(p) if type(p) is int else p for p in list_of(place, value)]
    group = texts_of(place, numbered)
    if len(set(group)) < max(2, len(group)):
        raise InputError(f"{place}: {list(group)} must name two promotions or more, each once")
    return group


SEND_FIELDS = (
    *("customer_id", "promotion_id", "channel", "starts_at", "ends_at", "decision_id", "offers"),
    "promotion_name",
)
"""What a send file may hold. Nothing in it tells a customer who is held out from one who is not."""

ASSUMED = MappingProxyType({"margin_rate": 0.25, "contact_cost": 0.0, "coupon_cost": 0.0})
"""What stands for a figure that a shop does not state; wherever it enters it is called assumed."""

OVERLAPPING = ("each in full", "first", "shared")
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

    contacts: int
    days: int
    channel: str | None = None


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

    limits: tuple[ContactLimit, ...] = ()
    quiet_days_after_complaint: int = 90
    quiet_days_after_unsubscribe: int | None = None
    unlisted: Literal["no right", "may be contacted"] = "no right"
    never_statuses: tuple[str, ...] = ("blocked",)
    exclusive: tuple[tuple[str, ...], ...] = ()
    bundles: Mapping[str, tuple[str, ...]] = field(default_factory=dict, hash=False)
    most: Mapping[str, int] = field(default_factory=dict, hash=False)

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

    columns: Mapping[str, str] = field(
        default_factory=lambda: {name: name for name in SEND_FIELDS[:3]}, hash=False
    )
    encoding: str = "utf-8"
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

    chosen_types: tuple[str, ...] = ()


@dataclass(frozen=True)
class StatedRate:
    """A figure, and whether the shop stated it or it is assumed."""

    value: float
    assumed: bool

    def marked(self, text: str) -> str:
        """Return the text of the figure, marked where it is assumed.

        Examples
        --------
        >>> assumed, stated = StatedRate(0.25, assumed=True), StatedRate(0.4, assumed=False)
        >>> assumed.marked("25 %"), stated.marked("40 %")
        ('25 % (assumed)', '40 %')
        """
        return f"{text} (assumed)" if self.assumed else text


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
    overlapping : str
        A purchase in the windows of several promotions counts for ``each in full``, for the
        ``first`` or is ``shared``.
    """

    windows: Mapping[str, int] = field(default_factory=dict, hash=False)
    return_days: int = 30
    overlapping: Literal["each in full", "first", "shared"] = "each in full"


@dataclass(frozen=True)
class ReleaseTerms:
    """The section ``[release]``: who releases the week's plan, and by when; texts, as shown."""

    owner: str = ""
    deadline: str = ""


@dataclass(frozen=True)
class Notify:
    """The section ``[notify]``: a command and its arguments each, or nothing."""

    on_success: tuple[str, ...] = ()
    on_failure: tuple[str, ...] = ()


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
    said = {
        name: table_of(f"[{name}]", settings.operations.get(name, {}), keys)
        for name, keys in _KEYS.items()
    }
    sections = (*_KEYS, "experiments")
    unknown = [name for name in settings.operations if name not in sections]
    if unknown:
        raise InputError(f"[{unknown[0]}] is no section; {nearest(unknown[0], sections)}")
    return Operations(
        contact=_contact(said["contact"]),
        send=_send(said["send"]),
        offers=OfferRules(**{k: texts_of(f"[offers] {k}", v) for k, v in said["offers"].items()}),
        economics=_economics(said["economics"], settings),
        attribution=_attribution(said["attribution"]),
        notify=Notify(**{k: _command(f"[notify] {k}", v) for k, v in said["notify"].items()}),
        release=ReleaseTerms(**{k: text(f"[release] {k}", v) for k, v in said["release"].items()}),
        experiments=read_experiment_tables(settings.operations.get("experiments", ())),
    )


_KEYS: Mapping[str, tuple[str, ...]] = {
    "contact": tuple(ContactRules.__dataclass_fields__),
    "send": ("columns", "encoding"),
    "offers": tuple(OfferRules.__dataclass_fields__),
    "economics": (*ASSUMED, "currency", "assumed", "budget"),
    "attribution": tuple(Attribution.__dataclass_fields__),
    "notify": ("on_success", "on_failure"),
    "release": ("owner", "deadline"),
}


def _contact(said: dict[str, Any]) -> ContactRules:
    values: dict[str, Any] = {}
    for key, value in said.items():
        place = f"[contact] {key}"
        if key == "limits":
            values[key] = tuple(_limit(place, row) for row in list_of(place, value))
        elif key.startswith("quiet_days"):
            values[key] = whole_number(place, value, 0)
        elif key == "unlisted":
            values[key] = choice(place, value, ("no right", "may be contacted"))
        elif key == "never_statuses":
            values[key] = texts_of(place, value)
        elif key == "exclusive":
            values[key] = tuple(group_of(place, row) for row in list_of(place, value))
        elif key == "most":
            most = table_of(place, value, None)
            values[key] = {name: whole_number(f"{place}.{name}", n, 0) for name, n in most.items()}
        else:
            bundles = table_of(place, value, None)
            values[key] = {name: group_of(f"{place}.{name}", v) for name, v in bundles.items()}
    rules = ContactRules(**values)
    _check_bundles(rules)
    return rules


def _limit(place: str, row: Any) -> ContactLimit:
    given = table_of(place, row, ("channel", "contacts", "days"))
    missing = [key for key in ("contacts", "days") if key not in given]
    if missing:
        raise InputError(
            f"{place}: {row!r} lacks {missing[0]}; "
            'write { channel = "email", contacts = 2, days = 7 }'
        )
    channel = given.get("channel")
    return ContactLimit(
        whole_number(f"{place}: contacts", given["contacts"], 1),
        whole_number(f"{place}: days", given["days"], 1),
        None if channel is None else text(f"{place}: channel", channel),
    )


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


def _send(said: dict[str, Any]) -> SendColumns:
    encoding = choice("[send] encoding", said.get("encoding", "utf-8"), ("utf-8", "utf-8-sig"))
    if "columns" not in said:
        return SendColumns(encoding=encoding)
    place = "[send] columns"
    given = table_of(place, said["columns"], SEND_FIELDS)
    columns = {key: text(f"{place}.{key}", name) for key, name in given.items()}
    if "customer_id" not in columns:
        raise InputError(f"{place} lacks customer_id; the sending tool needs to know the customer")
    if len(set(columns.values())) < len(columns):
        raise InputError(f"{place} gives two columns one name: {', '.join(columns.values())}")
    for key, name in columns.items():
        if name[0] in "=+-@" or any(ord(c) < 32 for c in name):
            raise InputError(
                f"{place}.{key} = {name!r} would be run as a formula, or breaks the line; give a "
                "plain name"
            )
    return SendColumns(columns, encoding, stated=True)


def _economics(said: dict[str, Any], settings: Settings) -> Economics:
    currency = text("[economics] currency", said.get("currency", settings.currency))
    if currency != settings.currency:
        raise InputError(
            f"[economics] currency = {currency!r}, but the shop's amounts are in "
            f"{settings.currency!r}; state the costs in {settings.currency}"
        )
    stated = {name: said[name] for name in ASSUMED if name in said}
    top = settings.margin_rate
    if top is not None and stated.setdefault("margin_rate", top) != top:
        raise InputError(
            f"[economics] margin_rate = {stated['margin_rate']!r}, but margin_rate = {top!r} stands"
            " above the sections; state it once"
        )
    for name, value in stated.items():
        place = f"[economics] {name}"
        if name == "margin_rate":
            share(place, value, zero=False, one=False)
        else:
            real_number(place, value, least=0)
    called = texts_of("[economics] assumed", said.get("assumed", []))
    for name in called:
        if name not in stated:
            raise InputError(
                f"[economics] assumed names {name!r}, which is not stated; {nearest(name, stated)}"
            )
    rates = {
        name: StatedRate(float(stated.get(name, value)), name not in stated or name in called)
        for name, value in ASSUMED.items()
    }
    budget = budget_of(said.get("budget"), "[economics] ")
    return Economics(**rates, currency=currency, budget=budget)


def budget_of(value: Any, place: str = "") -> float | None:
    """Return a week's budget: a number from 0 on; None where nothing is stated.

    Parameters
    ----------
    value : object
        As it was written; None and an empty text state nothing.
    place : str
        What stands before its name in a message.

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
    return float(real_number(f"{place}budget", value, least=0, hint=hint))


def _attribution(said: dict[str, Any]) -> Attribution:
    values: dict[str, Any] = {}
    for key, value in said.items():
        place = f"[attribution] {key}"
        if key == "windows":
            windows = table_of(place, value, RESPONSE_KINDS)
            values[key] = {
                kind: whole_number(f"{place}.{kind}", v, 1) for kind, v in windows.items()
            }
        elif key == "return_days":
            values[key] = whole_number(place, value, 0)
        else:
            values[key] = choice(place, value, OVERLAPPING)
    return Attribution(**values)


def _command(place: str, value: Any) -> tuple[str, ...]:
    if isinstance(value, str):
        raise InputError(
            f'{place} = "{value}" is one text; no shell runs it: give the command and its arguments'
            ' apart, such as ["notify-team", "--week"]'
        )
    return tuple(text(place, part, empty=i > 0) for i, part in enumerate(list_of(place, value)))
