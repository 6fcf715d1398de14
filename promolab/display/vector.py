"""Figures as inline SVG: small enough to be drawn anew at each move, readable in any theme.

A PNG of the same takes five times as long from key press to screen, and does not follow the theme.
"""

from __future__ import annotations

import functools
import math
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

from promolab.display.page import Html
from promolab.plots import COLOURS
from promolab.wording import number, percent

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

POINTS = 200
"""Points of a curve: one a pixel apart or two."""
GREY = "grey"
_MARGIN = (12, 22, 44, 70)  # above, right, below, left
_FONT = 'font-family="inherit" font-size="12"'


@dataclass(frozen=True)
class Line:
    """A curve, with a band where ``low`` and ``high`` are given.

    Parameters
    ----------
    x, y : array-like of shape (n,)
        Its points; thinned when drawn.
    label : str
        Its name, in the legend.
    colour : int or str
        Place in the palette, or ``"grey"``.
    dashed : bool
        For what is only a yardstick.
    low, high : array-like of shape (n,), optional
        Ends of the interval of ``y``.
    """

    x: ArrayLike
    y: ArrayLike
    label: str = ""
    colour: int | str = 0
    dashed: bool = False
    low: ArrayLike | None = None
    high: ArrayLike | None = None


@dataclass(frozen=True)
class Dots:
    """Points: one that marks a place, or many.

    Parameters
    ----------
    x, y : array-like of shape (n,)
        Where.
    label : str
        Their name, in the legend.
    colour : int or str
        As of a line.
    size : float
        Across, in pixels.
    """

    x: ArrayLike
    y: ArrayLike
    label: str = ""
    colour: int | str = 1
    size: float = 9.0


@dataclass(frozen=True)
class Upright:
    """A line from top to bottom, such as a cut.

    Parameters
    ----------
    x : float
        Where.
    label : str
        Its name, in the legend.
    colour : int or str
        As of a line.
    """

    x: float
    label: str = ""
    colour: int | str = 1


def thin(x: ArrayLike, *columns: ArrayLike, most: int = POINTS) -> tuple[np.ndarray, ...]:
    """Return at most so many points of a curve, evenly along its way; the ends stay.

    Parameters
    ----------
    x : array-like of shape (n,)
        Rising or falling.
    *columns : array-like of shape (n,)
        What belongs to it; the first decides how long the way is.
    most : int
        Points to keep.

    Examples
    --------
    >>> x, y = thin(range(100_000), range(100_000), most=3)
    >>> x.tolist(), y.tolist()
    ([0.0, 50000.0, 99999.0], [0.0, 50000.0, 99999.0])
    """
    found = tuple(np.asarray(one, dtype=float) for one in (x, *columns))
    n = len(found[0])
    if n <= most:
        return found
    way = np.zeros(n - 1)
    for one in found[:2]:
        reach = float(np.nanmax(one) - np.nanmin(one)) or 1.0
        way += np.abs(np.nan_to_num(np.diff(one))) / reach
    along = np.append(0.0, np.cumsum(way))
    kept = np.unique(np.searchsorted(along, np.linspace(0, along[-1], most)).clip(0, n - 1))
    kept[0], kept[-1] = 0, n - 1
    return tuple(one[kept] for one in found)


def _paint(colour: int | str) -> str:
    """Return a colour of the palette as CSS, a little nearer to the text's colour: dark on light
    paper, light on dark.
    """
    if colour == GREY:
        return "color-mix(in srgb, currentColor 55%, transparent)"
    if isinstance(colour, int):
        # Black and yellow vanish on dark or light paper.
        colour = COLOURS[colour % 6]
    return f"color-mix(in srgb, {colour} 80%, currentColor)"


