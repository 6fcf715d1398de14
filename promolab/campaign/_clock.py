"""Moments and local days."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from promolab.errors import InputError
from promolab.features.point_in_time import read_as_of


def moment_of(as_of: Any) -> datetime:
    """Return one moment as UTC without a zone.

    Raises
    ------
    InputError
        If ``as_of`` is a table or no time.
    """
    moment = read_as_of(as_of)
    if not isinstance(moment, datetime):
        raise InputError("as_of is a table; give one moment, such as week.start(shop.zone)")
    return moment


def shifted(moment: datetime, days: int, zone: str) -> datetime:
    """Return the same time of day some days on, by the clocks of a zone.

    Examples
    --------
    >>> shifted(datetime(2017, 10, 30, 4), 7, "America/New_York")
    datetime.datetime(2017, 11, 6, 5, 0)
    """
    local = moment.replace(tzinfo=UTC).astimezone(ZoneInfo(zone))
    return (local + timedelta(days=days)).astimezone(UTC).replace(tzinfo=None)
