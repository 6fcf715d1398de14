"""Promotion design: how deep and from which threshold on, and of what its profit is made."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from promolab.display import GREY, Dots, Html, Line, Upright, beside, chart, join, lying_bars, say
from promolab.promotions import (
    FullReduction,
    OrderValues,
    Promotion,
    PromotionDesign,
    Waterfall,
    design_promotion,
    dose_factor,
    middle_terms,
    promotion_values,
    threshold_of,
    with_terms,
)
from promolab.widgets.controls import Control, Steps
from promolab.widgets.explorer import Explorer, Progress
from promolab.wording import capital, money, number, percent, plural

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


@dataclass(frozen=True)
class Designs:
    """Every design, weighed and split once.

    Parameters
    ----------
    swept : PromotionDesign
        Profit of each, and the recommended one.
    splits : dict of (depth, threshold) to Waterfall
    """

    swept: PromotionDesign
    splits: dict[tuple[float, float], Waterfall]


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
    factor_of: str = "margin",
    mean_se: float | None = None,
    spread: float = 0.0,
    level: float = 0.9,
) -> Explorer[DesignState, Designs]:
    """Explore how deep a promotion should be, and from which threshold on.

    Parameters
    ----------
    promotion, orders, effect, effect_se, dose, by_threshold, depths, thresholds
        As `promolab.promotions.design_promotion` takes them.
    factor_of, mean_se, spread, level
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
    weigh = functools.partial(
        design_promotion, promotion, orders, effect, effect_se, dose, by_threshold=by_threshold,
        factor_of=factor_of, mean_se=mean_se, spread=spread, level=level,
    )  # fmt: skip
    swept = weigh(depths=depths, thresholds=thresholds)
    terms = swept.frame[["depth", "threshold"]].drop_duplicates()
    # A threshold's own depths may be rounded to the cent; the slider has each once.
    deep, at = (sorted({float(v) for v in terms[c]}) for c in ("depth", "threshold"))
    start = DesignState(swept.depth, threshold_of(swept.recommended))
    usual = middle_terms(promotion, dose, by_threshold)
    split = functools.partial(
        _split, swept, orders, (np.asarray(effect, float), np.asarray(effect_se, float)),
        (dose, by_threshold),
        {"usual": [usual], "factor_of": factor_of, "spread": [spread], "level": level}
        | ({} if mean_se is None else {"mean_se": [mean_se]}),
    )  # fmt: skip
    named = "reduction, of the threshold" if isinstance(promotion, FullReduction) else "depth"
    controls: dict[str, Control] = {"depth": Steps(named, {_share(d): d for d in deep})}
    if len(at) > 1:
        unit = orders.currency
        controls["threshold"] = Steps("from", {number(t, unit=unit): t for t in at})
    return Explorer("Promotion design", start, controls, render, prepare=split)


def _share(depth: float) -> str:
    return percent(depth, decimals=0 if abs(100 * depth - round(100 * depth)) < 1e-6 else 1)


def _split(
    swept: PromotionDesign,
    orders: OrderValues,
    effects: tuple[np.ndarray, np.ndarray],
    doses: tuple[Any, Any],
    known: dict[str, Any],
    _: DesignState,
    progress: Progress,
) -> Designs:
    """Split the profit of every design into what makes it."""
    effect, error = effects
    mean, splits = float(effect.mean()), {}
    for i, row in enumerate(swept.frame.itertuples()):
        progress(i / len(swept.frame), f"splitting design {i + 1} of {len(swept.frame)}")
        depth, least = float(row.depth), float(row.threshold)  # type: ignore[arg-type]
        one = with_terms(swept.promotion, depth, least)
        factor, miss = dose_factor(doses[0], depth, mean)
        if doses[1] is not None:
            other, other_miss = dose_factor(doses[1], least, mean)
            factor, miss = factor + other - 1, math.hypot(miss, other_miss)
        values = promotion_values(
            [one], orders, effect[:, None], error[:, None], factor=[factor], factor_se=[miss],
            extrapolated=[bool(row.extrapolated)], **known,
        )  # fmt: skip
        splits[depth, least] = values.waterfall(one.promotion_id)
    return Designs(swept, splits)


