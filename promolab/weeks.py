"""ISO weeks as a shop lives them: Monday 00:00 to Monday 00:00 in the shop's own time zone."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from promolab.errors import InputError
from promolab.language import ENGLISH, day_words, language

_FORM = re.compile(r"(\d{4})-W(\d{2})", re.ASCII)
# Whatever the locale.
_MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]


@dataclass(frozen=True, order=True)
class Week:
    """An ISO 8601 week; weeks are ordered by time.

    Parameters
    ----------
    year, number : int
        ISO year and week number (1 to 52 or 53).

    Raises
    ------
    InputError
        If there is no such week.

    Examples
    --------
    >>> week = Week.parse("2017-W44")
    >>> week.label(), str(week.next()), week < week.next()
    ('30 Oct – 5 Nov', '2017-W45', True)
    >>> week.start("America/New_York")
    datetime.datetime(2017, 10, 30, 4, 0)
    """

    year: int
    number: int

    def __post_init__(self) -> None:
        try:
            # Both ends must be dates, so that start, end and label always exist.
            date.fromisocalendar(self.year, self.number, 7)
            self.monday()
        except ValueError as error:
            last = 53 if 1 <= self.year < 9999 and _weeks_in(self.year) == 53 else 52
            raise InputError(
                f"there is no week {self}; the year {self.year} has the weeks 01 to {last}"
            ) from error

    @classmethod
    def parse(cls, text: str) -> Week:
        """Read a week written as ``2017-W44``.

        Parameters
        ----------
        text : str
            ISO year, ``-W``, two digits of the week.

        Returns
        -------
        Week

        Raises
        ------
        InputError
            If the text has another form, or that year has no such week.

        Examples
        --------
        >>> Week.parse("2020-W53")
        Week(year=2020, number=53)
        """
        match = _FORM.fullmatch(str(text).strip())
        if match is None:
            raise InputError(f"{text!r} is no ISO week; write the year and the week, like 2017-W44")
        return cls(int(match[1]), int(match[2]))

    @classmethod
    def containing(cls, moment: datetime, zone: str) -> Week:
        """Return the week in which an instant lies.

        Parameters
        ----------
        moment : datetime
            UTC without a zone.
        zone : str
            IANA name of the shop's time zone.

        Returns
        -------
        Week

        Examples
        --------
        >>> str(Week.containing(datetime(2018, 1, 1, 3, 0), "America/New_York"))
        '2017-W52'
        """
        local = moment.replace(tzinfo=UTC).astimezone(ZoneInfo(zone))
        year, number, _ = local.isocalendar()
        return cls(year, number)

    def __str__(self) -> str:
        return f"{self.year:04d}-W{self.number:02d}"

    def monday(self) -> date:
        """Return the week's first day."""
        return date.fromisocalendar(self.year, self.number, 1)

    def start(self, zone: str, lead_days: int = 0) -> datetime:
        """Return the instant of Monday 00:00 in the zone, or of so many days before it.

        Parameters
        ----------
        zone : str
            IANA zone.
        lead_days : int
            Days between the plan for a week and its start.

        Returns
        -------
        datetime
            UTC, without a zone.
        """
        return _utc(self.monday() - timedelta(days=lead_days), zone)

    def end(self, zone: str) -> datetime:
        """Return the first instant after the week, as UTC without a zone."""
        return _utc(self.monday() + timedelta(days=7), zone)

    def previous(self) -> Week:
        """Return the week before."""
        return self._shifted(-7)

    def next(self) -> Week:
        """Return the week after."""
        return self._shifted(7)

    def label(self) -> str:
        """Return first and last day in words, with the years where they differ.

        Examples
        --------
        >>> Week(2017, 32).label(), Week(2020, 53).label()
        ('7 – 13 Aug', '28 Dec 2020 – 3 Jan 2021')
        """
        first = self.monday()
        last = first + timedelta(days=6)
        if language() != ENGLISH:
            across = first.year != last.year
            return " – ".join(day_words(day, year=across) for day in (first, last))
        if first.year != last.year:
            return f"{_day(first)} {first.year} – {_day(last)} {last.year}"
        start = str(first.day) if first.month == last.month else _day(first)
        return f"{start} – {_day(last)}"

    def _shifted(self, days: int) -> Week:
        year, number, _ = (self.monday() + timedelta(days=days)).isocalendar()
        return Week(year, number)


def local_day(moment: datetime, zone: str, *, year: bool = True) -> str:
    """Write the day that it is in a zone at a moment.

    Parameters
    ----------
    moment : datetime
        UTC, without a zone.
    zone : str
        IANA zone.
    year : bool
        With its year.

    Examples
    --------
    >>> local_day(datetime(2017, 10, 29, 16), "Asia/Shanghai")
    '30 Oct 2017'
    """
    return day_words(moment.replace(tzinfo=UTC).astimezone(ZoneInfo(zone)), year=year)


def _day(day: date) -> str:
    return f"{day.day} {_MONTHS[day.month - 1]}"


def _weeks_in(year: int) -> int:
    return date(year, 12, 28).isocalendar().week  # the 28th of December is always in the last one


def _utc(day: date, zone: str) -> datetime:
    # Where the clocks change at midnight that day may begin at 01:00; the instant is still right.
    local = datetime.combine(day, time(), tzinfo=ZoneInfo(zone))
    return local.astimezone(UTC).replace(tzinfo=None)
