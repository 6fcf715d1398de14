"""The states of a week's plan, draft → released → sent → closed, and what each of them allows."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pandas as pd

from promolab.campaign.past import settles_at
from promolab.errors import InputError
from promolab.folder import state_of
from promolab.results import words_of
from promolab.wording import plural

if TYPE_CHECKING:
    from promolab.contract import Attribution


_FROM: Mapping[str, tuple[str, ...]] = {
    "released": ("draft",),
    "sent": ("released", "sent"),  # a corrected file of the sending tool replaces the first
    "closed": ("sent",),
}
_INSTEAD = {
    ("released", "draft"): "it is a draft; release it first (promolab release {week})",
    ("sent", "draft"): "it is a draft; release it first (promolab release {week})",
    ("sent", "closed"): "it is closed; its figures no longer change",
    ("closed", "draft"): "it is a draft; release it first (promolab release {week})",
    ("closed", "released"): (
        "it was released, but what was sent is not known; "
        "read that back first (promolab reconcile {week} sent.csv)"
    ),
    ("closed", "closed"): "it is closed already",
}


def check_advance(manifest: Mapping[str, Any], to: str, week: str) -> None:
    """Refuse a step that the plan's state does not allow.

    Parameters
    ----------
    manifest : mapping
        The week's.
    to : str
        The state to reach.
    week : str
        The week, for the message.

    Raises
    ------
    InputError
        It says what state the plan has, and what to do.

    Examples
    --------
    >>> check_advance({"state": "draft"}, "closed", "2017-W44")
    Traceback (most recent call last):
    ...
    promolab.errors.InputError: 2017-W44 cannot be closed: it is a draft; release it first ...
    """
    state = state_of(manifest)
    if state in _FROM[to]:
        return
    release = manifest.get("release", {})
    said = _INSTEAD.get((to, state))
    if said is None or to == "released":
        said = (
            f"it was released already, by {release.get('by', 'unknown')} at "
            f"{release.get('at', 'unknown')}; nothing was changed"
        )
    word = "reconciled" if to == "sent" else to
    raise InputError(f"{week} cannot be {word}: {said.format(week=week)}")


def check_unchanged(files: Mapping[str, str], now: Mapping[str, str], since: str) -> None:
    """Refuse to go on with files of a plan that are not what they were.

    Parameters
    ----------
    files, now : mapping of str to str
        SHA-256 by path, as noted and as found.
    since : str
        When they were noted, in words: ``the plan was made``.

    Raises
    ------
    InputError
        It names the first that changed, is missing or is new.

    Examples
    --------
    >>> check_unchanged({"send/a.csv": "1"}, {"send/a.csv": "2"}, "the plan was made")
    Traceback (most recent call last):
    ...
    promolab.errors.InputError: send/a.csv was changed since the plan was made; put the file back...
    """
    for path in sorted({*files, *now}):
        if path not in now:
            raise InputError(f"{path} went away since {since}; put the file back")
        if path not in files:
            raise InputError(f"{path} was added since {since}; take the file away")
        if files[path] != now[path]:
            raise InputError(
                f"{path} was changed since {since}; put the file back as it was (of a draft: make "
                "the report again)"
            )


def frozen_windows(promotions: pd.DataFrame) -> dict[str, dict[str, str]]:
    """Return the windows of promotions as a release holds them.

    Parameters
    ----------
    promotions : DataFrame
        promotion_id, starts_at, ends_at (UTC without a zone).

    Examples
    --------
    >>> day = pd.Timestamp("2017-10-30 04:00")
    >>> frozen_windows(pd.DataFrame({"promotion_id": [18], "starts_at": day, "ends_at": day}))
    {'18': {'starts_at': '2017-10-30T04:00:00', 'ends_at': '2017-10-30T04:00:00'}}
    """
    return {
        str(row["promotion_id"]): {
            key: pd.Timestamp(row[key]).isoformat() for key in ("starts_at", "ends_at")
        }
        for row in promotions.to_dict("records")
    }


def moved_windows(
    frozen: Mapping[str, Mapping[str, str]],
    promotions: pd.DataFrame,
    done: str = "released",
) -> tuple[str, ...]:
    """Say which promotions no longer run when a plan says they do.

    Parameters
    ----------
    frozen : mapping
        By `frozen_windows`, at the release.
    promotions : DataFrame
        promotion_id, starts_at, ends_at as the shop states them now.
    done : str
        What was done with the plan: ``released`` or ``planned``.

    Returns
    -------
    tuple of str
        A sentence for each.

    Examples
    --------
    >>> day = pd.Timestamp("2017-10-30")
    >>> now = pd.DataFrame({"promotion_id": [18], "starts_at": day, "ends_at": day})
    >>> moved_windows({"18": {"starts_at": "2017-10-30", "ends_at": "2017-11-30"}}, now)
    ('promotion 18 was released with the end 2017-11-30 00:00 and now has 2017-10-30 00:00',)
    """
    now = frozen_windows(promotions)
    said = []
    for promotion, window in frozen.items():
        told = words_of(__name__, "windows", promotion=promotion, done=done)
        if promotion not in now:
            said.append(told.say("gone"))
            continue
        for key in ("starts_at", "ends_at"):
            then, today = (pd.Timestamp(each[key]) for each in (window, now[promotion]))
            if then != today:
                moved = {"end": key, "then": _minute(then), "now": _minute(today)}
                told = words_of(__name__, "windows", promotion=promotion, done=done, **moved)
                said.append(told.say("moved"))
    return tuple(said)


def _minute(moment: Any) -> str:
    return "–" if pd.isna(moment) else f"{moment:%Y-%m-%d %H:%M}"


def settled_at(
    windows: Mapping[str, Mapping[str, str]], attribution: Attribution, zone: str
) -> datetime | None:
    """Return when the response and return windows of all promotions are over (UTC).

    None for a plan without any promotion: there is nothing to wait for.
    """
    moments = [
        settles_at(pd.Timestamp(w["starts_at"]), pd.Timestamp(w["ends_at"]), attribution, zone)
        for w in windows.values()
    ]
    return max(moments, default=None)


def check_settled(settled: datetime | None, now: datetime, week: str, what: int) -> None:
    """Refuse to close a week before its windows are over.

    Parameters
    ----------
    settled : datetime, optional
        By `settled_at`.
    now : datetime
        The present, UTC without a zone.
    week : str
        The week, for the message.
    what : int
        How many promotions it has.

    Raises
    ------
    InputError
        It says when they are.

    Examples
    --------
    >>> check_settled(datetime(2017, 12, 30, 5), datetime(2017, 12, 1), "2017-W44", 1)
    Traceback (most recent call last):
    ...
    promolab.errors.InputError: 2017-W44 cannot be closed yet: the response and return windows of...
    """
    if settled is not None and now < settled:
        raise InputError(
            f"{week} cannot be closed yet: the response and return windows of its "
            f"{plural(what, 'promotion')} are over on {settled:%Y-%m-%d %H:%M} UTC"
        )
