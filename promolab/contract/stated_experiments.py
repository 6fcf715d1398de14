"""The experiments that a shop names: the tables ``[[experiments]]`` of its ``shop.toml``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

from promolab.checks import choice, flag, is_number, level_of, real_number, share, text
from promolab.errors import InputError, nearest

METRIC_KEYS = ("column", "kind", "per", "earlier", "winsorise", "good", "margin", "worth")
"""What may be said of a metric; `promolab.abtest.Metric` takes them."""
MONEY_KEYS = ("margin", "discount", "contact_cost", "worth")
KEYS = (
    *("name", "data", "promotion", "arm", "control", "customer", "cluster", "propensity"),
    *("metrics", "guardrails", "primary", "money", "shares", "segments", "started", "ends"),
    *("level", "multiplicity", "sequential"),
)
KINDS = ("share", "mean", "ratio")
CORRECTIONS = ("holm", "benjamini-hochberg", "none")
SUM_SLACK = 1e-9


@dataclass(frozen=True)
class StatedExperiment:
    """One table of ``[[experiments]]``.

    Parameters
    ----------
    name : str
        What readers call it.
    data : str
        A csv or parquet file of one row per customer, beside the shop's tables; empty where
        ``promotion`` is given.
    promotion : str
        The promotion whose decisions and holdout are read; empty where ``data`` is given.
    arm, customer : str
        Columns of a file.
    control : str, optional
        The arm that the others are compared with.
    cluster, propensity, segments : str, optional
        Columns of a file: who was drawn together, the chance of the arm that was got, and what to
        read apart.
    metrics, guardrails : mapping of str to mapping
        What is measured, and what must not get worse: name → keys of `METRIC_KEYS`, ``column``
        always among them. Of a promotion, without ``metrics``, what the shop records.
    primary : str, optional
        The metric that decides; without it all do, adjusted for their number.
    money : mapping
        Columns ``margin`` and ``discount``, ``contact_cost``, a number or a column, and ``worth``.
    shares : mapping of str to float
        Arm → planned share.
    started, ends : date, optional
        First day, and first day after the last one, local. Before ``ends`` all is provisional.
    level : float
        Confidence level.
    multiplicity : str
        Of several metrics and arms: ``holm``, ``benjamini-hochberg`` or ``none``.
    sequential : bool
        Whether intervals hold whenever they are looked at, also after the end.
    """

    name: str
    data: str = ""
    promotion: str = ""
    arm: str = "arm"
    customer: str = "customer_id"
    control: str | None = None
    cluster: str | None = None
    propensity: str | None = None
    segments: str | None = None
    metrics: Mapping[str, Mapping[str, Any]] = field(default_factory=dict, hash=False)
    guardrails: Mapping[str, Mapping[str, Any]] = field(default_factory=dict, hash=False)
    primary: str | None = None
    money: Mapping[str, Any] = field(default_factory=dict, hash=False)
    shares: Mapping[str, float] = field(default_factory=dict, hash=False)
    started: date | None = None
    ends: date | None = None
    level: float = 0.95
    multiplicity: str = "holm"
    sequential: bool = False


def read_experiment_tables(said: Any) -> tuple[StatedExperiment, ...]:
    """Check the tables ``[[experiments]]``.

    Parameters
    ----------
    said : object
        As TOML has it: a list of tables.

    Raises
    ------
    InputError
        A key is unknown (the nearest is named), a value not understood, or a name given twice.

    Examples
    --------
    >>> told = {"name": "Spring", "data": "spring.csv", "metrics": ["visit"]}
    >>> found = read_experiment_tables([told])[0]
    >>> found.metrics, found.level
    ({'visit': {'column': 'visit'}}, 0.95)
    """
    if not isinstance(said, (list, tuple)) or not all(isinstance(one, Mapping) for one in said):
        raise InputError(
            "experiments must be tables of their own: write [[experiments]], in two brackets, "
            "above each"
        )
    found: list[StatedExperiment] = []
    for number, one in enumerate(said, 1):
        read = _read(f"[[experiments]] {number}", dict(one))
        if read.name in {other.name for other in found}:
            raise InputError(
                f"[[experiments]] {number}: name = {read.name!r} is another one's as well; give "
                "each its own"
            )
        found.append(read)
    return tuple(found)


def _read(place: str, said: dict[str, Any]) -> StatedExperiment:
    for key in said:
        if key not in KEYS:
            raise InputError(f"{place} has an unknown key {key!r}; {nearest(key, KEYS)}")
    if "name" not in said:
        raise InputError(f'{place} lacks name; write name = "Spring e-mail"')
    values: dict[str, Any] = {"name": text(f"{place}: name", said["name"])}
    place = f"[[experiments]] {values['name']!r}:"
    for key in ("data", "arm", "customer", "control", "cluster", "propensity", "segments"):
        if key in said:
            values[key] = text(f"{place} {key}", said[key])
    if "promotion" in said:
        given = said["promotion"]
        values["promotion"] = str(given) if type(given) is int else text(
            f"{place} promotion", given
        )  # fmt: skip
    if ("data" in said) == ("promotion" in said):
        both = "both data and promotion" if "data" in said else "neither data nor promotion"
        raise InputError(
            f'{place} {both} stated; state one: data = "spring.csv", or promotion = "P18"'
        )
    for key in ("metrics", "guardrails"):
        if key in said:
            values[key] = _metrics(f"{place} {key}", said[key])
    _check_metrics(place, said, values)
    values |= _dates(place, said)
    if "shares" in said:
        values["shares"] = _shares(f"{place} shares", said["shares"])
    if "money" in said:
        values["money"] = _money(f"{place} money", said["money"])
    if "level" in said:
        values["level"] = level_of(said["level"], f"{place} level")
    if "multiplicity" in said:
        values["multiplicity"] = choice(f"{place} multiplicity", said["multiplicity"], CORRECTIONS)
    if "sequential" in said:
        values["sequential"] = flag(f"{place} sequential", said["sequential"])
    return StatedExperiment(**values)


def _check_metrics(place: str, said: Mapping[str, Any], values: dict[str, Any]) -> None:
    metrics, guardrails = values.get("metrics", {}), values.get("guardrails", {})
    if "data" in said and not metrics:
        raise InputError(f'{place} metrics is not stated; name columns: metrics = ["visit"]')
    if both := sorted(set(metrics) & set(guardrails)):
        raise InputError(
            f"{place} {both[0]!r} is a metric and a guardrail; it is to get better, or not to get "
            "worse: name it once"
        )
    if "primary" in said:
        primary = text(f"{place} primary", said["primary"])
        values["primary"] = choice(f"{place} primary", primary, metrics) if metrics else primary


def _metrics(place: str, said: Any) -> dict[str, dict[str, Any]]:
    """Read a list of columns, or a table of name = column or { column = …, … }."""
    if isinstance(said, (list, tuple)):
        named = [text(place, one) for one in said]
        said = dict(zip(named, named, strict=True))
    if not isinstance(said, Mapping) or not said:
        raise InputError(
            f'{place} = {said!r}, must be a list of columns, or name = {{ column = "spend" }}'
        )
    return {str(name): _metric(f"{place}.{name}", str(name), one) for name, one in said.items()}


def _metric(place: str, name: str, said: Any) -> dict[str, Any]:
    if isinstance(said, str):
        return {"column": text(place, said)}
    if not isinstance(said, Mapping):
        raise InputError(f"{place} = {said!r}, must be a column, or {{ column = … }}")
    for key in said:
        if key not in METRIC_KEYS:
            raise InputError(f"{place} has an unknown key {key!r}; {nearest(key, METRIC_KEYS)}")
    given = {"column": name} | dict(said)
    for key in ("column", "per", "earlier"):
        if key in given:
            text(f"{place}.{key}", given[key])
    if "kind" in given:
        choice(f"{place}.kind", given["kind"], KINDS)
    if "good" in given:
        choice(f"{place}.good", given["good"], ("up", "down"))
    if "winsorise" in given:
        share(
            f"{place}.winsorise", given["winsorise"], zero=False, one=False, hint=", such as 0.99"
        )
    for key in {"margin", "worth"} & {*given}:
        real_number(f"{place}.{key}", given[key], least=0)
    return given


def _dates(place: str, said: Mapping[str, Any]) -> dict[str, date]:
    found: dict[str, date] = {}
    for key in ("started", "ends"):
        if key in said:
            found[key] = _day(f"{place} {key}", said[key])
    if len(found) == 2 and not found["ends"] - found["started"] > timedelta(0):
        raise InputError(
            f"{place} ends = {found['ends']} is not after started = {found['started']}; ends is "
            "the first day after the last one"
        )
    return found


def _day(place: str, value: Any) -> date:
    try:
        day = date.fromisoformat(value) if isinstance(value, str) else value
    except ValueError:
        day = None
    if not isinstance(day, date) or isinstance(day, datetime):
        raise InputError(f"{place} = {value!r}, must be a day such as 2017-10-30")
    return day


def _shares(place: str, said: Any) -> dict[str, float]:
    if not isinstance(said, Mapping) or len(said) < 2:
        raise InputError(f"{place} = {said!r}, must name each arm: {{ none = 0.5, mail = 0.5 }}")
    shares = {str(arm): float(share(f"{place}.{arm}", part)) for arm, part in said.items()}
    if abs(sum(shares.values()) - 1) > SUM_SLACK:
        raise InputError(
            f"{place} add up to {sum(shares.values()):g}, must add up to 1: name every arm"
        )
    return shares


def _money(place: str, said: Any) -> dict[str, Any]:
    if not isinstance(said, Mapping) or "margin" not in said:
        raise InputError(
            f'{place} = {said!r}, must name the margin: {{ margin = "margin", discount = '
            '"discount", contact_cost = 0.4 }'
        )
    for key, value in said.items():
        if key not in MONEY_KEYS:
            raise InputError(f"{place} has an unknown key {key!r}; {nearest(key, MONEY_KEYS)}")
        if key == "worth" or (key == "contact_cost" and is_number(value)):
            real_number(f"{place}.{key}", value, least=0)
        else:
            text(f"{place}.{key}", value)
    return dict(said)
