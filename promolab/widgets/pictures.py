"""Figures that seaborn draws: features by segment, one by one and in pairs, as PNG."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from promolab.display import Html, picture
from promolab.errors import MissingExtraError
from promolab.glossary import label
from promolab.plots import segment_colours, style
from promolab.wording import plural

MOST_PAIRS = 4
"""Features whose pairs are drawn: more could not be read."""
MOST_POINTS = 800
_CUT = 0.98  # of a skewed feature: the last customers would press all others together


def distributions(
    features: pd.DataFrame, columns: Sequence[str], segment: pd.Series[Any], order: Sequence[str]
) -> Html:
    """Return how each feature spreads in each segment, a panel per feature.

    Parameters
    ----------
    features : DataFrame of n rows
    columns : sequence of str
        Features to draw.
    segment : Series of n texts
    order : sequence of str
        Segments, in order.
    """
    seaborn = _seaborn()
    from matplotlib import pyplot

    rows = -(-len(columns) // 3)
    height = 0.5 + 0.32 * len(order)
    with style():
        figure, axes = pyplot.subplots(
            rows, 3, figsize=(12, max(1.9, height) * rows), sharey=True, squeeze=False
        )
        for ax, column in zip(axes.ravel(), columns, strict=False):
            values = _inside(features[column])
            seaborn.boxenplot(
                x=values, y=segment, order=list(order), hue=segment, hue_order=list(order),
                palette=segment_colours(order), legend=False, showfliers=False, ax=ax,
            )  # fmt: skip
            ax.set(title="", xlabel=label(column), ylabel="")
        for ax in axes.ravel()[len(columns) :]:
            ax.set_visible(False)
        _titled(figure, f"How {plural(len(columns), 'feature')} spread in each segment")
    names = ", ".join(label(c) for c in columns)
    return picture(axes[0, 0], f"Distribution of {names} in each segment.")


def pairs(
    features: pd.DataFrame, columns: Sequence[str], segment: pd.Series[Any], order: Sequence[str]
) -> Html:
    """Return the first features in pairs, customers coloured by segment.

    Parameters
    ----------
    features, columns, segment, order
        As of `distributions`.
    """
    seaborn = _seaborn()
    some = list(columns)[:MOST_PAIRS]
    table = pd.DataFrame({label(c): _inside(features[c]) for c in some})
    table["segment"] = segment.to_numpy()
    rng = np.random.default_rng(0)
    keep = np.sort(rng.choice(len(table), min(len(table), MOST_POINTS), replace=False))
    from matplotlib import rc_context

    # seaborn lays its grid out itself.
    with style(), rc_context({"figure.constrained_layout.use": False}):
        grid = seaborn.pairplot(
            table.iloc[keep], hue="segment", hue_order=list(order), corner=True, height=2.2,
            palette=segment_colours(order), diag_kind="hist", plot_kws={"s": 9, "linewidth": 0},
            diag_kws={"element": "step", "common_norm": False, "bins": 20},
        )  # fmt: skip
        _titled(grid.figure, f"{plural(len(some), 'feature')} in pairs, by segment")
        grid.figure.subplots_adjust(top=0.95)
    names = ", ".join(label(c) for c in some)
    return picture(grid.figure.axes[0], f"Customers by pairs of {names}, coloured by segment.")


def _inside(values: pd.Series[Any]) -> pd.Series[Any]:
    """Return a feature without what is far out at the top: those customers are not drawn."""
    number = pd.to_numeric(values).astype(float)
    return number.where(number <= number.quantile(_CUT)).reset_index(drop=True)


def _titled(figure: Any, title: str) -> None:
    figure.suptitle(f"{title} (the largest 2 % are not drawn)", x=0.01, ha="left")


def _seaborn() -> Any:
    try:
        import seaborn
    except ImportError:
        raise MissingExtraError("distributions by segment", "lab") from None
    return seaborn