class _Scale:
    """From figures to pixels along one axis, with ticks at round figures."""

    def __init__(
        self, low: float, high: float, start: float, end: float, share: bool = False
    ) -> None:
        if not (math.isfinite(low) and math.isfinite(high)):
            low, high = 0.0, 1.0
        if high - low <= 1e-12 * max(abs(low), abs(high), 1e-300):
            low, high = low - 0.5 * (abs(low) or 1.0), high + 0.5 * (abs(high) or 1.0)
        self.low, self.high, self.start, self.end = low, high, start, end
        self.share = share

    def __call__(self, values: ArrayLike) -> np.ndarray:
        """Return where figures lie, in pixels."""
        part = (np.asarray(values, dtype=float) - self.low) / (self.high - self.low)
        return np.asarray(self.start + part * (self.end - self.start))

    @functools.cached_property
    def ticks(self) -> list[tuple[float, str]]:
        """Where ticks stand, in pixels, and what is written there."""
        from matplotlib.ticker import MaxNLocator

        most = 5 if abs(self.end - self.start) > 180 else 3
        found: Any = MaxNLocator(most, steps=[1, 2, 2.5, 5, 10]).tick_values(self.low, self.high)
        inside = found[(found >= self.low - 1e-9) & (found <= self.high + 1e-9)]
        step = float(found[1] - found[0]) * (100 if self.share else 1)
        decimals = next((d for d in range(6) if abs(step * 10**d - round(step * 10**d)) < 1e-6), 6)
        write: Callable[..., str] = percent if self.share else number
        return [(float(self(v)), write(float(v) + 0.0, decimals=decimals)) for v in inside]


def chart(
    marks: Sequence[Line | Dots | Upright],
    title: str,
    label: str,
    xlabel: str = "",
    ylabel: str = "",
    *,
    shares: str = "",
    xlim: tuple[float, float] | None = None,
    ylim: tuple[float, float] | None = None,
    width: int = 370,
    height: int = 260,
) -> Html:
    """Draw curves, points and upright lines over two axes.

    Parameters
    ----------
    marks : sequence of Line, Dots or Upright
        What to draw, the first at the bottom.
    title : str
        The finding, above the figure.
    label : str
        What is drawn, for those who cannot see it; the title is added.
    xlabel, ylabel : str
        The axes, with units.
    shares : str
        Which axes hold shares (0–1) and are written in percent: x, y or xy.
    xlim, ylim : tuple of float, optional
        Ends of the axes; by default those of what is drawn. Fixed ones keep a figure from jumping.
    width, height : int
        In pixels.

    Examples
    --------
    >>> made = chart([Line([0, 1], [0, 2])], "It rises to 2", "A line by time").text
    >>> 'role="img" aria-label="A line by time. It rises to 2."' in made
    True
    """
    top, right, below, left = _MARGIN
    named = [mark for mark in marks if mark.label]
    lines = 1 + (len(named) - 1) // 2 if named else 0
    total = height + 18 * lines
    x = _Scale(*(xlim or _reach(marks, "x")), left, width - right, "x" in shares)
    y = _Scale(*(ylim or _reach(marks, "y")), height - below, top, "y" in shares)
    body = [_grid(x, y, xlabel, ylabel)]
    body += [_mark(mark, x, y) for mark in marks]
    body += [_legend(named, left, height)]
    said = f"{label}. {title}."
    return _figure(body, title=title, label=said, width=width, height=total)


