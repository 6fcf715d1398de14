"""Blocks of a page: tiles, tables, pictures and sentences; values from the data are escaped."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

from promolab.display.figures import png, show
from promolab.errors import InputError
from promolab.results import Result
from promolab.wording import number, percent

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "Html",
    "Tile",
    "absent",
    "beside",
    "fold",
    "join",
    "link",
    "picture",
    "present",
    "say",
    "table",
    "tiles",
]


@dataclass(frozen=True)
class Html:
    """A piece of HTML that a notebook shows as it is."""

    text: str

    def _repr_html_(self) -> str:
        return self.text

    def __add__(self, other: Html) -> Html:
        return Html(self.text + other.text)


def join(pieces: Sequence[Html]) -> Html:
    """Return the pieces one after the other."""
    return Html("\n".join(piece.text for piece in pieces))


def say(text: str, kind: str = "p", css: str = "") -> Html:
    """Return a sentence as a paragraph or heading, escaped.

    Examples
    --------
    >>> say("bread & butter").text
    '<p>bread &amp; butter</p>'
    """
    name = f' class="{escape(css)}"' if css else ""
    return Html(f"<{kind}{name}>{escape(text)}</{kind}>")


def absent(text: str) -> Html:
    """Return why there is nothing to show: a section of nothing else becomes a line of its page.

    Examples
    --------
    >>> absent("Nobody is ranked.").text
    '<p class="absent">Nobody is ranked.</p>'
    """
    return say(text, css="absent")


def link(address: str, text: str) -> Html:
    """Return a link on a line of its own, to a page or file of the week.

    Examples
    --------
    >>> link("08_plan.html", "the plan").text
    '<p class="more"><a href="08_plan.html">the plan</a></p>'
    """
    return Html(f'<p class="more"><a href="{escape(address)}">{escape(text)}</a></p>')


def fold(title: str, pieces: Sequence[Html]) -> Html:
    """Return pieces behind a line that opens with a click; nothing where there are none."""
    body = join([piece for piece in pieces if piece.text])
    if not body.text:
        return body
    return Html(f"<details><summary>{escape(title)}</summary>{body.text}</details>")


def beside(pieces: Sequence[Html]) -> Html:
    """Return pieces side by side where the screen is wide enough."""
    cells = "".join(f"<div>{piece.text}</div>" for piece in pieces if piece.text)
    return Html(f'<div class="side">{cells}</div>' if cells else "")


@dataclass(frozen=True)
class Tile:
    """A headline number.

    Parameters
    ----------
    label, text, note : str
        What it is, the figure in words, and what it is of.
    value : float or None
        The bare value.
    change : str
        How a change is written: ``percent`` of the value before, ``difference``, or percentage
        ``points`` of a share.
    of : str
        What it is of, where that differs from week to week: only like is compared with like.
    """

    label: str
    text: str
    value: float | None
    note: str = ""
    change: str = "percent"
    of: str = ""


def tiles(items: Sequence[Tile], before: Mapping[str, float | None] | None = None) -> Html:
    """Return headline tiles, each with its change against the week before where that is known.

    Parameters
    ----------
    items : sequence of Tile
        What to show.
    before : mapping of str to float, optional
        Last week's values by label.
    """
    cells = []
    for tile in items:
        words = _change(tile, (before or {}).get(tile.label))
        change = (
            f'<div class="change">{escape(words)} against the week before</div>' if words else ""
        )
        cells.append(
            f'<div class="tile"><div class="label">{escape(tile.label)}</div>'
            f'<div class="figure">{_with_range(tile.text)}</div>'
            f'<div class="note">{escape(tile.note)}</div>{change}</div>'
        )
    return Html(f'<div class="tiles">{"".join(cells)}</div>')


def table(
    frame: pd.DataFrame,
    columns: Mapping[str, str],
    formats: Mapping[str, Callable[[Any], str]] | None = None,
    *,
    caption: str = "",
    most: int = 10,
    file: str = "",
    file_text: str = "All rows as a file",
    marked: str = "",
    otherwise: str = "",
) -> Html:
    """Return a table: text on the left, figures on the right, ten rows and a link to the rest.

    Parameters
    ----------
    frame : DataFrame
        The rows, in the order to show them.
    columns : mapping of str to str
        Columns to show, and their headings.
    formats : mapping of str to callable, optional
        Writes a column's values.
    caption : str
        What it shows and how it is sorted.
    most : int
        Rows to show.
    file, file_text : str
        Where all rows lie, relative to the page, and what to call that.
    marked : str
        A column that tells which rows are to stand out.
    otherwise : str
        What to say where there is no row; the caption is of rows, and not shown then.

    Raises
    ------
    InputError
        If there are more than eight columns.
    """
    if len(columns) > 8:
        raise InputError(f"a table has {len(columns)} columns, at most 8 can be read")
    if not len(frame):
        return absent(otherwise or "Nothing to list.")
    from pandas.api.types import is_numeric_dtype

    formats = formats or {}
    # What a shop does not record is said elsewhere: a column of dashes takes room and says nothing.
    columns = {c: title for c, title in columns.items() if frame[c].notna().any()}
    right = {c: is_numeric_dtype(frame[c]) or c in formats for c in columns}
    head = "".join(
        f'<th class="{"number" if right[c] else "text"}" scope="col">{escape(title)}</th>'
        for c, title in columns.items()
    )
    body = []
    for row in frame.head(most).to_dict("records"):
        cells = "".join(
            _cell(formats[c](row[c]) if c in formats else _plain(row[c]), right[c]) for c in columns
        )
        body.append(f"<tr{' class=marked' if marked and row[marked] else ''}>{cells}</tr>")
    more = f"{most} of {len(frame):,} rows. " if len(frame) > most else ""
    rest = f'<a href="{escape(file)}">{escape(file_text)}</a>' if file else ""
    foot = f'<p class="more">{more}{rest}</p>' if more or rest else ""
    title = f"<caption>{escape(caption)}</caption>" if caption else ""
    rows = f"<thead><tr>{head}</tr></thead><tbody>{''.join(body)}</tbody>"
    return scrolling(f"<table>{title}{rows}</table>", caption) + Html(foot)


def scrolling(table_html: str, label: str) -> Html:
    """Return a table in a frame that scrolls sideways where the screen is narrow, by keys as well.

    Parameters
    ----------
    table_html : str
        The table, as HTML.
    label : str
        What a screen reader calls the frame.
    """
    named = f'role="region" aria-label="{escape(label or "Table")}"'
    return Html(f'<div class="scroll" tabindex="0" {named}>{table_html}</div>')


def _cell(text: str | Html, right: bool) -> str:
    if isinstance(text, Html):
        return f'<td class="{"number" if right else "text"}">{text.text}</td>'
    # A code, a name of two words or a figure with its interval reads badly on two lines.
    short = " short" if len(text) <= 18 else ""
    return f'<td class="{"number" if right else "text"}{short}">{escape(text)}</td>'


def _change(tile: Tile, then: float | None) -> str:
    if then is None or tile.value is None:
        return ""
    difference = tile.value - then
    if tile.change == "difference":
        words = number(difference, decimals=0)
    elif tile.change == "points":
        difference = round(100 * difference, 1)
        words = number(difference, decimals=1, unit="points")
    elif then == 0:
        return ""
    else:
        difference = round(difference / abs(then), 2)
        words = percent(difference, decimals=0)
    return "unchanged" if difference == 0 else ("+" if difference > 0 else "") + words


def _with_range(text: str) -> str:
    figure, bracket, interval = text.partition(" [")
    small = f' <span class="range">[{escape(interval)}</span>' if bracket else ""
    return escape(figure) + small


def _plain(value: Any) -> str | Html:
    if isinstance(value, Html):
        return value
    if value is None or value != value:
        return "–"
    return f"{value:,}" if isinstance(value, int) else str(value)


def picture(drawn: Any, alt: str) -> Html:
    """Return a figure as an image inside the HTML, and close it."""
    from matplotlib import pyplot

    figure = drawn.figure
    data = base64.b64encode(png(figure)).decode("ascii")
    width = round(figure.get_figwidth() * 96)
    pyplot.close(figure)
    text = escape(" ".join(alt.split()))
    return Html(f'<img src="data:image/png;base64,{data}" alt="{text}" width="{width}">')


def present(
    result: Result | None, alt: str = "", *, otherwise: str = "", drawn: str = "plot"
) -> None:
    """Show a result in a notebook: its sentences, then its figure; or a sentence why there is none.

    Parameters
    ----------
    result : Result or None
        What to show.
    alt : str
        What the figure shows; the result's own sentences by default.
    otherwise : str
        What to say where there is no result.
    drawn : str
        The method that draws it.
    """
    from IPython.display import display

    if result is None:
        display(absent(otherwise or "Nothing to show here this week."))  # type: ignore[no-untyped-call]
        return
    display(say(result.summary()))  # type: ignore[no-untyped-call]
    try:
        axes = getattr(result, drawn)()
    except InputError as error:
        display(say(f"No figure: {error}"))  # type: ignore[no-untyped-call]
        return
    show(axes, alt=alt or result.summary())
