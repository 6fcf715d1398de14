"""The style that all figures share, and the small parts they are drawn with."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

import numpy as np

from promolab.language import axis_dates, percent_sign
from promolab.plots._fonts import OWN, fallback_families, units

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import ArrayLike


# Okabe & Ito (2008): told apart under every common colour blindness; yellow last, weak on white.
COLOURS = [
    "#0072B2",
    "#D55E00",
    "#009E73",
    "#CC79A7",
    "#E69F00",
    "#56B4E9",
    "#000000",
    "#F0E442",
]
MUTED = "#8A8A8A"
INK = "#222222"
PANEL_WIDTH, PANEL_HEIGHT = 7.2, 4.2  # inches, as in promolab.mplstyle
LABEL_SIZE = 10  # of an axis, as there
NAME_WIDTH = 170.0  # points; a longer name goes on in the next line

P = ParamSpec("P")
R = TypeVar("R")


@functools.cache
def _settings() -> dict[str, Any]:
    import matplotlib

    path = Path(__file__).parents[1] / "promolab.mplstyle"
    settings: Any = matplotlib.rc_params_from_file(path, use_default_template=False)
    # Matplotlib goes on to the next font for each character that one lacks.
    return {**settings, "font.family": [OWN, *fallback_families()]}


def style() -> AbstractContextManager[None]:
    """Return a context in which figures are made in promolab's style.

    Examples
    --------
    >>> import matplotlib
    >>> before = matplotlib.rcParams["axes.titlelocation"]
    >>> with style():
    ...     matplotlib.rcParams["axes.titlelocation"]
    'left'
    >>> matplotlib.rcParams["axes.titlelocation"] == before
    True
    """
    import matplotlib

    settings: Any = _settings()
    return matplotlib.rc_context(settings)


def styled(function: Callable[P, R]) -> Callable[P, R]:
    @functools.wraps(function)
    def inner(*args: P.args, **kwargs: P.kwargs) -> R:
        with style():
            return function(*args, **kwargs)

    return inner


def new_axes(
    ax: Axes | None = None, *, height: float = PANEL_HEIGHT, width: float = PANEL_WIDTH
) -> Axes:
    """Return the Axes that were given, else those of a new figure of so many inches."""
    if ax is not None:
        return ax
    import matplotlib.pyplot as plt

    return plt.subplots(figsize=(width, height))[1]


def list_height(rows: int) -> float:
    return float(np.clip(1.6 + 0.34 * rows, 2.4, 14.0))


def list_width(text: Sequence[str] | None) -> float:
    """Return inches for a list with words at its right: names, bars and words side by side."""
    words = max((text_width(str(x), 9) for x in text), default=0.0) if text is not None else 0.0
    return max(PANEL_WIDTH, (NAME_WIDTH + 220 + words) / 72)


def numbers(values: ArrayLike) -> np.ndarray:
    found = np.asarray(values)
    if found.dtype.kind == "M":  # days, as Matplotlib numbers them
        from matplotlib.dates import date2num

        return np.asarray(date2num(found), dtype=float)
    return np.asarray(found, dtype=float)


LINES: tuple[Any, ...] = (
    "-",
    "--",
    ":",
    "-.",
    (0, (8, 1.5)),
    (0, (3, 1, 1, 1, 1, 1)),
    (0, (1, 3)),
)


def look(place: int) -> dict[str, Any]:
    """Return colour and line of the curve at a place: told apart in grey as well.

    Examples
    --------
    >>> look(1)
    {'colour': '#D55E00', 'linestyle': '--'}
    """
    return {"colour": COLOURS[place % 7], "linestyle": LINES[place % len(LINES)]}


def shades(
    colour: str | Sequence[str] | None, marked: ArrayLike | None, n: int
) -> str | Sequence[str]:
    """Return the colour of each row: those marked stand out, where nothing else was asked for."""
    if colour is not None or marked is None:
        return colour or COLOURS[0]
    return [COLOURS[1] if mark else COLOURS[0] for mark in np.broadcast_to(marked, n)]


def category_axis(ax: Axes, labels: Iterable[Any], which: str) -> None:
    # A dollar in a product's or segment's name is a dollar, not the start of a formula.
    axis = ax.yaxis if which == "y" else ax.xaxis
    room = NAME_WIDTH if which == "y" else 0.6 * NAME_WIDTH
    names = [wrapped(str(label), room, 9.5) for label in labels]
    axis.set_ticks(np.arange(len(names)), labels=names)
    for text in axis.get_ticklabels():
        text.set_parse_math(False)
    axis.set_tick_params(length=0)


def spans_of(values: np.ndarray, low: ArrayLike, high: ArrayLike) -> np.ndarray:
    # Matplotlib wants lengths and refuses negative ones; an end that is nan is not drawn.
    return np.stack([values - numbers(low), numbers(high) - values]).clip(min=0)


def segment_colours(names: Iterable[Any]) -> dict[str, str]:
    """Return a colour per name; the order in which the names come does not matter.

    Past eight names the colours come back lighter, past sixteen they repeat.

    Examples
    --------
    >>> segment_colours(["Loyal", "At risk"]) == segment_colours(["At risk", "Loyal"])
    True
    """
    from matplotlib.colors import to_hex, to_rgb

    light = []
    for colour in COLOURS:
        red, green, blue = to_rgb(colour)
        light.append(to_hex(((red + 1) / 2, (green + 1) / 2, (blue + 1) / 2)))
    palette = COLOURS + light
    known = sorted({str(name) for name in names})
    return {name: palette[i % len(palette)] for i, name in enumerate(known)}


@functools.lru_cache(maxsize=20_000)
def text_width(text: str, size: float, weight: str = "normal") -> float:
    """Width in points, measured on the font rather than guessed from the letters."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import text_to_path

    font = FontProperties(family=[OWN, *fallback_families()], size=size, weight=weight)
    lines = text.split("\n")
    return max(text_to_path.get_text_width_height_descent(x, font, ismath=False)[0] for x in lines)


