"""One cut in time: what was over before a moment, and what started from it on."""

from __future__ import annotations

import numbers
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from promolab.errors import InputError
from promolab.model.folds import known_labels, known_rows, promotion_table
from promolab.wording import plural

if TYPE_CHECKING:
    from datetime import datetime

__all__ = ["TimeSplit", "moment_among", "split_in_time"]

LEAST = 10  # responses that either side needs


@dataclass(frozen=True)
class TimeSplit:
    """Rows before and after a moment.

    Parameters
    ----------
    moment : Timestamp
    before : ndarray of int
        Positions of rows of promotions over at the moment.
    after : ndarray of int
        Positions of rows of promotions predicted from the moment on, their labels known. Promotions
        that were running at the moment are on neither side.
    labels : ndarray of float, shape (n,)
        nan where not known.
    promotions_before, promotions_after : int
    """

    moment: pd.Timestamp
    before: np.ndarray = field(repr=False)
    after: np.ndarray = field(repr=False)
    labels: np.ndarray = field(repr=False)
    promotions_before: int
    promotions_after: int


def split_in_time(
    pairs: pd.DataFrame, outcome: str = "redeemed", since: datetime | None = None
) -> TimeSplit:
    """Cut pairs in two: promotions over before a moment, and those starting from it on.

    Parameters
    ----------
    pairs : DataFrame
        As `run_backtest` takes them.
    outcome : str
        Label column.
    since : datetime, optional
        The moment. By default the start that leaves the side with fewer responses as many as
        possible; labels choose nothing else.

    Raises
    ------
    InputError
        A side would have fewer than 10 responses, or nobody without one; or the pairs lack columns.

    Examples
    --------
    >>> day = pd.to_datetime("2024-01-01") + pd.to_timedelta([0] * 30 + [60] * 30, unit="D")
    >>> pairs = pd.DataFrame({"customer_id": range(60), "promotion_id": [1] * 30 + [2] * 30,
    ...     "starts_at": day, "ends_at": day + pd.Timedelta(days=14), "label_complete": True,
    ...     "redeemed": [0, 1] * 30})
    >>> split = split_in_time(pairs)
    >>> str(split.moment.date()), len(split.before), len(split.after)
    ('2024-03-01', 30, 30)
    """
    table = promotion_table(pairs, outcome)
    complete = table[table["complete"]]
    known = known_rows(pairs, outcome, table)
    labels = known_labels(pairs, outcome, known)
    hits = pd.Series(labels).groupby(pairs["promotion_id"].to_numpy()).sum()
    hits = hits.reindex(complete.index)
    if since is None:
        moments = sorted(complete["predicted_at"].unique())
        least = [
            min(
                hits[complete["ends_at"] <= moment].sum(),
                hits[complete["predicted_at"] >= moment].sum(),
            )
            for moment in moments
        ]
        if not moments:
            raise InputError("no promotion's label is complete, so nothing can be cut in time")
        moment = pd.Timestamp(moments[int(np.argmax(least))])
    else:
        moment = moment_among(since, table["predicted_at"], "since")
    sides: list[Any] = [
        complete.index[complete["ends_at"] <= moment],
        complete.index[complete["predicted_at"] >= moment],
    ]
    rows = [np.flatnonzero(known & pairs["promotion_id"].isin(side).to_numpy()) for side in sides]
    for place, what in zip(rows, ("over before", "starting from"), strict=True):
        found = int(np.nansum(labels[place]))
        if found < LEAST or found == len(place):
            raise InputError(
                f"the promotions {what} {moment:%d %b %Y} hold {plural(found, 'response')} of "
                f"{plural(len(place), 'contact')}; {LEAST} and somebody without one are needed on "
                "either side: give another moment, or more promotions"
            )
    return TimeSplit(moment, rows[0], rows[1], labels, len(sides[0]), len(sides[1]))


def moment_among(value: Any, times: pd.Series, name: str) -> Any:
    """Return a moment that can be compared with a column of times (or of numbers).

    Without a zone it is one of the column's; times without a zone are UTC.

    Examples
    --------
    >>> moment_among("2017-10-01", pd.Series(pd.to_datetime(["2017-10-02"], utc=True)), "since")
    Timestamp('2017-10-01 00:00:00+0000', tz='UTC')
    """
    if times.dtype.kind != "M":
        if isinstance(value, numbers.Real) and value == value:
            return value
        raise InputError(f"{name} = {value!r} is no number, as the times here are")
    try:
        moment, zone = pd.Timestamp(value), times.dt.tz
        if moment.tz is None:
            moment = moment.tz_localize(zone)
        elif zone is None:
            moment = moment.tz_convert(None)
    except (TypeError, ValueError, AttributeError) as error:
        raise InputError(f"{name} = {value!r} is no time; write 2017-10-01") from error
    if moment is pd.NaT:
        raise InputError(f"{name} = {value!r} is no time; write 2017-10-01")
    return moment