def lying_bars(
    names: Sequence[str],
    values: ArrayLike,
    *,
    title: str,
    label: str,
    text: Sequence[str] | None = None,
    starts: ArrayLike | None = None,
    colours: Sequence[int | str] | None = None,
    low: ArrayLike | None = None,
    high: ArrayLike | None = None,
    width: int = 620,
) -> Html:
    """Draw lying bars, a row each, from 0 or from where each starts (a waterfall).

    Parameters
    ----------
    names : sequence of str
        The rows, the first on top.
    values : array-like of shape (rows,)
        Lengths.
    title, label : str
        As of `chart`.
    text : sequence of str, optional
        Written at the right.
    starts : array-like of shape (rows,), optional
        Where each bar begins.
    colours : sequence, optional
        One a row.
    low, high : array-like of shape (rows,), optional
        Ends of intervals; nan for none.
    width : int
        In pixels.
    """
    length = np.asarray(values, dtype=float)
    begins = np.zeros(len(length)) if starts is None else np.asarray(starts, dtype=float)
    ends = begins + length
    found = [begins, ends, np.zeros(1)]
    found += [np.asarray(one, dtype=float) for one in (low, high) if one is not None]
    reach = np.concatenate(found)
    reach = reach[np.isfinite(reach)]
    words = text or [number(float(one)) for one in length]
    room = 0.42 * width
    folded = [_folded(name, room) for name in names]
    left = 14 + max((_wide(line) for lines in folded for line in lines), default=0.0)
    right = width - 20 - max(map(_wide, words), default=0.0)
    scale = _Scale(float(reach.min()), float(reach.max()), left, right)
    zero, body, top = float(scale(0.0)), [], 4.0
    for i, lines in enumerate(folded):
        deep = 26.0 if len(lines) == 1 else 15.0 * len(lines) + 4
        middle, colour = top + deep / 2, _paint(colours[i] if colours else 0)
        a, b = sorted((float(scale(begins[i])), float(scale(ends[i]))))
        for k, line in enumerate(lines):
            body.append(_text(left - 8, middle + 4 + 15 * (k - (len(lines) - 1) / 2), line, "end"))
        body.append(
            f'<rect x="{a:.1f}" y="{middle - 8:.1f}" width="{max(b - a, 1):.1f}" height="16" '
            f'style="fill:{colour}"/>'
        )
        if low is not None and high is not None:
            span = scale([np.asarray(low)[i], np.asarray(high)[i]])
            if np.isfinite(span).all():
                body.append(_path(span, np.array([middle, middle]), "currentColor", 1.6))
        body.append(_text(width - 4, middle + 4, words[i], "end"))
        top += deep
    height = round(top + 4)
    body.insert(0, _path(np.array([zero, zero]), np.array([2, height - 4]), _paint(GREY), 1))
    return _figure(body, title=title, label=label, width=width, height=height)


def _figure(body: Sequence[str], *, title: str, label: str, width: int, height: int) -> Html:
    """Return pieces of SVG as one figure with its title, a role and a label."""
    caption = f"<figcaption>{escape(title)}</figcaption>" if title else ""
    return Html(
        f'<figure>{caption}<svg role="img" aria-label="{escape(label)}" '
        f'viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'fill="currentColor" {_FONT}>{"".join(body)}</svg></figure>'
    )


def _reach(marks: Sequence[Any], axis: str) -> tuple[float, float]:
    found = [np.atleast_1d(np.asarray(getattr(m, axis), float)) for m in marks if hasattr(m, axis)]
    if axis == "y":
        ends = [e for m in marks if isinstance(m, Line) for e in (m.low, m.high) if e is not None]
        found += [np.asarray(end, float) for end in ends]
    values = np.concatenate(found) if found else np.array([0.0, 1.0])
    values = values[np.isfinite(values)]
    if not len(values):
        return 0.0, 1.0
    low, high = float(values.min()), float(values.max())
    room = 0.04 * (high - low) if axis == "y" else 0.0
    return low - (room if low else 0.0), high + room


def _mark(mark: Line | Dots | Upright, x: _Scale, y: _Scale) -> str:
    colour = _paint(mark.colour)
    if isinstance(mark, Upright):
        place = float(x(mark.x))
        return _path(np.array([place, place]), np.array([y.start, y.end]), colour, 1.5, "5 3")
    if isinstance(mark, Dots):
        at_x, at_y = x(np.atleast_1d(mark.x)), y(np.atleast_1d(mark.y))
        known = np.isfinite(at_x) & np.isfinite(at_y)
        # A stroke of no length with a round end is a dot: many of them are one element.
        places = "".join(
            f"M{a:.1f} {b:.1f}h0" for a, b in zip(at_x[known], at_y[known], strict=True)
        )
        return (
            f'<path d="{places}" fill="none" stroke-linecap="round" '
            f'style="stroke:{colour};stroke-width:{mark.size:g}"/>'
        )
    band = ""
    if mark.low is not None and mark.high is not None:
        at, low, high = thin(mark.x, mark.low, mark.high)
        around = np.append(at, at[::-1]), np.append(low, high[::-1])
        band = (
            f'<path d="{_way(x(around[0]), y(around[1]))}Z" stroke="none" '
            f'style="fill:{colour};fill-opacity:.18"/>'
        )
    at, height = thin(mark.x, mark.y)
    return band + _path(x(at), y(height), colour, 2, "4 4" if mark.dashed else "")