def turn_if_crowded(ax: Axes) -> None:
    """Turn the names under an axis where the widest would not fit above its own column."""
    names = ax.get_xticklabels()
    widest = max((text_width(name.get_text(), 9.5) for name in names), default=0.0)
    shown = sum(bool(name.get_text()) for name in names)
    # About 70 % of a figure's width is left for the axes beside row names and a colour bar.
    figure: Any = ax.get_figure(root=True)
    part = min(0.7, ax.get_position().width)  # several axes share a figure
    room = part * 72 * figure.get_figwidth() / max(shown, 1)
    if widest + 6 > room:
        for name in names:
            name.set(rotation=30, ha="right", rotation_mode="anchor")


def wrapped(
    text: str, room: float, size: float, weight: str = "normal", most: int | None = None
) -> str:
    """Break a text into lines that fit: at blanks, and between Chinese or kindred characters.

    Parameters
    ----------
    text : str
    room, size : float
        Points that a line may take, and of the letters.
    weight : str
        Of the font.
    most : int, optional
        Lines that may stand; of more the rest is cut, with dots in its place.

    Examples
    --------
    >>> wrapped("half of the list", 45, 10).splitlines()
    ['half of', 'the list']
    >>> wrapped("half of the list", 45, 10, most=1)
    'half o…'
    """
    lines: list[str] = []
    for word in text.split():
        for number, unit in enumerate(units(word)):
            longer = f"{lines[-1]}{'' if number else ' '}{unit}" if lines else unit
            if lines and text_width(longer, size, weight) <= room:
                lines[-1] = longer
            else:
                lines.append(unit)
    if most is not None and len(lines) > most:
        lines = [*lines[: most - 1], f"{lines[most - 1][:-1]}…"]
    return "\n".join(lines)


def _sides(ax: Axes) -> tuple[float, float]:
    """Return how wide and high the axes are, in points, before the layout makes room for words."""
    figure: Any = ax.get_figure(root=True)
    box = ax.get_position()
    return 72 * figure.get_figwidth() * box.width, 72 * figure.get_figheight() * box.height


