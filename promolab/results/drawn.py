"""A figure of a result, as its words say: which drawing, of which columns, and what it shows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from promolab.display import ends_beside
from promolab.errors import InputError
from promolab.glossary import named
from promolab.language import ENGLISH, language
from promolab.results.facts import Facts

if TYPE_CHECKING:
    import pandas as pd

TEXTS = ("title", "subtitle", "xlabel", "ylabel", "legend_title")
LOOKS = ("percent", "log", "xlim", "ylim", "legend")
"""Of the whole figure: lines, and options of `promolab.plots.finish`."""
LIMITS = ("xlim", "ylim")
FIGURE = {*TEXTS, *LOOKS, "otherwise", "alt", "layers"}
LAYER = {"draw", "rows", "by", "of", "down", "across"}
"""What is said of a layer and is no argument of the drawing."""
PER_ROW = ("labels", "text")


def draw(words: Mapping[str, Any], facts: Facts, ax: Any, frame: Callable[[], pd.DataFrame]) -> Any:
    """Draw each layer on one Axes, and say what they show.

    Parameters
    ----------
    words : mapping
        ``draw``, a function of `promolab.plots`, and its arguments (or several such ``layers``):
        columns of the ``rows``, facts, or values; `TEXTS` and `LOOKS`; ``otherwise``, said where
        there is nothing to draw.
    facts : Facts
    ax : Axes or None
    frame : callable
        Makes the rows where the words name none.

    Raises
    ------
    InputError
        There are no rows.
    """
    from promolab import plots

    layers = words.get("layers", [{k: v for k, v in words.items() if k not in FIGURE}])
    found = [(layer, _rows(layer, facts, frame)) for layer in layers if _counts(layer, facts)]
    if not any(rows is not None and len(rows) for _, rows in found):
        why = facts.line(words["otherwise"]) if "otherwise" in words else facts.summary()
        raise InputError(f"there is nothing to draw: {why}")
    looks: dict[str, Any] = {k: words[k] for k in LOOKS if k in words}
    looks |= {k: facts[v] for k, v in looks.items() if k in LIMITS and isinstance(v, str)}
    told: dict[str, Any] = {k: facts.line(words[k]) for k in TEXTS if k in words}
    if ax is None and looks.get("legend") == "beside":
        with plots.style():
            ax = plots.new_axes(width=8.4, height=4.8)
    for layer, rows in found:
        ax = _layer(layer, facts, rows, ax)
    return plots.finish(ax, **{"title": "", **told, **looks})


def _counts(layer: Mapping[str, Any], facts: Facts) -> bool:
    return "of" not in layer or bool(facts.at(layer["of"]))


def _rows(
    layer: Mapping[str, Any], facts: Facts, frame: Callable[[], pd.DataFrame]
) -> pd.DataFrame | None:
    if layer["draw"] == "reference_line":
        return None
    rows: pd.DataFrame = facts[layer["rows"]] if "rows" in layer else frame()
    return rows


def _layer(layer: Mapping[str, Any], facts: Facts, rows: pd.DataFrame | None, ax: Any) -> Any:
    from promolab import plots

    drawing = getattr(plots, layer["draw"])
    if rows is None:
        return drawing(ax=ax, **_arguments(layer, facts, None))
    if not len(rows):
        return ax
    if "down" in layer:
        return drawing(**_grid(layer, facts, rows), **_arguments(layer, facts, None), ax=ax)
    for place, part in enumerate(_groups(layer, rows)):
        given = _arguments(layer, facts, part)
        if "by" in layer:
            given = plots.look(place) | given
        ax = drawing(**given, ax=ax)
        if getattr(getattr(given.get("x"), "dtype", None), "kind", "") == "M":
            plots.date_axis(ax)
    return ax


def _groups(layer: Mapping[str, Any], rows: pd.DataFrame) -> Iterator[pd.DataFrame]:
    if "by" not in layer:
        yield rows
        return
    for _, part in rows.groupby(layer["by"], sort=False, observed=True):
        yield part


def _arguments(layer: Mapping[str, Any], facts: Facts, rows: pd.DataFrame | None) -> dict[str, Any]:
    """Return a drawing's arguments; the ends of intervals come along with their figures."""
    given: dict[str, Any] = {}
    for name, value in layer.items():
        if name in LAYER or ("down" in layer and name in ("values", "text")):
            continue
        if rows is not None and name in PER_ROW and not (isinstance(value, str) and value in rows):
            given[name] = [row.line(value) for row in facts.rows(rows)]
        elif rows is not None and name == "label" and "by" in layer:
            given[name] = next(facts.rows(rows.head(1))).line(value)
        elif rows is not None and name == "series":
            given[name] = [_ends(each, rows) for each in value]
        else:
            given[name] = _value(value, facts, rows)
    figure = layer.get("values", layer.get("y"))
    if (
        rows is not None
        and isinstance(figure, str)
        and "low" not in given
        and "series" not in given
    ):
        held = [str(column) for column in rows]
        ends = ends_beside(figure, held)
        if ends is not None:
            given["low"], given["high"] = (rows[end].to_numpy(dtype=float) for end in ends)
    return given


def _ends(column: str, rows: pd.DataFrame) -> np.ndarray:
    ends = ends_beside(column, [str(each) for each in rows]) or (column, column)
    return rows[[column, *ends]].to_numpy(dtype=float).T


def _value(value: Any, facts: Facts, rows: pd.DataFrame | None) -> Any:
    if isinstance(value, str) and rows is not None and value in rows:
        return _named(rows[value])
    if isinstance(value, str) and "{" not in value:
        given = facts.get(value, value)
        return {named(k): v for k, v in given.items()} if isinstance(given, dict) else given
    if isinstance(value, list):
        return [_value(each, facts, rows) for each in value]
    return facts.line(value) if isinstance(value, (str, Mapping)) else value


def _named(column: pd.Series[Any]) -> np.ndarray:
    """Return a column's values, names that promolab gave in the language that is spoken."""
    if column.dtype.kind != "O" or language() == ENGLISH:
        return column.to_numpy()
    told = [named(value) if isinstance(value, str) else value for value in column]
    return np.array(told, dtype=object)


def _grid(layer: Mapping[str, Any], facts: Facts, rows: pd.DataFrame) -> dict[str, Any]:
    """Return rows as a heat map has them: ``down`` and ``across`` name the columns of its sides."""
    down, across = (rows[layer[side]].astype(str) for side in ("down", "across"))
    # By what they are: two of a shop's own names may be called alike in another language.
    sides = list(dict.fromkeys(down)), list(dict.fromkeys(across))
    where = [sides[0].index(one) for one in down], [sides[1].index(one) for one in across]
    values = np.full((len(sides[0]), len(sides[1])), np.nan)
    values[where[0], where[1]] = rows[layer["values"]].to_numpy(dtype=float)
    made: dict[str, Any] = {"values": values}
    for name, side in zip(("row_labels", "column_labels"), sides, strict=True):
        made[name] = [named(one) for one in side]
    if "text" in layer:
        told = np.full(values.shape, "", dtype=object)
        told[where[0], where[1]] = [row.line(layer["text"]) for row in facts.rows(rows)]
        made["text"] = told
    return made
