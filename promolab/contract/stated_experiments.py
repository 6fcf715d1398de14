"""The tables ``[[experiments]]`` of a ``shop.toml``: experiments that the week reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import partial
from typing import Annotated, Any

from promolab.checks import SUM_SLACK, choice, flag, is_number, level_of, real_number, share, text
from promolab.contract.settings import (
    KeyCheck,
    Text,
    TextOrNone,
    day_of,
    keyed,
    one_of,
    section_of,
)
from promolab.errors import InputError

_amount = partial(real_number, least=0)


def _amount_or_column(place: str, value: Any) -> Any:
    return _amount(place, value) if is_number(value) else text(place, value)


METRIC_KEYS: Mapping[str, KeyCheck] = {
    **dict.fromkeys(("column", "per", "earlier"), text),
    "kind": one_of("share", "mean", "ratio"),
    "winsorise": partial(share, zero=False, one=False, hint=", such as 0.99"),
    "good": one_of("up", "down"),
    **dict.fromkeys(("margin", "worth"), _amount),
}
"""What may be said of a metric; `promolab.abtest.Metric` takes them."""
MONEY_KEYS: Mapping[str, KeyCheck] = {
    **dict.fromkeys(("margin", "discount"), text),
    "contact_cost": _amount_or_column,
    "worth": _amount,
}


def _metrics(place: str, said: Any) -> dict[str, dict[str, Any]]:
    """Read a list of columns, or a table of name = column or { column = …, … }."""
    if isinstance(said, (list, tuple)):
        said = {text(place, one): one for one in said}
    if not isinstance(said, Mapping) or not said:
        raise InputError(
            f'{place} = {said!r}, must be a list of columns, or name = {{ column = "spend" }}'
        )
    return {str(name): _metric(f"{place}.{name}", name, one) for name, one in said.items()}


def _metric(place: str, name: str, said: Any) -> dict[str, Any]:
    if isinstance(said, str):
        return {"column": text(place, said)}
    if not isinstance(said, Mapping):
        raise InputError(f"{place} = {said!r}, must be a column, or {{ column = … }}")
    return {"column": name} | keyed(place, said, METRIC_KEYS)


def _shares(place: str, said: Any) -> dict[str, float]:
    if not isinstance(said, Mapping) or len(said) < 2:
        raise InputError(f"{place} = {said!r}, must name each arm: {{ none = 0.5, mail = 0.5 }}")
    shares = {str(arm): share(f"{place}.{arm}", part) for arm, part in said.items()}
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
    return keyed(place, said, MONEY_KEYS)


Metrics = Annotated[Mapping[str, Mapping[str, Any]], _metrics]


def _level(place: str, value: Any) -> float:
    return level_of(value, place)


@dataclass(frozen=True)
class StatedExperiment:
    """One table of ``[[experiments]]``.

    Parameters
    ----------
    name : str
        What readers call it.
    data : str
        A csv or parquet file of one row per customer, beside the shop's tables.
    arm, customer : str
        Columns of a file.
    control : str, optional
        The arm that the others are compared with.
    cluster, propensity, segments : str, optional
        Columns of a file: who was drawn together, the chance of the arm that was got, and what to
        read apart.
    metrics, guardrails : mapping of str to mapping
        What is measured, and what must not get worse: name → keys of `METRIC_KEYS`, ``column``
        always among them.
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

    name: Text
    data: Text
    arm: Text = "arm"
    customer: Text = "customer_id"
    control: TextOrNone = None
    cluster: TextOrNone = None
    propensity: TextOrNone = None
    segments: TextOrNone = None
    metrics: Metrics = field(default_factory=dict, hash=False)
    guardrails: Metrics = field(default_factory=dict, hash=False)
    primary: TextOrNone = None
    money: Annotated[Mapping[str, Any], _money] = field(default_factory=dict, hash=False)
    shares: Annotated[Mapping[str, float], _shares] = field(default_factory=dict, hash=False)
    started: Annotated[date | None, day_of] = None
    ends: Annotated[date | None, day_of] = None
    level: Annotated[float, _level] = 0.95
    multiplicity: Annotated[str, one_of("holm", "benjamini-hochberg", "none")] = "holm"
    sequential: Annotated[bool, flag] = False


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
        place = f"[[experiments]] {number}"
        if "name" in one:
            named = text(f"{place}: name", one["name"])
            if named in {other.name for other in found}:
                raise InputError(
                    f"{place}: name = {named!r} is another one's as well; give each its own"
                )
            place = f"[[experiments]] {named!r}:"
        read = section_of(
            StatedExperiment, place, one, example='name = "Spring e-mail", data = "spring.csv"'
        )
        _check(place, read)
        found.append(read)
    return tuple(found)


def _check(place: str, found: StatedExperiment) -> None:
    """Refuse what one key says and another one does not go with."""
    if not found.metrics:
        raise InputError(f'{place} metrics is not stated; name columns: metrics = ["visit"]')
    if twice := sorted(set(found.metrics) & set(found.guardrails)):
        raise InputError(
            f"{place} {twice[0]!r} is a metric and a guardrail; it is to get better, or not to get "
            "worse: name it once"
        )
    if found.primary:
        choice(f"{place} primary", found.primary, found.metrics)
    if found.started and found.ends and found.ends <= found.started:
        raise InputError(
            f"{place} ends = {found.ends} is not after started = {found.started}; ends is "
            "the first day after the last one"
        )
