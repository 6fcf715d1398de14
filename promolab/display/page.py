"""Blocks of a page: tiles, tables, pictures and sentences; values from the data are escaped."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from html import escape
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

from promolab.display.figures import png, show
from promolab.errors import InputError
from promolab.glossary import GLOSSARY, describe, label, meaning, named
from promolab.language import ENGLISH, _, language, own_name, shown_language, speaking
from promolab.wording import count, number, percent

if TYPE_CHECKING:
    import pandas as pd


_STYLE = (Path(__file__).parent / "notebook.css").read_text("utf-8")
NOTEBOOK_STYLE = f"<style>{' '.join(_STYLE.split())}</style>"
"""What a piece of a page looks like in a notebook, in its theme; a page has its own style."""


@dataclass(frozen=True)
class Html:
    """A piece of HTML that a notebook shows as it is."""

    text: str

    def _repr_html_(self) -> str:
        return (NOTEBOOK_STYLE if "class=" in self.text else "") + self.text

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
    return Html(f"<{kind}{name}>{escape(named(text))}</{kind}>")


def absent(text: str) -> Html:
    """Return why there is nothing to show: a section of nothing else becomes a line of its page.

    Examples
    --------
    >>> absent("Nobody is ranked.").text
    '<p class="absent">Nobody is ranked.</p>'
    """
    return say(text, css="absent")


_MARKS = re.compile(r"[\\`*~<]|(?<!\w)_|_(?!\w)|\](?=\()")


def plain_markdown(text: str) -> str:
    """Return a text as Markdown that shows it as it is, whatever the data are called.

    Examples
    --------
    >>> plain_markdown("Tea *new*\\n# <b> [20, 30]")
    'Tea \\\\*new\\\\* # \\\\<b> [20, 30]'
    """
    return _MARKS.sub(r"\\\g<0>", " ".join(text.split()))


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
    return Html(f"<details><summary>{escape(named(title))}</summary>{body.text}</details>")


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
        change = ""
        if words:
            told = _("{change} against the week before", change=words)
            change = f'<div class="change">{escape(told)}</div>'
        cells.append(
            f'<div class="tile"><div class="label">{escape(tile.label)}</div>'
            f'<div class="figure">{_with_range(tile.text)}</div>'
            f'<div class="note">{escape(tile.note)}</div>{change}</div>'
        )
    return Html(f'<div class="tiles">{"".join(cells)}</div>')


@dataclass(frozen=True)
class Ranged:
    """A column whose figures are written with their intervals, which stand in columns beside it.

    Parameters
    ----------
    write : callable
        Takes value, low and high, as `promolab.wording.number` and its kin do.
    low, high : str
        The columns of the ends; by default the column's own name with ``_low`` and ``_high``.

    Examples
    --------
    >>> import pandas as pd
    >>> from promolab.wording import percent
    >>> rates = pd.DataFrame({"rate": [0.2], "ci_low": [0.18], "ci_high": [0.22]})
    >>> Ranged(percent, "ci_low", "ci_high").cells(rates, "rate")
    ['20 % [18, 22]']
    """

    write: Callable[..., str]
    low: str = ""
    high: str = ""

    def cells(self, frame: pd.DataFrame, column: str) -> list[str]:
        """Return the column in words; a figure that is missing is a dash."""
        low, high = self.low or f"{column}_low", self.high or f"{column}_high"
        rows = zip(frame[column], frame[low], frame[high], strict=True)
        return ["–" if value != value else self.write(value, *ends) for value, *ends in rows]


def table(
    frame: pd.DataFrame,
    columns: Mapping[str, str] | Sequence[str] | None = None,
    formats: Mapping[str, Callable[[Any], str] | Ranged] | None = None,
    *,
    caption: str = "",
    most: int = 10,
    file: str = "",
    file_text: str = "",
    marked: str = "",
    otherwise: str = "",
    currency: str = "",
) -> Html:
    """Return a table: text on the left, figures on the right, ten rows and a link to the rest.

    Parameters
    ----------
    frame : DataFrame
        The rows, in the order to show them.
    columns : mapping of str to str, or sequence of str, optional
        Columns to show, and their headings; where only names are given, these come from the
        glossary. By default the first eight columns.
    formats : mapping of str to callable or Ranged, optional
        Writes a column's values; by default by its unit in the glossary, and a figure whose
        interval stands beside it (``rate_low``, ``rate_high`` or ``ci_low``, ``ci_high``) with it.
    caption : str
        What it shows and how it is sorted.
    most : int
        Rows to show.
    file, file_text : str
        Where all rows lie, relative to the page, and what to call that (all rows by default).
    marked : str
        A column that tells which rows are to stand out.
    otherwise : str
        What to say where there is no row; the caption is of rows, and not shown then.
    currency : str
        What amounts of money are in, for headings of the glossary.

    Raises
    ------
    InputError
        If there are more than eight columns.

    Examples
    --------
    >>> import pandas as pd
    >>> found = table(pd.DataFrame({"recency_days": [3], "discount_share": [0.25]})).text
    >>> "days since the last order</th>" in found, "25.0 %</td>" in found
    (True, True)
    """
    from pandas.api.types import is_numeric_dtype

    if not isinstance(columns, Mapping):
        columns = _headings(frame, columns, currency)
    if len(columns) > 8:
        raise InputError(f"a table has {len(columns)} columns, at most 8 can be read")
    if not len(frame):
        return absent(otherwise or _("Nothing to show."))
    formats = _usual_formats(frame, columns) | dict(formats or {})
    # What a shop does not record is said elsewhere: a column of dashes takes room and says nothing.
    columns = {c: title for c, title in columns.items() if frame[c].notna().any()}
    top = frame.head(most)
    right, cells = {}, []
    for c in columns:
        right[c] = is_numeric_dtype(frame[c]) or c in formats
        write = formats.get(c, _plain)
        texts = write.cells(top, c) if isinstance(write, Ranged) else map(write, _values(top[c]))
        pairs = zip(texts, _sorted_by(top[c]), strict=True)
        cells.append([_cell(text, right[c], by) for text, by in pairs])
    head = "".join(
        f'<th class="{"number" if right[c] else "text"}" scope="col"{_meaning(c)}>'
        f"{escape(named(_(title)))}</th>"
        for c, title in columns.items()
    )
    marks = top[marked] if marked else [False] * len(top)
    body = "".join(
        f"<tr{' class=marked' if mark else ''}>{''.join(row)}</tr>"
        for mark, row in zip(marks, zip(*cells, strict=True), strict=True)
    )
    below = []
    if len(frame) > most:
        below.append(_("{shown} of {n} rows", shown=most, n=count(len(frame))))
    if file:
        text = _(file_text) if file_text else _("All rows as a file")
        below.append(f'<a href="{escape(file)}">{escape(text)}</a>')
    foot = f'<p class="more">{" · ".join(below)}</p>' if below else ""
    title = f"<caption>{escape(_(caption))}</caption>" if caption else ""
    rows = f"<table>{title}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    # It scrolls sideways where the screen is narrow, by keys as well.
    region = f'role="region" aria-label="{escape(_(caption) if caption else _("Table"))}"'
    return Html(f'<div class="scroll" tabindex="0" {region}>{rows}</div>{foot}')


def _cell(text: str | Html, right: bool, by: str = "") -> str:
    kind = "number" if right else "text"
    if isinstance(text, Html):
        return f'<td class="{kind}"{by}>{text.text}</td>'
    # A code, a name of two words or a figure with its interval reads badly on two lines.
    short = " short" if len(text) <= 18 or (len(text) <= 30 and text.endswith("]")) else ""
    return f'<td class="{kind}{short}"{by}>{escape(text)}</td>'


def _sorted_by(column: pd.Series[Any]) -> list[str]:
    """Return the attribute by which a page's script sorts each cell: figures, and times."""
    from pandas.api.types import is_bool_dtype, is_datetime64_any_dtype, is_numeric_dtype

    kind = column.dtype
    if str(column.name).endswith("_id") or is_bool_dtype(kind):  # a customer's is nobody's business
        return [""] * len(column)
    if is_datetime64_any_dtype(kind):
        return [f' data-sort="{x.timestamp():.0f}"' if x == x else "" for x in column]
    if not is_numeric_dtype(kind):
        return [""] * len(column)
    return [f' data-sort="{x:.9g}"' if isfinite(x) else "" for x in column.astype(float)]


