"""Promotion design: how deep and from which threshold on, and of what its profit is made."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from promolab.display import GREY, Dots, Html, Line, Upright, beside, join, lying_bars, say
from promolab.promotions import (
    FullReduction,
    OrderValues,
    Promotion,
    PromotionDesign,
    Waterfall,
    design_promotion,
    threshold_of,
)
from promolab.results import Estimate, Facts, words_of
from promolab.widgets.controls import control
from promolab.widgets.explorer import Explorer, drawn
from promolab.wording import number, percent

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

UP, DOWN, NET = 2, 1, 0  # places in the palette


@dataclass(frozen=True)
class DesignState:
    """The terms looked at.

    Parameters
    ----------
    depth : float
        Share taken off; of a full reduction what is saved per unit of its threshold.
    threshold : float
        From what an order must amount to; 0 without one.
    """

    depth: float
    threshold: float = 0.0


def promotion_design(
    promotion: Promotion,
    orders: OrderValues,
    effect: ArrayLike,
    effect_se: ArrayLike,
    dose: Any,
    *,
    by_threshold: Any = None,
    depths: Iterable[float] | None = None,
    thresholds: Iterable[float] | None = None,
    mean_se: float | None = None,
    spread: float = 0.0,
    level: float = 0.9,
) -> Explorer[DesignState, PromotionDesign]:
    """Explore how deep a promotion should be, and from which threshold on.

    Parameters
    ----------
    promotion, orders, effect, effect_se, dose, by_threshold, depths, thresholds
        As `promolab.promotions.design_promotion` takes them.
    mean_se, spread, level
        Likewise.

    Returns
    -------
    Explorer

    Raises
    ------
    InputError
        As `promolab.promotions.design_promotion`.

    Notes
    -----
    All designs are weighed and split into their parts when it opens; a move only looks up. What was
    never drawn is dashed, and a guess.

    Examples
    --------
    >>> from promolab import load_shop
    >>> from promolab.promotions import order_values, read_promotions
    >>> shop = load_shop("simulated", customers=200, weeks=12)
    >>> offer = read_promotions(shop, ["W07-limited_time_discount"])["W07-limited_time_discount"]
    >>> orders = order_values(shop, offer.starts_at, promotions=[offer.promotion_id])
    >>> class Dose:
    ...     drawn = (0.05, 0.1, 0.2)
    ...     def factor(self, at):
    ...         return 1.0, 0.1
    >>> found = promotion_design(offer, orders, [2.0] * 200, [0.5] * 200, Dose())
    >>> "Net incremental profit" in found.move(depth=0.1).text
    True
    """
    swept = design_promotion(
        promotion, orders, effect, effect_se, dose, by_threshold=by_threshold, depths=depths,
        thresholds=thresholds, mean_se=mean_se, spread=spread, level=level,
    )  # fmt: skip
    terms = swept.frame[["depth", "threshold"]].drop_duplicates()
    # A threshold's own depths may be rounded to the cent; the slider has each once.
    deep, at = (sorted({float(v) for v in terms[c]}) for c in ("depth", "threshold"))
    start = DesignState(swept.depth, threshold_of(swept.recommended))
    words = words_of(__name__, "design")
    named = words.word("reduction" if isinstance(promotion, FullReduction) else "depth")
    depths_of = {_share(d): d for d in deep}
    controls = {"depth": control("SelectionSlider", named, options=depths_of)}
    if len(at) > 1:
        amounts = {number(t, unit=orders.currency): t for t in at}
        controls["threshold"] = control("SelectionSlider", words.word("from"), options=amounts)
    return Explorer(words.word("title"), start, controls, render, prepared=swept)


def _share(depth: float) -> str:
    return percent(depth, decimals=0 if abs(100 * depth - round(100 * depth)) < 1e-6 else 1)


def render(state: DesignState, swept: PromotionDesign) -> Html:
    """Return the profit by depth and, of the terms looked at, what makes it.

    Parameters
    ----------
    state : DesignState
    swept : PromotionDesign
    """
    frame = swept.frame
    # Reductions are rounded to the cent, and their depths differ a little from the slider's.
    place = (frame["threshold"] - state.threshold).abs().mul(1e6) + (
        frame["depth"] - state.depth
    ).abs()
    at = int(place.to_numpy().argmin())
    row, split = frame.iloc[at], swept.splits[at]
    along = frame[np.isclose(frame["threshold"], row["threshold"])].sort_values("depth")
    words = words_of(
        __name__,
        "design",
        currency=swept.currency,
        face=split.face_value,
        was=swept.promotion.face_value(swept.currency),
        customers=swept.customers,
        profit=Estimate.of(row[["profit", "profit_low", "profit_high"]]),
        cost=float(row["cost"]),
        present=swept.present,
        guess=bool(row["extrapolated"]),
        at=_share(float(row["depth"])),
        least=float(row["threshold"]),
        level=swept.level,
    )
    return join(
        [
            say(words.say("finding"), css="finding"),
            say(swept.summary()),
            beside([_profits(words, swept, along, row), _parts(words, split)]),
        ]
    )


def _profits(words: Facts, swept: PromotionDesign, along: pd.DataFrame, row: Any) -> Html:
    known = along[~along["extrapolated"]]
    marks: list[Any] = [
        Line(along["depth"], along["profit"], words.word("never_drawn"), GREY, dashed=True)
    ]
    if len(known):
        ends: dict[str, Any] = {"low": known["profit_low"], "high": known["profit_high"]}
        marks.append(Line(known["depth"], known["profit"], words.say("drawn"), 0, **ends))
    if np.isclose(threshold_of(swept.recommended), row["threshold"]):
        marks.append(Upright(swept.depth, words.word("recommended"), UP))
    marks.append(Dots([row["depth"]], [row["profit"]], words.word("these")))
    return drawn(words, "profit", marks, shares="x", width=430, height=300)


def _parts(words: Facts, split: Waterfall) -> Html:
    """Return the waterfall of what makes the profit."""
    rows, looks = split.shown(), {"above": UP, "below": DOWN, "net": NET}
    named = rows[["part", "source"]].to_dict("records")
    return lying_bars(
        [split.say("rests", **{str(k): v for k, v in row.items()}) for row in named],
        rows["amount"].tolist(),
        starts=rows["start"].tolist(),
        colours=[looks[rises] for rises in rows["rises"]],
        text=[number(amount) for amount in rows["amount"]],
        low=rows["low"].to_numpy(float),
        high=rows["high"].to_numpy(float),
        title=words.say("parts"),
        label=split.summary(),
        width=600,
    )
