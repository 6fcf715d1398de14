"""What every result can do: become a frame, a dict, sentences, a table, a figure and a file."""

from __future__ import annotations

import dataclasses
import importlib
import io
import json
import math
import sys
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeVar

from promolab.display import Html, join, say, table
from promolab.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

T = TypeVar("T")


def plain(value: Any) -> Any:
    """Return ``value`` made of plain Python types that JSON can hold; nan and infinity become None.

    Examples
    --------
    >>> import numpy as np
    >>> plain({"n": np.int64(3), "x": float("nan"), "when": [np.float64(0.5)]})
    {'n': 3, 'x': None, 'when': [0.5]}
    """
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    if isinstance(value, Estimate):
        return value.to_dict()
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, (bool, int, str)):
        return value
    return str(value)


@dataclasses.dataclass(frozen=True)
class Estimate:
    """A figure with its interval and the number of rows behind it.

    Parameters
    ----------
    value, ci_low, ci_high : float
        The figure and the ends of its confidence interval, in the figure's own unit; nan where they
        are not known.
    n : int
        Rows behind it.

    Examples
    --------
    >>> Estimate(0.212, 0.18, 0.243, 900).to_dict()
    {'value': 0.212, 'ci_low': 0.18, 'ci_high': 0.243, 'n': 900}
    >>> Estimate(0.212, 0.18, 0.243, 900) * 100
    Estimate(value=21.2, ci_low=18.0, ci_high=24.3, n=900)
    """

    value: float
    ci_low: float = math.nan
    ci_high: float = math.nan
    n: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Return the four fields as plain Python values."""
        return {name: plain(value) for name, value in _fields(self).items()}

    @classmethod
    def of(cls, ends: Iterable[float], n: int = 0) -> Estimate:
        """Make it of value, low and high, as `ends` gives them."""
        value, low, high = map(float, ends)
        return cls(value, low, high, n)

    @property
    def ends(self) -> tuple[float, float, float]:
        """Value, low and high, as the functions of `promolab.wording` take them."""
        return self.value, self.ci_low, self.ci_high

    def __mul__(self, factor: float) -> Estimate:
        low, high = sorted((self.ci_low * factor, self.ci_high * factor))
        return Estimate(self.value * factor, low, high, self.n)


class Result:
    """Mixin of the frozen results: compute once, then look at it in any form.

    A result is a frozen dataclass that inherits from this and defines `summary`. It has its own
    `to_frame` where it is more than one row of figures, its own ``table`` where headings, order or
    figures need more than the glossary knows, and ``plot(ax=None) -> Axes`` where there is a figure
    (with ``ALT``, what the figure shows, for those who cannot see it).

    Examples
    --------
    >>> import tempfile
    >>> from dataclasses import dataclass
    >>> @dataclass(frozen=True)
    ... class Answered(Result):
    ...     rate: Estimate
    ...     promotion: str
    ...     def summary(self):
    ...         return "Some did."
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

    def summary(self) -> str:
        """Return the result in one to three plain sentences."""
        raise NotImplementedError

    def to_frame(self) -> pd.DataFrame:
        """Return the result as a table: its ``frame`` where it has one, or a row of its figures."""
        import pandas as pd

        rows = getattr(self, "frame", None)
        return rows if isinstance(rows, pd.DataFrame) else pd.DataFrame([self.to_row()])

    def to_dict(self) -> dict[str, Any]:
        """Return the scalar fields and estimates as plain values, ready for JSON."""
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

        The file is a zip of JSON and, for each frame, parquet. Nothing in it is ever run.

        Raises
        ------
        InputError
            A field holds what is no figure, text, time, frame, array or result, such as a model.
        """
        return _save(self, Path(path))

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read what `save` wrote.

        Raises
        ------
        InputError
            There is no such file, or it holds something else.
        """
        found = _load(Path(path))
        if not isinstance(found, cls):
            raise InputError(
                f"{path} holds a {type(found).__name__}; read it with {type(found).__name__}.load"
            )
        return found

    def to_table(self) -> Html:
        """Return the rows as a page shows them: by ``table``, where a result has its own, else with
        headings, units and formats of the glossary.
        """
        own = getattr(self, "table", None)
        return own() if callable(own) else table(self.to_frame())

    def _repr_html_(self) -> str:
        return join([say(self.summary()), self.to_table()])._repr_html_()


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


_CONTENT = "result.json"
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the same in every file, or equal results would differ


def _save(result: Any, path: Path) -> Path:
    files: dict[str, bytes] = {}
    told = _written(result, type(result).__name__, files)
    files[_CONTENT] = json.dumps(told, ensure_ascii=False, allow_nan=False).encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    with zipfile.ZipFile(part, "w") as archive:
        for name in sorted(files):
            archive.writestr(zipfile.ZipInfo(name, _EPOCH), files[name])
    part.replace(path)
    return path


