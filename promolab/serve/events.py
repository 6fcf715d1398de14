"""What may come in: a row of events, exposures, responses or contact rights, checked and typed."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from promolab.contract import TABLES
from promolab.errors import InputError, nearest

if TYPE_CHECKING:
    from promolab.contract import Shop


KINDS = ("events", "exposures", "responses", "contact_rights")
"""Tables whose rows may come in."""
_IDS = ("customer_id", "promotion_id", "product_id", "order_id", "store_id")
_TEXTS = ("kind", "channel", "flags")
_NUMBERS = ("quantity", "amount", "discount", "coupon_discount")
_ID, _WORD, _SUM = ({*kinds, type(None)} for kinds in ((str, int), (str,), (int, float)))
"""Types of what the log holds of an event between customer and ``allowed``."""
EPOCH = datetime(1970, 1, 1)
NEVER = (1 << 63) - 1
"""A time that has not come: every time is before it."""
LATEST = 253_402_300_799_999_999
"""The last moment of the year 9999."""
MOST = 1e9
"""The largest amount or quantity; no event has more."""


class Event(NamedTuple):
    """A row that came in; made by `EventReader.read`.

    Parameters
    ----------
    table : str
        Of `KINDS`.
    event_id : str
        What tells it from others: its own, or a digest of all it says.
    ts : int or None
        Microseconds since 1970, UTC; None for a contact right that states no ``since``.
    customer_id, promotion_id, product_id, order_id, store_id : object
        As the shop writes them, None where it is not said.
    kind, channel, flags : str or None
    quantity, amount, discount, coupon_discount : float or None
    allowed : bool or None
    """

    table: str
    event_id: str
    ts: int | None
    customer_id: Any
    promotion_id: Any = None
    product_id: Any = None
    order_id: Any = None
    store_id: Any = None
    kind: str | None = None
    channel: str | None = None
    flags: str | None = None
    quantity: float | None = None
    amount: float | None = None
    discount: float | None = None
    coupon_discount: float | None = None
    allowed: bool | None = None


class EventReader:
    """Reads rows as a shop writes them: its ids as whole numbers or texts, its times as UTC.

    Parameters
    ----------
    whole : set of str
        Ids that are whole numbers in the shop; the others are texts.

    Examples
    --------
    >>> reader = EventReader({"customer_id"})
    >>> event = reader.read({"customer_id": "7", "ts": "2024-07-01T00:00:01Z", "kind": "view"})
    >>> event.table, event.customer_id, event.ts
    ('events', 7, 1719792001000000)
    >>> reader.read({"customer_id": 7, "kind": "view"})
    Traceback (most recent call last):
    ...
    promolab.errors.InputError: ts is missing; a row of events needs customer_id, ts and kind
    """

    def __init__(self, whole: set[str]) -> None:
        self.whole = frozenset(whole)

    @classmethod
    def of(cls, shop: Shop) -> EventReader:
        """Return the reader of a shop's ids."""
        whole = {
            name
            for table in shop.tables.values()
            for name, kind in table.schema().items()
            if name in _IDS and kind.is_integer()
        }
        return cls(whole)

    def read(self, row: Any) -> Event:
        """Return a row as an event.

        Raises
        ------
        InputError
            A column that it needs is missing, of the wrong type, or not of the contract.
        """
        if not isinstance(row, Mapping):
            raise InputError(f"an event is a {type(row).__name__}; expected names and values")
        given = {str(name): value for name, value in row.items() if not _absent(value)}
        table = _table_of(given)
        needed = TABLES[table].required
        for name in needed:
            if name not in given:
                needs = " and ".join([", ".join(needed[:-1]), needed[-1]])
                raise InputError(f"{name} is missing; a row of {table} needs {needs}")
        known: dict[str, Any] = {n: self.id_of(n, given[n]) for n in _IDS if n in given}
        known |= {n: _text(n, given[n]) for n in _TEXTS if n in given}
        known |= {n: _number(n, given[n]) for n in _NUMBERS if n in given}
        if table == "contact_rights":
            known["allowed"] = _flag("allowed", given["allowed"])
        when = given.get("since" if table == "contact_rights" else "ts")
        ts = None if when is None else microseconds(when)
        if ts is not None and ts < 0:
            raise InputError("a time is before 1970; write 2024-07-01T12:00:00Z")
        if table in ("events", "responses"):
            _check_kind(table, known["kind"])
        own = given.pop("event_id", None)
        if own is None:
            event_id = _digest({**given, **known, "table": table, "ts": ts})
        else:
            event_id = _text("event_id", own)
        return Event(table, event_id, ts, **known)

    def logged(self, values: Any) -> Event:
        """Return an event as the log has it; `read` made it, or somebody else wrote it there.

        Raises
        ------
        InputError, TypeError
            It is none.
        """
        event = Event(*values)
        table, name, ts, customer = event[:4]
        good = table in KINDS and type(name) is str and {*map(type, event[4:8])} <= _ID
        good = good and {*map(type, event[8:11])} <= _WORD and {*map(type, event[11:15])} <= _SUM
        good = good and (type(customer) is int) == ("customer_id" in self.whole)
        good = good and all(abs(value) <= MOST for value in event[11:15] if value is not None)
        if table == "contact_rights":
            good = good and type(event.allowed) is bool
        else:
            good = good and ts is not None and (table == "events" or event.promotion_id is not None)
            good = good and (table == "exposures" or event.kind in TABLES[table]["kind"].values)
        if not good or not (ts is None or (type(ts) is int and 0 <= ts <= LATEST)):
            raise InputError("it is no event as the service writes them")
        return event

    def id_of(self, name: str, value: Any) -> Any:
        """Return an id as the shop writes it; 7 and "7" are one.

        Raises
        ------
        InputError
            It is neither a text nor a whole number.
        """
        if isinstance(value, bool) or not isinstance(value, (str, int)):
            whole = isinstance(value, float) and value.is_integer()
            if not whole and not hasattr(value, "__index__"):
                raise InputError(f"{name} is no id; expected a text or a whole number")
            value = int(value)
        if name not in self.whole:
            return _text(name, value)
        try:
            found = int(value)
        except ValueError as error:
            raise InputError(f"{name} is no id of this shop, whose ids are numbers") from error
        if abs(found) >= 1 << 63:
            raise InputError(f"{name} is no id of this shop: it has too many digits")
        return found


