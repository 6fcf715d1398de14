"""The block of the page on promotions that ended."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from promolab.campaign.readout import RULE, PromotionReadout, Readout
from promolab.display import Html, fold, join, picture, say, table
from promolab.effects import RANDOMISED
from promolab.results import Estimate
from promolab.wording import count, number, part_of, percent

__all__ = ["dates", "ended_block", "until"]

NOT_PROVEN = (
    "Extra sales that are not randomised compare those contacted with similar customers who were "
    "not. Where they are adjusted, they are so for what was known before the start, not proven by "
    "a test: those contacted were chosen, and may differ in ways that the data do not show."
)


def dates(starts_at: Any, ends_at: Any, zone: str) -> str:
    """Return a promotion's first and last local day.

    Examples
    --------
    >>> dates("2017-10-30 04:00", "2017-12-25 05:00", "America/New_York")
    '30 Oct – 24 Dec'
    """
    first, end = (pd.Timestamp(ts, tz="UTC").tz_convert(zone) for ts in (starts_at, ends_at))
    return f"{first:%d %b} – {end - pd.Timedelta(seconds=1):%d %b}"


def until(ends_at: Any, zone: str) -> str:
    """Return a promotion's last local day, in words.

    Examples
    --------
    >>> until("2017-12-25 05:00", "America/New_York")
    'until 24 Dec'
    """
    end = pd.Timestamp(ends_at, tz="UTC").tz_convert(zone)
    return f"until {end - pd.Timedelta(seconds=1):%d %b}"


def ended_block(readout: Readout, zone: str, told: Sequence[str] = ()) -> Html:
    """Return what became of the promotions that ended lately.

    Parameters
    ----------
    readout : Readout
        From `promolab.campaign.readout.read_out`.
    zone : str
        The shop's.
    told : sequence of str
        What more is to be said of how they were carried out.
    """
    rows = readout.promotions
    # One promotion's rate stands in the table; a figure is for comparing.
    figure = [picture(readout.plot(), readout.summary())] if len(rows) > 1 else []
    adjusted = any(r.difference.identification != RANDOMISED for r in rows)
    notes = [RULE, *([NOT_PROVEN] if adjusted else []), *_settling(readout, zone), readout.overlap]
    return join(
        [
            _results(readout, zone),
            *([] if readout.pooled is None else [say(readout.pooled.summary())]),
            fold(
                "How these were judged, and who was reached",
                [
                    *(say(f"{r.name}: {r.verdict.summary()}") for r in rows),
                    _reception(readout, zone),
                    *figure,
                    *(say(text, css="muted") for text in [*notes, *map(_reason, rows), *told]),
                ],
            ),
        ]
    )


def _results(readout: Readout, zone: str) -> Html:
    """Return the table of what each promotion brought and cost, and its verdict."""
    rows = readout.promotions
    currency = rows[0].currency
    text = pd.DataFrame(
        {
            "name": [f"{r.name} {until(r.ends_at, zone)}" for r in rows],
            "answered": [part_of(r.redeemers, r.contacts) for r in rows],
            "rate": [_percent(r.redemption_rate) for r in rows],
            "cost": [_number(r.discount_cost) for r in rows],
            "sales": [_number(r.sales) for r in rows],
            "against": [
                _number(r.difference.estimate) if r.difference.identified else "–" for r in rows
            ],
            "standing": [r.difference.identification for r in rows],
            "verdict": [r.verdict.text for r in rows],
        }
    )
    return table(
        text,
        {
            "name": "promotion",
            "answered": readout.words.past,
            "rate": f"{readout.words.noun} rate",
            "cost": f"discounts, {currency}",
            "sales": f"net sales per contact, {currency}",
            "against": f"extra net sales per customer, {currency}",
            "standing": "extra sales are",
            "verdict": "verdict",
        },
        dict.fromkeys(["answered", "rate", "cost", "sales", "against"], str),
        caption="Latest end first; 95 % intervals; sales and discounts while valid, net of "
        "returns.",
        most=20,
    )


def _reception(readout: Readout, zone: str) -> Html:
    """Return the table of who was reached and how they took it."""
    rows, past = readout.promotions, readout.words.past
    text = pd.DataFrame(
        {
            "name": [f"{r.name} · {dates(r.starts_at, r.ends_at, zone)}" for r in rows],
            "sent": [count(r.contacts) for r in rows],
            "delivered": [_counted(r.delivered) for r in rows],
            past: [count(r.redeemers) for r in rows],
            "unsubscribed": [_counted(r.unsubscribed) for r in rows],
            "complained": [_counted(r.complained) for r in rows],
            "annoyed": ["–" if r.harm.value != r.harm.value else _percent(r.harm) for r in rows],
            "state": ["provisional" if r.provisional else "settled" for r in rows],
        }
    )
    numbers = ["sent", "delivered", past, "unsubscribed", "complained", "annoyed"]
    return table(
        text,
        {"name": "promotion"}
        | {column: column for column in numbers[:-1]}
        | {"annoyed": "unsubscribed or complained", "state": "figures are"},
        dict.fromkeys(numbers, str),
        caption="Customers. What the shop never records is not 0.",
        most=20,
    )


def _counted(value: int | None) -> str:
    return "not recorded" if value is None else count(value)


def _settling(readout: Readout, zone: str) -> list[str]:
    """Say which figures may still change, and until when."""
    open_ones = [r for r in readout.promotions if r.provisional]
    if not open_ones:
        return []
    parts = [
        f"{r.name} until {pd.Timestamp(r.settles_at, tz='UTC').tz_convert(zone):%d %b %Y}"
        for r in open_ones
    ]
    return [f"Provisional, for purchases may still come back: {'; '.join(parts)}."]


def _reason(row: PromotionReadout) -> str:
    found = row.difference
    told = f"{row.name}: the extra sales are {found.identification}; {found.why}."
    if found.identification == RANDOMISED or not row.holdout.held:
        return told
    return f"{told} Customers were held back at random, but {row.holdout.why}."


def _percent(e: Estimate) -> str:
    # Of nobody there is no share, and its interval from 0 to 100 % says nothing.
    return percent(e.value, e.ci_low, e.ci_high) if e.n else "–"


def _number(e: Estimate) -> str:
    return number(e.value, e.ci_low, e.ci_high)