def _meaning(column: str) -> str:
    """Return the attribute that explains a heading, where its column is in the glossary."""
    said = meaning(column)
    return f' title="{escape(said)}"' if said else ""


def _values(column: pd.Series[Any]) -> list[Any]:
    """Return the values as records hold them: numbers of Python, times of pandas."""
    return [row["v"] for row in column.to_frame("v").to_dict("records")]


def _plain(value: Any) -> str | Html:
    if isinstance(value, Html):
        return value
    if value is None or value != value:
        return "–"
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    return f"{value:,}" if isinstance(value, int) else named(str(value))


def _headings(frame: pd.DataFrame, names: Sequence[str] | None, currency: str) -> dict[str, str]:
    """Return headings from the glossary; of all columns those that are no ends of intervals."""
    held = [str(column) for column in frame]
    ends = {end for c in held for end in ends_beside(c, held) or ()}
    own = [c for c in held if c not in ends][:8] if names is None else names
    return {c: heading(c, currency) for c in own}


def heading(name: str, currency: str = "") -> str:
    """Return what the glossary calls a column, an amount of money with its currency."""
    term = GLOSSARY.get(name)
    in_money = currency and term is not None and term.unit.startswith("money")
    return f"{label(name)}, {currency}" if in_money else label(name)


def _usual_formats(frame: pd.DataFrame, names: Iterable[str]) -> dict[str, Any]:
    """Return what writes figures, by their units in the glossary and with their intervals."""
    held = [str(column) for column in frame]
    formats: dict[str, Any] = {}
    for c in names:
        term = GLOSSARY.get(c)
        write = _writer(frame[c], term.unit if term else "", term.decimals if term else None)
        ends = ends_beside(c, held)
        if write is not None and write is not count and ends is not None:
            formats[c] = Ranged(write, *ends)
        elif write is not None:
            formats[c] = lambda x, write=write: "–" if x != x else write(x)
    return formats


