"""What every result can do: become a frame, a dict, sentences, a table, a figure and a file."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import math
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeVar

from promolab.display import Html, join, say, table
from promolab.errors import InputError
from promolab.language import recorded, shown_language, speaking
from promolab.results.estimate import Estimate, plain
from promolab.results.facts import Facts, words_for
from promolab.results.values import read_values, write_values

if TYPE_CHECKING:
    import pandas as pd

T = TypeVar("T")


@functools.cache
def words_of_class(cls: type) -> dict[str, Any]:
    """Return the words of a class of results: those of its bases, and its own over them."""
    names = [each.__name__ for each in reversed(cls.__mro__) if issubclass(each, Result)]
    return words_for(cls.__module__, *names)


class Result:
    """Mixin of the frozen results: compute once, then look at it in any form.

    A result is a frozen dataclass that inherits from this. What it says, its table and its figure
    stand under its name in ``words.toml`` beside its module (docs/results.md): facts are its fields
    and properties, and what `facts` returns. It has its own `to_frame` where it is more than one
    row of figures.

    Examples
    --------
    >>> import tempfile
    >>> from dataclasses import dataclass
    >>> @dataclass(frozen=True)
    ... class Answered(Result):
    ...     rate: Estimate
    ...     promotion: str
    >>> found = Answered(Estimate(0.2, 0.1, 0.3, 90), "August")
    >>> found.to_dict()["rate"]["ci_low"], found.to_frame().columns.tolist()
    (0.1, ['rate', 'rate_ci_low', 'rate_ci_high', 'rate_n', 'promotion'])
    >>> Answered.from_row(found.to_row()) == found == Answered.from_dict(found.to_dict())
    True
    >>> Answered.load(found.save(Path(tempfile.mkdtemp()) / "answered.zip")) == found
    True
    """

    ALT: ClassVar[str] = ""
    """What `plot` draws, in a sentence; the summary by default."""

    def facts(self) -> Mapping[str, Any]:
        """Return what the words name beside fields and properties: codes, figures and frames.

        What is dear to compute may be a function: it is called where a line needs it. Conditions
        are worked out here, once: a line's cases go by codes (``"noise"``), never by phrases.
        """
        return {}

    @property
    def _room_words(self) -> dict[str, Any]:
        kind: Any = type(self)
        return words_of_class(kind)

    @property
    def _facts(self) -> Facts:
        return Facts(self._room_words, self.facts(), self)

    def summary(self) -> str:
        """Return the result in one to three plain sentences."""
        return self._facts.summary()

    def say(self, line: str, **given: Any) -> str:
        """Return one line of the words, of the result's facts and of those given."""
        return Facts(self._room_words, {**self.facts(), **given}, self).say(line)

    def alt(self, drawing: str = "plot") -> str:
        """Return what a figure shows, for those who cannot see it."""
        words = self._room_words.get(drawing, {})
        return self._facts.line(words["alt"]) if "alt" in words else self.ALT or self.summary()

    def plot(self, ax: Any = None) -> Any:
        """Draw the result as its words say, and return the Axes.

        Raises
        ------
        InputError
            There is nothing to draw.
        """
        return self._as_words_say("plot", ax)

    def can_draw(self, drawing: str = "plot") -> bool:
        """Tell whether there is such a figure: a method of its own, or one that the words say."""
        own = getattr(type(self), drawing, None)
        return callable(own) and (own is not Result.plot or drawing in self._room_words)

    def has_table(self, name: str) -> bool:
        """Tell whether the words have a table of that name."""
        return name.startswith("table") and name in self._room_words

    def _as_words_say(self, drawing: str, ax: Any = None, **given: Any) -> Any:
        from promolab.results.drawn import draw

        if drawing not in self._room_words:
            raise InputError(f"a {type(self).__name__} has no figure; see its summary and table")
        facts = Facts(self._room_words, {**self.facts(), **given}, self)
        return draw(self._room_words[drawing], facts, ax, self.to_frame)

    def to_frame(self) -> pd.DataFrame:
        """Return the result as a table: its ``frame`` where it has one, or a row of its figures."""
        import pandas as pd

        rows = getattr(self, "frame", None)
        return rows if isinstance(rows, pd.DataFrame) else pd.DataFrame([self.to_row()])

    def to_dict(self) -> dict[str, Any]:
        """Return what its words keep, else scalar fields and estimates, as JSON can hold them.

        Sentences among it are English, whatever language is spoken, but where a week's folder
        records them in the language of its report.
        """
        with speaking(recorded()):
            return self._put_down()

    def _put_down(self) -> dict[str, Any]:
        keep = self._room_words.get("keep")
        if keep is not None:
            facts = self._facts
            pairs = [(name, source) for name, _, source in (each.partition(" = ") for each in keep)]
            return {name: _kept(facts[source or name]) for name, source in pairs}
        scalar = (bool, int, float, str, Estimate, type(None))
        return {
            name: plain(value)
            for name, value in _fields(self).items()
            if isinstance(value, scalar) or (hasattr(value, "ndim") and value.ndim == 0)
        }

    @classmethod
    def from_dict(cls, told: Mapping[str, Any]) -> Self:
        """Make it from what `to_dict` gave, as ``metrics.json`` holds it.

        What JSON cannot hold became None: a missing figure is nan again. Fields that ``told`` lacks
        have their defaults.
        """
        return _made(cls, {f.name: told[f.name] for f in _declared(cls) if f.name in told})

    def to_row(self) -> dict[str, Any]:
        """Return the fields side by side: parts of an estimate are columns of their own.

        The value has the field's name, the other parts follow it: ``rate, rate_ci_low, …``.
        """
        row: dict[str, Any] = {}
        for name, value in _fields(self).items():
            parts = _fields(value) if dataclasses.is_dataclass(value) else {"": value}
            row |= {_column(name, part): found for part, found in parts.items()}
        return row

    @classmethod
    def row_columns(cls) -> list[str]:
        """Return the columns of `to_row`, for a table without a row."""
        inner = {f.name: _class_of(cls, f) for f in _declared(cls)}
        parts = {n: [f.name for f in _declared(c)] if c else [""] for n, c in inner.items()}
        return [_column(name, part) for name, found in parts.items() for part in found]

    @classmethod
    def from_row(cls, row: Mapping[Any, Any]) -> Self:
        """Make it from what `to_row` gave, such as a row of a table that was read back."""
        told: dict[str, Any] = {}
        for field in _declared(cls):
            inner = _class_of(cls, field)
            if inner is None:
                told[field.name] = row[field.name]
            else:
                parts = [f.name for f in _declared(inner)]
                told[field.name] = {p: row[_column(field.name, p)] for p in parts}
        return _made(cls, told)

    def save(self, path: str | Path) -> Path:
        """Write the result to one file, equal bytes for equal results; `load` reads it back.

        The file holds JSON and, for each frame, parquet. Nothing in it is ever run.

        Raises
        ------
        InputError
            A field holds what is no figure, text, time, frame, array or result, such as a model.
        """
        with contextlib.suppress(OSError):  # what cannot be written is refused right below
            Path(path).parent.mkdir(parents=True, exist_ok=True)
        return write_values(self, path)

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read what `save` wrote.

        Raises
        ------
        InputError
            There is no such file, or it holds something else.
        """
        found = read_values(path)
        if not isinstance(found, cls):
            raise InputError(
                f"{path} holds a {type(found).__name__}; read it with {type(found).__name__}.load"
            )
        return found

    def to_table(self, which: str = "table") -> Html:
        """Return the rows as a page shows them: as the words say, else by the glossary.

        Parameters
        ----------
        which : str
            The words' name of the table, where there are several for different places.
        """
        own = getattr(self, which, None)
        if callable(own):
            made: Html = own()
            return made
        words = self._room_words.get(which)
        if words is None:
            return table(self.to_frame())
        from promolab.results.tables import worded_table

        facts = self._facts
        several = words if isinstance(words, list) else [words]
        return join([worded_table(each, facts, self.to_frame) for each in several])

    def _repr_html_(self) -> str:
        with speaking(shown_language()):
            return self._html()

    def _html(self) -> str:
        return join([say(self.summary()), self.to_table()])._repr_html_()

    def at_the_top(self) -> str:
        """Return the one line of it that stands at the top of a page."""
        return self.say("finding")


def drawn_by(drawing: str, said: str) -> Callable[..., Any]:
    """Return a method that draws another figure of a result, as its words say under that name.

    Parameters
    ----------
    drawing : str
        The method's own name: ``plot_ratio = drawn_by("plot_ratio", "Draw …")``.
    said : str
        Its docstring.
    """

    def method(self: Result, ax: Any = None) -> Any:
        return self._as_words_say(drawing, ax)

    method.__name__, method.__doc__ = drawing, said
    return method


def _kept(value: Any) -> Any:
    made = getattr(value, "to_dict", None)  # a frame has one, too
    return plain(value) if made is None or hasattr(value, "columns") else made()


def _fields(result: Any) -> dict[str, Any]:
    return {f.name: getattr(result, f.name) for f in dataclasses.fields(result)}


def _declared(cls: Any) -> list[dataclasses.Field[Any]]:
    return [f for f in dataclasses.fields(cls) if f.init]


def _column(name: str, part: str) -> str:
    return name if part in ("", "value") else f"{name}_{part}"


def _class_of(cls: type, field: dataclasses.Field[Any]) -> type | None:
    """Return the dataclass that a field holds, None where it holds something else."""
    found: Any = field.type  # a text, where annotations are not worked out
    if isinstance(found, str):
        found = getattr(sys.modules[cls.__module__], found, None)
    return found if isinstance(found, type) and dataclasses.is_dataclass(found) else None


def _made(cls: type[T], told: Mapping[str, Any]) -> T:
    """Make a dataclass of plain values, by what its fields are declared to be."""
    kinds, values = {f.name: f for f in _declared(cls)}, {}
    for name, value in told.items():
        inner, said = _class_of(cls, kinds[name]), str(kinds[name].type)
        if inner is not None and isinstance(value, Mapping):
            value = _made(inner, value)
        elif value is None and "None" not in said:
            value = math.nan if said == "float" else value
        elif isinstance(value, list) and said.startswith("tuple"):
            value = tuple(math.nan if v is None and "float" in said else v for v in value)
        values[name] = value
    return cls(**values)
