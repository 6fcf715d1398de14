"""Which weeks a shop's data allow, and which one is meant where none is asked for."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from promolab.errors import DataError, InputError
from promolab.weeks import Week

if TYPE_CHECKING:
    from promolab.contract import Shop


LIVE = timedelta(days=14)
"""A source whose last event is not longer ago is live."""


@dataclass(frozen=True)
class Weeks:
    """The weeks that can be reported on.

    Parameters
    ----------
    shop : str
        What readers call the shop.
    earliest, latest : Week
        The first and the last one.
    default : Week
        The one that is meant where none is asked for.
    """

    shop: str
    earliest: Week
    latest: Week
    default: Week

    @classmethod
    def of(cls, shop: Shop, now: datetime, lead_days: int = 0) -> Weeks:
        """Return the weeks that a shop can be reported on.

        A week begins after the first event and not after the last one; data that end on a Sunday
        allow the Monday after, of which they tell all that can be known then. Of a live source a
        week may also begin after the last event, if its decision (``lead_days`` before) is not
        after ``now``: what is missing then is said by `promolab.contract.data_age`.

        Parameters
        ----------
        shop : Shop
            The shop.
        now : datetime
            The present, UTC without a zone.
        lead_days : int
            Days from the decision to the week's start.

        Returns
        -------
        Weeks
            By default the current week for a live source, else the settings' own, else the last:
            of data that end on a Sunday the one that begins next day.

        Raises
        ------
        DataError
            If the data cover no week.
        """
        first, last = shop.span()
        live = is_live(shop, now)
        earliest, inside = Week.containing(first, shop.zone), Week.containing(last, shop.zone)
        if earliest.start(shop.zone) <= first:
            earliest = earliest.next()
        current = Week.containing(now, shop.zone)
        is_sunday = last.replace(tzinfo=UTC).astimezone(ZoneInfo(shop.zone)).isoweekday() == 7
        latest = inside.next() if is_sunday else inside
        if live:
            latest = max(latest, Week.containing(now + timedelta(days=lead_days), shop.zone))
        if earliest > latest:
            raise DataError(
                f"the data of {shop.settings.name} cover {first:%Y-%m-%d} to {last:%Y-%m-%d}: no "
                "week begins after the first event and before the last"
            )
        stated = shop.settings.default_week
        default = Week.parse(stated) if stated else latest
        if live:
            default = max(current, earliest)
        return cls(shop.settings.name, earliest, latest, default)

    def chosen(self, asked: Week | None) -> Week:
        """Return the week to report on.

        Raises
        ------
        InputError
            If the data say nothing about it.
        """
        week = asked or self.default
        if not self.earliest <= week <= self.latest:
            where = "begins before the data do" if week < self.earliest else (
                "begins after the data end"
            )  # fmt: skip
            raise InputError(
                f"the week {week} {where}; the data of {self.shop} cover "
                f"{self.earliest} … {self.latest}: choose one of these"
            )
        return week


def is_live(shop: Shop, now: datetime) -> bool:
    """Tell whether a shop's data reach into the last days: they go on while it is worked with.

    Parameters
    ----------
    shop : Shop
        The shop.
    now : datetime
        The present, UTC without a zone.
    """
    return _last_until(shop, shop.span()[1], now) >= now - LIVE


def _last_until(shop: Shop, last: datetime, now: datetime) -> datetime:
    """Return the last event that is not ahead: one dated 2099 does not make a source old."""
    if last <= now:
        return last
    ts = shop["events"].ts
    found = shop["events"].filter(ts <= now).ts.max().to_pyarrow().as_py()
    moment: datetime = datetime.min if found is None else found
    return moment if moment.tzinfo is None else moment.astimezone(UTC).replace(tzinfo=None)