def ends_beside(column: str, held: list[str]) -> tuple[str, str] | None:
    """Return the columns of a figure's interval: by its own name, or right behind it.

    Parameters
    ----------
    column : str
    held : list of str
        All columns, in order.

    Examples
    --------
    >>> ends_beside("rate", ["rate", "rate_low", "rate_high"])
    ('rate_low', 'rate_high')
    """
    for stem in (f"{column}_", f"{column}_ci_"):
        if f"{stem}low" in held and f"{stem}high" in held:
            return f"{stem}low", f"{stem}high"
    behind = held[held.index(column) + 1 :][:2]
    return ("ci_low", "ci_high") if behind == ["ci_low", "ci_high"] else None


def _writer(column: pd.Series[Any], unit: str, decimals: int | None) -> Callable[..., str] | None:
    """Return what writes a column's figures, None where they are no figures."""
    from pandas.api.types import is_bool_dtype, is_integer_dtype, is_numeric_dtype

    if is_bool_dtype(column) or not is_numeric_dtype(column):
        return None
    if unit.startswith("share"):
        return partial(percent, decimals=decimals)
    return count if is_integer_dtype(column) else partial(number, decimals=decimals)


def _change(tile: Tile, then: float | None) -> str:
    if then is None or tile.value is None:
        return ""
    difference = tile.value - then
    if tile.change == "difference":
        words = number(difference, decimals=0)
    elif tile.change == "points":
        difference = round(100 * difference, 1)
        words = number(difference, decimals=1, unit=_("points"))
    elif then == 0:
        return ""
    else:
        difference = round(difference / abs(then), 2)
        words = percent(difference, decimals=0)
    return _("unchanged") if difference == 0 else ("+" if difference > 0 else "") + words