@styled
def finish(
    ax: Axes,
    *,
    title: str,
    subtitle: str = "",
    xlabel: str = "",
    ylabel: str = "",
    percent: str = "",
    log: str = "",
    xlim: Sequence[float] | None = None,
    ylim: Sequence[float] | None = None,
    legend: str = "",
    legend_title: str = "",
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
    percent, log : str
        ``"x"``, ``"y"`` or ``"xy"``: which axes hold shares (0–1), to be read in percent, and which
        are logarithmic.
    xlim, ylim : sequence of two float, optional
        Where the axes end.
    legend : {"", "beside", "below"}
        Where the legend stands, if not where there is room on the axes.
    legend_title : str
        What its names tell.

    Notes
    -----
    Draws a legend where curves have labels. Called again, it replaces the words written before.
    """
    across, up = _sides(ax)
    ax.set_xlabel(wrapped(xlabel, across, LABEL_SIZE), parse_math=False)
    ax.set_ylabel(wrapped(ylabel, up, LABEL_SIZE), parse_math=False)
    if xlim is not None:
        ax.set_xlim(xlim[0], xlim[1])
    if ylim is not None:
        ax.set_ylim(ylim[0], ylim[1])
    for which in log:
        _log_axis(ax, which)
    _format_axis(ax.xaxis, "x" in percent)
    _format_axis(ax.yaxis, "y" in percent)
    if ax.get_legend_handles_labels()[1]:
        _legend(ax, legend, legend_title)
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


def _legend(ax: Axes, where: str, title: str) -> None:
    beside: dict[str, Any] = {}
    if where == "beside":
        beside = {"loc": "upper left", "bbox_to_anchor": (1.0, 1.0), "handlelength": 3.2}
    legend: Any = ax.legend(title=title or None, alignment="left", **beside)
    if where == "below":
        legend.remove()
        figure: Any = ax.get_figure(root=True)
        legend = figure.legend(*ax.get_legend_handles_labels(), loc="outside lower left", ncols=2)
    for text in legend.get_texts():
        text.set_parse_math(False)


def _log_axis(ax: Axes, which: str) -> None:
    """Make an axis logarithmic, with figures that can be read: ratios near 1 have few decades."""
    from matplotlib.ticker import FixedLocator, NullLocator, StrMethodFormatter

    ax.set(**{f"{which}scale": "log"})
    low, high = ax.get_xlim() if which == "x" else ax.get_ylim()
    axis = ax.xaxis if which == "x" else ax.yaxis
    wide, narrow = (
        [x for x in steps if low <= x <= high]
        for steps in ((0.1, 0.2, 0.5, 1, 2, 5, 10), (0.6, 0.7, 0.8, 0.9, 1, 1.1, 1.2, 1.3, 1.5))
    )
    if low < 0.1 or high > 10:
        return
    axis.set_major_locator(FixedLocator(wide if len(wide) > 2 else narrow))
    axis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axis.set_minor_locator(NullLocator())


def date_axis(ax: Axes) -> Axes:
    """Let the x axis, which holds days as Matplotlib numbers them, name them in few words."""
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    locator = AutoDateLocator()
    words: Any = dict(zip(("formats", "zero_formats", "offset_formats"), axis_dates(), strict=True))
    ax.xaxis.set_major_locator(locator)
    ax.xaxis.set_major_formatter(ConciseDateFormatter(locator, **words))
    return ax


def _percent(share: float, _: int | None = None) -> str:
    return f"{100 * share:,.6g}{percent_sign()}".replace("-", "−")


def _format_axis(axis: Any, percent: bool) -> None:
    from matplotlib.ticker import FuncFormatter, LogFormatter, ScalarFormatter, StrMethodFormatter

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
    width: float = 72 * figure.get_figwidth()
    place = ax.get_subplotspec()
    if place is not None:
        margins = figure.subplotpars  # the layout will do away with them
        width *= place.get_position(figure).width / (margins.right - margins.left)
    names = [text.get_text() for text in ax.get_yticklabels()]
    left = max((text_width(name, 9.5) for name in names), default=0.0)
    label = 14 * len(ax.get_ylabel().splitlines())
    return max(width - left - label - 24, 120.0)