def _load(path: Path) -> Any:
    if not path.is_file():
        raise InputError(f"there is no file {path}; give the path that .save(path) wrote")
    try:
        with zipfile.ZipFile(path) as archive:
            return _read(json.loads(archive.read(_CONTENT)), archive)
    except InputError:
        raise
    except Exception as error:  # whatever zip, JSON or frames stumble over
        raise InputError(
            f"{path} is no saved result ({error}); make it again, or use the original file"
        ) from error


def _written(value: Any, place: str, files: dict[str, bytes]) -> Any:
    """Return a value as JSON can hold it; frames and arrays go to files of their own."""
    import numpy as np
    import pandas as pd

    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):  # JSON has no nan and no infinity
        return float(value) if math.isfinite(value) else {"float": repr(float(value))}
    if isinstance(value, np.generic) and value.dtype.kind in "biuf":
        return _written(value.item(), place, files)
    if isinstance(value, timedelta):
        return {"timedelta": pd.Timedelta(value).isoformat()}
    if isinstance(value, date):  # a moment is one, too; so is one that is missing
        kind = type(value).__name__ if isinstance(value, (datetime, pd.Timestamp)) else "date"
        return {"NaTType": ""} if value is pd.NaT else {kind: value.isoformat()}
    if isinstance(value, (tuple, list)):
        told = [_written(one, f"{place}[{i}]", files) for i, one in enumerate(value)]
        return {"tuple": told} if isinstance(value, tuple) else told
    if isinstance(value, frozenset):  # in one order, or equal results would differ
        return {"frozenset": _written(sorted(value, key=str), place, files)}
    if isinstance(value, Mapping):
        pairs = [[_written(x, f"{place}[{k!r}]", files) for x in (k, v)] for k, v in value.items()]
        return {"dict": pairs}
    if isinstance(value, pd.Series):
        return {"series": _written(value.to_frame("values"), place, files), "name": value.name}
    if isinstance(value, pd.DataFrame):
        files[f"{len(files)}.parquet"] = value.to_parquet()
        return {"frame": f"{len(files) - 1}.parquet"}
    if isinstance(value, np.ndarray):
        if value.dtype.kind == "O":
            return {"objects": [_written(v, place, files) for v in value.ravel()], **_shape(value)}
        buffer = io.BytesIO()
        np.save(buffer, value, allow_pickle=False)
        files[f"{len(files)}.npy"] = buffer.getvalue()
        return {"array": f"{len(files) - 1}.npy"}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        names = [f.name for f in _declared(type(value))]
        parts = {n: _written(getattr(value, n), f"{place}.{n}", files) for n in names}
        return {"is": f"{type(value).__module__}.{type(value).__qualname__}", "fields": parts}
    raise InputError(
        f"{place} is a {type(value).__name__}; a saved result holds figures, texts, times, frames "
        "and results: save the other by itself"
    )


def _shape(value: Any) -> dict[str, Any]:
    return {"shape": list(value.shape)}


def _read(told: Any, archive: zipfile.ZipFile) -> Any:
    """Return what `_written` told; nothing but values and frozen dataclasses is ever made."""
    import numpy as np
    import pandas as pd

    if isinstance(told, list):
        return [_read(one, archive) for one in told]
    if not isinstance(told, dict):
        return told
    kind, content = next(iter(told.items()))
    if kind == "is":
        made = _dataclass_called(content)
        return made(**{n: _read(value, archive) for n, value in told["fields"].items()})
    if kind == "tuple":
        return tuple(_read(one, archive) for one in content)
    if kind == "frozenset":
        return frozenset(_read(content, archive))
    if kind == "dict":
        return {_read(key, archive): _read(value, archive) for key, value in content}
    if kind == "frame":
        return pd.read_parquet(io.BytesIO(archive.read(content)))
    if kind == "series":
        return _read(content, archive)["values"].rename(told["name"])
    if kind == "array":
        return np.load(io.BytesIO(archive.read(content)), allow_pickle=False)
    if kind == "objects":
        values = np.empty(len(content), dtype=object)
        values[:] = [_read(one, archive) for one in content]
        return values.reshape(told["shape"])
    simple: dict[str, Callable[[Any], Any]] = {
        "float": float,
        "timedelta": pd.Timedelta,
        "date": date.fromisoformat,
        "datetime": datetime.fromisoformat,
        "Timestamp": pd.Timestamp,
        "NaTType": lambda _: pd.NaT,
    }
    return simple[kind](content)


def _dataclass_called(name: str) -> type[Any]:
    """Return a frozen dataclass of promolab, or one that this session has defined as a result."""
    module, _, qualname = name.rpartition(".")
    found = next((c for c in _results() if f"{c.__module__}.{c.__qualname__}" == name), None)
    if found is None and module.split(".")[0] == "promolab":
        try:
            found = getattr(importlib.import_module(module), qualname, None)
        except ImportError:
            found = None
    frozen = getattr(getattr(found, "__dataclass_params__", None), "frozen", False)
    if not (isinstance(found, type) and frozen):
        raise InputError(f"there is no result {name}; another version of promolab wrote the file")
    return found


def _results(cls: type[Any] = Result) -> Iterator[type[Any]]:
    for inherits in cls.__subclasses__():
        yield inherits
        yield from _results(inherits)