def _with_range(text: str) -> str:
    figure, bracket, interval = text.partition(" [")
    small = f' <span class="range">[{escape(interval)}</span>' if bracket else ""
    return escape(figure) + small


def tried(call: Callable[..., Any], *given: Any, **options: Any) -> Any:
    """Return what a call finds, or why it finds nothing, as a page says it.

    Too little history, or a method that has no such thing, is no error on a page. Where a piece of
    a page stands in for what the call needs, that piece is returned.

    Examples
    --------
    >>> from promolab.checks import whole_number
    >>> tried(whole_number, "folds", 1, 2)
    Html(text='<p class="absent">Not shown: folds = 1; expected a whole number from 2 on.</p>')
    """
    for one in (*given, *options.values()):
        if isinstance(one, Html):
            return one
    try:
        return call(*given, **options)
    except InputError as error:
        return absent(_("Not shown: {why}.", why=str(error).rstrip(".")))


def picture(drawn: Any, alt: str) -> Html:
    """Return a figure as an image inside the HTML, and close it."""
    from matplotlib import pyplot

    figure = drawn.figure
    data = base64.b64encode(png(figure)).decode("ascii")
    width, height = (round(inches * 96) for inches in figure.get_size_inches())
    pyplot.close(figure)
    size = f'alt="{escape(" ".join(alt.split()))}" width="{width}" height="{height}"'
    return Html(f'<img src="data:image/png;base64,{data}" {size}>')


def present(
    result: Any,
    alt: str = "",
    *,
    otherwise: str | Callable[[], str] = "",
    drawn: str | Sequence[str] = ("plot", "to_table"),
    said: bool = True,
    **shown: Any,
) -> None:
    """Show a result in a notebook as on a page: its sentences, then its figure or its table.

    Parameters
    ----------
    result : Result, or another thing that a page shows
        A result says its summary and is drawn; one that is false says why it is not there. Text, a
        piece of a page, a table of pandas, axes and a list of such things are shown as they are; of
        None it is said why there is nothing. A method is
        asked for such a thing.
    alt : str
        What the figure shows, for those who cannot see it; the result's own ``ALT`` or else its
        summary by default, and where the page is not English.
    otherwise : str, or a method that returns it
        What to say where there is no result, or nothing in it.
    drawn : str or sequence of str
        The method that draws it (``"plot"``, ``"plot_by_type"``) or makes its table
        (``"to_table"``): of several the first that the result has, none where it is empty.
    said : bool
        Whether its sentences stand with it. Of a second figure of the same result they stood with
        the first one, and so did why there is none.
    **shown
        How a table of pandas is shown, as `table` takes it: columns, caption, most.

    Examples
    --------
    >>> present(None, otherwise="Nobody is planned for a promotion.")
    Html(text='<p class="absent">Nobody is planned for a promotion.</p>')
    """
    with speaking(shown_language()):
        _present(result, alt, otherwise, drawn, said, shown)


