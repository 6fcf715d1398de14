"""The words of a figure: title, subtitle, axis labels, legend."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from promolab.plots._base import styled, text_width, wrapped

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@styled
def finish(
    ax: Axes,
    *,
    title: str,
    subtitle: str = "",
    xlabel: str = "",
    ylabel: str = "",
    percent_x: bool = False,
    percent_y: bool = False,
) -> Axes:
    """Write the words of a figure: the finding, the measure with its n, and the axes.

    Parameters
    ----------
    ax : Axes
        What was drawn on.
    title : str
        The finding, as a sentence; broken into lines that fit.
    subtitle : str
        The measure, n, the level of the intervals.
    xlabel, ylabel : str
        Labels with units.
    percent_x, percent_y : bool
        True where the axis holds shares (0–1), to be read in percent.

    Notes
    -----
    Draws a legend where curves have labels. Called again, it replaces the words written before.
    """
    ax.set_xlabel(xlabel, parse_math=False)
    ax.set_ylabel(ylabel, parse_math=False)
    _format_axis(ax.xaxis, percent_x)
    _format_axis(ax.yaxis, percent_y)
    if ax.get_legend_handles_labels()[1]:
        for text in ax.legend().get_texts():
            text.set_parse_math(False)
    room = _title_room(ax)
    below = wrapped(subtitle, room, 9.5)
    lines = below.count("\n") + 1 if below else 0
    ax.set_title(
        wrapped(title, room, 12, weight="bold"), loc="left", pad=11 + 13 * lines, parse_math=False
    )
    for earlier in [text for text in ax.texts if text.get_gid() == "subtitle"]:
        earlier.remove()
    if below:
        ax.annotate(
            below,
            (0, 1),
            xycoords="axes fraction",
            xytext=(0, 8),
            textcoords="offset points",
            va="bottom",
            fontsize=9.5,
            color="#555555",
            linespacing=1.15,
            annotation_clip=False,
            gid="subtitle",
        )
    return ax


def _percent(share: float, _: int | None = None) -> str:
    return f"{100 * share:,.6g} %".replace("-", "−")


def _format_axis(axis: Any, percent: bool) -> None:
    from matplotlib.ticker import (
        FuncFormatter,
        LogFormatter,
        ScalarFormatter,
        StrMethodFormatter,
    )

    formatter = axis.get_major_formatter()
    if percent:
        axis.set_major_formatter(FuncFormatter(_percent))
    elif isinstance(formatter, ScalarFormatter | LogFormatter):
        axis.set_major_formatter(StrMethodFormatter("{x:,.10g}"))


def _title_room(ax: Axes) -> float:
    """Points from the left end of the axes to where the title has to end.

    The layout is made when the figure is drawn, and leaves titles' widths out of account; so the
    room is reckoned here from the row names and row texts.
    """
    figure: Any = ax.get_figure(root=True)
    width = 72 * figure.get_figwidth()
    place = ax.get_subplotspec()
    if place is not None:
        margins = figure.subplotpars  # the layout will do away with them
        width *= place.get_position(figure).width / (margins.right - margins.left)
    names = [text.get_text() for text in ax.get_yticklabels()]
    left = max((text_width(name, 9.5) for name in names), default=0.0)
    return max(width - left - (22 if ax.get_ylabel() else 8) - 16, 120.0)
