"""How groups spread, a panel per column or pair of columns (seaborn)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from promolab.errors import MissingExtraError
from promolab.plots._base import segment_colours, style
from promolab.wording import plural

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes


MOST_PAIRS = 4
"""Columns whose pairs are drawn: more could not be read."""
MOST_POINTS = 800
_CUT = 0.98  # of a skewed column: the last rows would press all others together


def spread_by_group(values: pd.DataFrame, group: pd.Series[Any], order: Sequence[str]) -> Axes:
    """Draw how each column spreads in each group, a panel per column.

    Parameters
    ----------
    values : DataFrame of n rows
        Numbers; a column's name stands below its panel.
    group : Series of n texts
    order : sequence of str
        Groups, in order.
    """
    seaborn = _seaborn()
    from matplotlib import pyplot

    rows = -(-values.shape[1] // 3)
    height = max(1.9, 0.5 + 0.32 * len(order))
    with style():
        figure, axes = pyplot.subplots(
            rows, 3, figsize=(12, height * rows), sharey=True, squeeze=False
        )
        for ax, name in zip(axes.ravel(), values, strict=False):
            seaborn.boxenplot(
                x=_inside(values[name]), y=group, order=list(order), hue=group,
                hue_order=list(order), palette=segment_colours(order), legend=False,
                showfliers=False, ax=ax,
            )  # fmt: skip
            ax.set(title="", xlabel=name, ylabel="")
        for ax in axes.ravel()[values.shape[1] :]:
            ax.set_visible(False)
        _titled(figure, f"How {plural(values.shape[1], 'feature')} spread in each segment")
    first: Axes = axes[0, 0]
    return first


def pairs_by_group(values: pd.DataFrame, group: pd.Series[Any], order: Sequence[str]) -> Axes:
    """Draw the first columns in pairs, the rows coloured by group.

    Parameters
    ----------
    values, group, order
        As of `spread_by_group`.
    """
    seaborn = _seaborn()
    from matplotlib import rc_context

    table = values.iloc[:, :MOST_PAIRS].apply(_inside).assign(segment=group.to_numpy())
    rng = np.random.default_rng(0)
    keep = np.sort(rng.choice(len(table), min(len(table), MOST_POINTS), replace=False))
    # seaborn lays its grid out itself.
    with style(), rc_context({"figure.constrained_layout.use": False}):
        grid = seaborn.pairplot(
            table.iloc[keep], hue="segment", hue_order=list(order), corner=True, height=2.2,
            palette=segment_colours(order), diag_kind="hist", plot_kws={"s": 9, "linewidth": 0},
            diag_kws={"element": "step", "common_norm": False, "bins": 20},
        )  # fmt: skip
        _titled(grid.figure, f"{plural(table.shape[1] - 1, 'feature')} in pairs, by segment")
        grid.figure.subplots_adjust(top=0.95)
    first: Axes = grid.figure.axes[0]
    return first


def _inside(values: pd.Series[Any]) -> pd.Series[Any]:
    """Return a column without what is far out at the top: those rows are not drawn."""
    import pandas as pd

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