def _present(
    result: Any,
    alt: str,
    otherwise: str | Callable[[], str],
    drawn: str | Sequence[str],
    said: bool,
    shown: Mapping[str, Any],
) -> None:
    from pandas import DataFrame

    result = result() if callable(result) else result
    if isinstance(result, (list, tuple)):
        pieces = [one for one in result if not isinstance(one, str) or one]
        for one in pieces or [None] * bool(otherwise):
            _present(one, alt, otherwise, drawn, said, shown)
    elif not said and (result is None or isinstance(result, Html)):
        return
    elif result is None or (
        otherwise and (result.empty if isinstance(result, DataFrame) else result == Html(""))
    ):
        why = otherwise() if callable(otherwise) else _(otherwise)
        _shown(absent(why or _("Nothing to show.")))
    elif isinstance(result, (str, Html)):
        if result not in ("", Html("")):
            # A piece that was made before, in English, is said again.
            _shown(say(result) if isinstance(result, str) else Html(own_name(result.text)))
    elif isinstance(result, DataFrame):
        terms = list(result) == ["word", "unit", "meaning"]  # asked again, in the page's language
        _shown(table(describe(result.index) if terms else result, **shown))
    elif hasattr(type(result), "__bool__") and hasattr(result, "summary") and not result:
        _shown(absent(result.summary()))
    elif hasattr(result, "summary"):
        if said:
            _shown(join([say(line) for line in result.summary().splitlines()]))
        names = [drawn] if isinstance(drawn, str) else drawn
        name = next((name for name in names if _has(result, name)), None)
        if name is not None:
            own = getattr(result, "alt", None)
            if not alt or (own and language() != ENGLISH):  # a notebook describes it in English
                alt = own(name) if own else result.summary()
            _draw(getattr(result, name, None) or partial(result.to_table, name), alt, said)
    else:
        show(result, alt=alt)


def _has(result: Any, name: str) -> bool:
    """Tell whether a result has a figure or a table of that name; of some their words know."""
    known = getattr(result, "can_draw", None)
    return hasattr(result, name) if known is None else known(name) or result.has_table(name)


def _draw(method: Callable[[], Any], alt: str, said: bool) -> None:
    try:
        found = method()
    except InputError as error:
        if said:
            _shown(say(_("Not shown: {why}.", why=str(error).rstrip("."))))
        return
    if isinstance(found, (str, Html)):
        _shown(say(found) if isinstance(found, str) else found)
    else:
        show(found, alt=alt)


def _shown(piece: Html) -> None:
    from IPython.display import display

    display(piece)  # type: ignore[no-untyped-call]


_TAGS = re.compile(r"(<[^>]*>)")
_LEFT_ALONE = ("a", "abbr", "h1", "h2", "h3", "h4", "pre", "style", "summary", "svg")


def explained(html: Html, words: Iterable[str]) -> Html:
    """Return a piece of a page in which each word is explained where it first stands.

    Parameters
    ----------
    html : Html
        The piece.
    words : iterable of str
        Names of `promolab.glossary.GLOSSARY`.

    Examples
    --------
    >>> found = explained(Html("<p>held out, a holdout of 9</p>"), ["holdout"]).text
    >>> found.startswith('<p>held out, a <abbr tabindex="0" title="Customers left out on purpose')
    True
    >>> found.endswith(">holdout</abbr> of 9</p>")
    True
    """
    english = language() == ENGLISH
    left = {(name if english else label(name)).lower(): meaning(name) for name in words}
    if not left:
        return html
    longest = sorted(left, key=len, reverse=True)
    # Chinese has no blanks between words, and so no ends of words to look for.
    end = r"\b" if english else ""
    pattern = re.compile(f"{end}({'|'.join(map(re.escape, longest))}){end}", re.IGNORECASE)

    def marked(match: re.Match[str]) -> str:
        said = left.pop(match[0].lower(), None)
        if said is None:
            return match[0]
        return f'<abbr tabindex="0" title="{escape(said)}">{match[0]}</abbr>'

    pieces, inside = [], 0
    for piece in _TAGS.split(html.text):
        name = re.match(r"</?(\w+)", piece)
        if name and name[1] in _LEFT_ALONE:
            inside += -1 if piece.startswith("</") else 1
        pieces.append(piece if name or inside else pattern.sub(marked, piece))
    return Html("".join(pieces))