def rows_of(events: Any) -> Iterator[Any]:
    """Return single rows of a table, of any iterable, or of the one row that was given."""
    if isinstance(events, Mapping):
        return iter([events])
    if hasattr(events, "to_dict"):  # a table of pandas
        return iter(events.to_dict("records"))
    if isinstance(events, (str, bytes)) or not isinstance(events, Iterable):
        raise InputError(
            f"events is a {type(events).__name__}; give a table, or rows with names and values"
        )
    return iter(events)


def microseconds(moment: Any) -> int:
    """Return a time as microseconds since 1970; one without a zone is of UTC.

    Raises
    ------
    InputError
        It is no time.

    Examples
    --------
    >>> microseconds("1970-01-01T01:00:00.5+01:00")
    500000
    """
    if isinstance(moment, str):
        try:
            moment = datetime.fromisoformat(moment)
        except ValueError as error:
            raise InputError(
                "a time is not written as expected; write 2024-07-01T12:00:00Z"
            ) from error
    if not isinstance(moment, datetime):
        raise InputError(f"a time is a {type(moment).__name__}; write 2024-07-01T12:00:00Z")
    if moment.tzinfo is not None:
        try:
            moment = moment.astimezone(UTC).replace(tzinfo=None)
        except OverflowError as error:
            raise InputError(
                "a time is of no year that can be; write 2024-07-01T12:00:00Z"
            ) from error
    past: timedelta = moment - EPOCH
    return (past.days * 86_400 + past.seconds) * 1_000_000 + past.microseconds


def _absent(value: Any) -> bool:
    """Whether a value stands for none, as tables of pandas write it."""
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    if isinstance(value, str):
        return not value.strip()
    return isinstance(value, float) and value != value


def _table_of(given: Mapping[str, Any]) -> str:
    """Return the table that a row says, or the one that its columns tell."""
    if "table" in given:
        named = str(given["table"])
        if named not in KINDS:
            raise InputError(f"table is none that events may be of; {nearest(named, KINDS)}")
        return named
    if "allowed" in given:
        return "contact_rights"
    if "promotion_id" in given:
        return "responses" if "kind" in given else "exposures"
    return "events"


def _check_kind(table: str, kind: str) -> None:
    known = TABLES[table]["kind"].values
    if kind not in known:
        raise InputError(f"kind is none of {table}; {nearest(kind, known)}")


def _text(name: str, value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        raise InputError(f"{name} is a {type(value).__name__}; expected a text")
    try:
        text = str(value).strip()
        text.encode()
    except ValueError as error:  # half of a character, or thousands of digits
        raise InputError(f"{name} is no text that can be written") from error
    return text


def _number(name: str, value: Any) -> float:
    try:
        if isinstance(value, (bool, str)):
            raise TypeError
        found = float(value)
    except (TypeError, ValueError) as error:
        raise InputError(f"{name} is a {type(value).__name__}; expected a number") from error
    except OverflowError:
        found = math.inf
    if not abs(found) <= MOST:
        raise InputError(f"{name} is beyond {MOST:,.0f}; expected a number that can be")
    return found


def _flag(name: str, value: Any) -> bool:
    if value is True or value is False or type(value).__name__ == "bool_":
        return bool(value)
    raise InputError(f"{name} is a {type(value).__name__}; expected true or false")


def _digest(said: Mapping[str, Any]) -> str:
    return hashlib.blake2b(repr(sorted(said.items())).encode(), digest_size=16).hexdigest()