def _grid(x: _Scale, y: _Scale, xlabel: str, ylabel: str) -> str:
    faint = "color-mix(in srgb, currentColor 16%, transparent)"
    out = []
    for at, words in x.ticks:
        out.append(_path(np.array([at, at]), np.array([y.start, y.end]), faint, 1))
        out.append(_text(at, y.start + 16, words, "middle"))
    for at, words in y.ticks:
        out.append(_path(np.array([x.start, x.end]), np.array([at, at]), faint, 1))
        out.append(_text(x.start - 6, at + 4, words, "end"))
    middle = (x.start + x.end) / 2
    out.append(_text(middle, y.start + 36, xlabel, "middle"))
    half = (y.start + y.end) / 2
    out.append(
        f'<g transform="translate(12 {half:.1f}) rotate(-90)">{_text(0, 0, ylabel, "middle")}</g>'
    )
    return "".join(out)


def _legend(named: Sequence[Line | Dots | Upright], left: float, top: float) -> str:
    out = []
    apart = max([190.0, *(_wide(mark.label) + 44 for mark in named)])
    for i, mark in enumerate(named):
        at, height = left - 40 + apart * (i % 2), top + 6 + 18 * (i // 2)
        colour = _paint(mark.colour)
        if isinstance(mark, Dots):
            out.append(f'<circle cx="{at + 9:g}" cy="{height:g}" r="4.5" style="fill:{colour}"/>')
        else:
            dashed = isinstance(mark, Upright) or (isinstance(mark, Line) and mark.dashed)
            dashes = "5 3" if dashed else ""
            ends = np.array([at, at + 18.0]), np.array([height, height])
            out.append(_path(*ends, colour, 2, dashes))
        out.append(_text(at + 24, height + 4, mark.label, "start"))
    return "".join(out)


def _path(x: np.ndarray, y: np.ndarray, colour: str, wide: float, dashes: str = "") -> str:
    dashed = f' stroke-dasharray="{dashes}"' if dashes else ""
    look = f"stroke:{colour};stroke-width:{wide:g}"
    return f'<path d="{_way(x, y)}" fill="none"{dashed} style="{look}"/>'


def _way(x: np.ndarray, y: np.ndarray) -> str:
    known = np.isfinite(x) & np.isfinite(y)
    steps = [f"{a:.1f} {b:.1f}" for a, b in zip(x[known], y[known], strict=True)]
    return "M" + "L".join(steps) if steps else ""


def _text(x: float, y: float, words: str, anchor: str) -> str:
    if not words:
        return ""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(words)}</text>'


def _wide(words: str) -> float:
    """Return about how wide a text is, in pixels; a letter of Chinese is as wide as two."""
    return sum(12.0 if unicodedata.east_asian_width(c) in "WF" else 6.4 for c in words)


def _folded(name: str, room: float) -> list[str]:
    """Break a name into lines that fit, at its blanks, or anywhere where it has none."""
    lines = [""]
    for word in name.split(" "):
        longer = f"{lines[-1]} {word}".strip()
        if _wide(longer) <= room or not lines[-1]:
            lines[-1] = longer
        else:
            lines.append(word)
    most = int(room / 12)
    return [
        line[i : i + most] if _wide(line) > room else line
        for line in lines
        for i in (range(0, len(line), most) if _wide(line) > room else (0,))
    ]
