"""The figures of what starts: headline tiles, what it may cost, and how such forecasts did."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd

from promolab.campaign.outlook import (
    PREDICTION_LEVEL,
    LaunchEconomics,
    OutlookCoverage,
    PromotionEconomics,
    TrackRecord,
    amount_words,
    expected_words,
)
from promolab.campaign.past import FEWEST_UNITS as FEWEST
from promolab.display import Html, Tile, absent, join, link, picture, say, table
from promolab.results import Estimate
from promolab.wording import answer_to, count, money, percent, plural

__all__ = ["coverage_block", "economics_table", "launch_tiles", "record_block"]

MOST_FORECASTS = 3

_LEVEL = percent(PREDICTION_LEVEL, decimals=0)
_TAKEN_OFF = {
    "redeem": "coupons that they redeem",
    "respond": "what is taken off for those who respond",
    "buy": "a recommendation takes nothing off",
}


def launch_tiles(economics: LaunchEconomics, customers: int | None = None) -> list[Tile]:
    """Return the tiles above the fold: whom, how many answer, what that costs, what it must bring.

    Parameters
    ----------
    economics : LaunchEconomics
        Of the week.
    customers : int, optional
        Different customers to contact, where a customer gets several promotions.

    Returns
    -------
    list of Tile
        Only the first one, 0, where nobody is to be contacted.
    """
    rows = [p for p in economics.promotions if p.contacts]
    names = ", ".join(p.name for p in rows)
    n = economics.contacts if customers is None else customers
    note = economics.named() if rows else "nothing starts"
    tiles = [Tile("Customers to contact", count(n), float(n), note, change="difference")]
    first = economics.largest
    if not rows or first is None:
        return tiles
    redemptions, discount = economics.total("redemptions"), economics.total("discount")
    words = economics.words
    extra = economics.break_even
    told = f"{_LEVEL} interval, from {plural(redemptions.n, 'past promotion')}"
    assumed = economics.assumed_words()
    return [
        *tiles,
        Tile(
            f"Expected {words.noun}s",
            expected_words(redemptions.value, redemptions.ci_low, redemptions.ci_high),
            redemptions.value,
            told if math.isfinite(redemptions.ci_low) else "too few past promotions: no interval",
            of=names,
        ),
        Tile(
            "Expected discount cost",
            amount_words(discount, first.currency),
            _known(discount.value),
            f"{_TAKEN_OFF[words.verb]}; {_LEVEL} interval" if discount.n else "not known",
            of=names,
        ),
        Tile(
            "Break-even extra sales per contact",
            amount_words(extra, first.currency),
            _known(extra.value),
            assumed or first.rates_words(),
            of=names,
        ),
    ]


def _known(value: float) -> float | None:
    return value if math.isfinite(value) else None


def economics_table(row: PromotionEconomics) -> Html:
    """Return what a promotion may cost and must bring, a line each with what it rests on."""
    readable = row.held >= FEWEST and math.isfinite(row.visible)
    visible = money(row.visible, currency=row.currency) if readable else "–"
    words = answer_to(row.kind)
    anyway, costs = row.anyway, f"discounts, {row.rates_words(margin=False)}"
    lines = [
        ("customers to contact", count(row.contacts), f"{count(row.held)} more are held out"),
        (f"expected {words.noun}s", row.expected_words(), _past(row)),
        (
            "expected discount cost",
            amount_words(row.discount, row.currency),
            f"{_LEVEL} interval. {row.discount_basis}"
            if row.discount.ci_high
            else row.discount_basis,
        ),
        ("cost of all, to the shop", amount_words(row.cost, row.currency), costs),
        (
            "break-even extra sales per contact",
            amount_words(row.break_even, row.currency),
            f"cost ÷ (margin × contacts); {row.rates_words()}",
        ),
        ("smallest effect that the holdout can see", visible, row.visible_sentence()),
        ("likely to have bought anyway (a guess)", _share(anyway.of_list), anyway.summary()),
        (f"of the {words.who}s (a guess)", _share(anyway.of_redeemers), "weighed by the chance"),
    ]
    frame = pd.DataFrame(lines, columns=["what", "figure", "rests"])
    return table(
        frame,
        {"what": "what", "figure": "figure", "rests": "what it rests on"},
        {"figure": str},
        caption=f"{row.name}: what it may cost and must bring. Nothing here is an effect.",
        most=len(lines),
    )


def _past(row: PromotionEconomics) -> str:
    n = row.redemptions.n
    if not math.isfinite(row.redemptions.ci_low):
        return f"no interval: {plural(n, 'past promotion')} to tell how far such sums miss"
    return f"{_LEVEL} interval, from how far {plural(n, 'past promotion')} missed as a whole"


def _share(e: Estimate) -> str:
    return percent(e.value, e.ci_low, e.ci_high)


def record_block(record: TrackRecord) -> Html:
    """Return the last forecasts and what came, a row each, with how often they held.

    Parameters
    ----------
    record : TrackRecord
        Of `promolab.campaign.outlook.track_record`.
    """
    rows = record.table.head(MOST_FORECASTS)
    shown = rows.assign(
        said=[
            expected_words(e, low, high)
            for e, low, high in zip(rows["expected"], rows["ci_low"], rows["ci_high"], strict=True)
        ],
        held=_held(rows["inside"]),
    )
    noun = answer_to(record.kinds).noun
    return join(
        [
            say(record.summary()),
            table(
                shown,
                {
                    "name": "promotion",
                    **({"source": "forecast"} if record.told else {}),
                    "said": f"{noun}s expected [{_LEVEL}]",
                    "observed": "came",
                    "held": "inside?",
                },
                {"said": str, "observed": count},
                caption="Latest start first.",
            )
            if len(rows)
            else Html(""),
            link("04_response.html", "All forecasts, and how good the ranking was"),
        ]
    )


def _held(inside: pd.Series[Any]) -> list[str]:
    return ["no interval" if pd.isna(x) else "inside" if x else "outside" for x in inside]


def coverage_block(coverage: OutlookCoverage) -> Html:
    """Return how forecasts of responses did: a sentence, a figure and every past promotion."""
    if coverage.table.empty or coverage.share.n == 0:
        return absent(coverage.summary())
    rows = coverage.table.iloc[::-1]
    shown = rows.assign(
        start=[f"{day:%d %b %Y}" for day in rows["starts_at"]],
        found=[
            expected_words(e, low, high)
            for e, low, high in zip(rows["expected"], rows["ci_low"], rows["ci_high"], strict=True)
        ],
        held=_held(rows["inside"]),
    )
    return join(
        [
            say(coverage.summary()),
            picture(coverage.plot(), coverage.summary()),
            table(
                shown,
                {
                    "promotion_id": "promotion",
                    "start": "start",
                    "known": "past ones known",
                    "contacts": "contacts",
                    "found": f"expected {answer_to(coverage.kinds).noun}s [{_LEVEL}]",
                    "observed": "came",
                    "held": "inside?",
                },
                {"promotion_id": str, "contacts": count, "found": str, "observed": count},
                caption="Each promotion forecast from those over before it, latest first.",
                most=10,
                file="tables/outlook_coverage.parquet",
            ),
        ]
    )