def render(state: DesignState, designs: Designs) -> Html:
    """Return the profit by depth and, of the terms looked at, what makes it.

    Parameters
    ----------
    state : DesignState
    designs : Designs
    """
    frame = designs.swept.frame
    # Reductions are rounded to the cent, and their depths differ a little from the slider's.
    place = (frame["threshold"] - state.threshold).abs().mul(1e6) + (
        frame["depth"] - state.depth
    ).abs()
    row = frame.iloc[int(place.to_numpy().argmin())]
    along = frame[np.isclose(frame["threshold"], row["threshold"])].sort_values("depth")
    split = designs.splits[float(row["depth"]), float(row["threshold"])]
    one = with_terms(designs.swept.promotion, float(row["depth"]), float(row["threshold"]))
    return join(
        [
            say(_headline(designs, row, one), css="finding"),
            say(designs.swept.summary()),
            beside([_profits(designs.swept, along, row), _parts(split)]),
        ]
    )


def _headline(designs: Designs, row: Any, one: Promotion) -> str:
    swept, unit = designs.swept, designs.swept.currency
    ends = [float(row[c]) for c in ("profit", "profit_low", "profit_high")]
    beyond = " These terms were never drawn: it is a guess." if row["extrapolated"] else ""
    return (
        f"{capital(one.face_value(unit))} for {plural(swept.customers, 'customer')}: "
        f"{money(*ends, currency=unit)} of net incremental profit, "
        f"{money(float(row['cost']), currency=unit)} charged to the budget; as it stood "
        f"({swept.promotion.face_value(unit)}) "
        f"{money(*swept.present.ends, currency=unit)}.{beyond}"
    )


def _profits(swept: PromotionDesign, along: pd.DataFrame, row: Any) -> Html:
    unit, level = swept.currency, percent(swept.level, decimals=0)
    known = along[~along["extrapolated"]]
    marks: list[Any] = [Line(along["depth"], along["profit"], "never drawn", GREY, dashed=True)]
    if len(known):
        marks.append(
            Line(
                known["depth"], known["profit"], f"drawn, with {level} interval", 0,
                low=known["profit_low"], high=known["profit_high"],
            )
        )  # fmt: skip
    if np.isclose(threshold_of(swept.recommended), row["threshold"]):
        marks.append(Upright(swept.depth, "recommended", UP))
    least = float(row["threshold"])
    return chart(
        [*marks, Dots([row["depth"]], [row["profit"]], "these terms")],
        f"Profit at {_share(float(row['depth']))}: {number(float(row['profit']), unit=unit)}",
        "Net incremental profit by depth with its interval",
        "depth: share taken off" + (f", from {number(least, unit=unit)} on" if least else ""),
        f"net incremental profit, {unit}",
        shares="x",
        width=430,
        height=300,
    )


def _parts(split: Waterfall) -> Html:
    """Return the waterfall of what makes the profit."""
    rows = split.bars[split.bars["amount"].abs() > 0.005]
    amounts = rows["amount"].to_numpy(float)
    starts = np.append(0.0, np.cumsum(amounts))
    nothing = np.full(len(amounts), np.nan)
    words = [
        f"{name} ({source})" for name, source in zip(rows["words"], rows["source"], strict=True)
    ]
    return lying_bars(
        [*words, "Net incremental profit"],
        [*amounts, split.net.value],
        starts=[*starts[:-1], 0.0],
        colours=[*(UP if a >= 0 else DOWN for a in amounts), NET],
        text=[number(a) for a in (*amounts, split.net.value)],
        low=np.append(nothing, split.net.ci_low),
        high=np.append(nothing, split.net.ci_high),
        title=f"What makes {money(split.net.value, currency=split.currency)}",
        label=f"{split.ALT} {split.summary()}",
        width=600,
    )
