"""A result as JSON and arrays, and back: values and frozen dataclasses, never code."""

from __future__ import annotations

import dataclasses
import importlib
import io
import math
from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from promolab.errors import InputError
from promolab.results.container import AGAIN, BROKEN, read_file, write_file

FORMAT = "promolab.result/1"
BESIDE = ("fields", "name", "shape")  # what stands beside the key that says what a value is


def write_values(value: Any, path: str | Path, form: str = FORMAT, *, what: str = "result") -> Path:
    """Write figures, texts, times, frames, arrays and frozen dataclasses of them to one file.

    Parameters
    ----------
    value : object
        A result, or a mapping or list of such values.
    path : str or Path
        File to write; its folder must exist.
    form : str
        The format's name and version.
    what : {"model", "result"}
        What is saved.

    Raises
    ------
    InputError
        The value holds something else, or the file cannot be written.
    """
    arrays: dict[str, np.ndarray] = {}
    told = _written(value, type(value).__name__, arrays)
    return write_file(path, form, told, arrays, what=what)


def read_values(path: str | Path, form: str = FORMAT, *, what: str = "result") -> Any:
    """Read what `write_values` wrote in the format ``form``.

    Raises
    ------
    InputError
        There is no such file, or it is another, changed or cut short.
    """
    told, arrays = read_file(path, form, what=what)
    try:
        return _read(told, arrays)
    except InputError:
        raise
    except Exception as error:  # whatever values or frames stumble over
        raise InputError(
            f"{path} {BROKEN[what]} ({error}); {AGAIN[what]}, or use the original file"
        ) from error


def _written(value: Any, place: str, arrays: dict[str, np.ndarray]) -> Any:
    """Return a value as JSON can hold it; frames and arrays go to files of their own."""
    import pandas as pd

    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):  # JSON has no nan and no infinity
        return float(value) if math.isfinite(value) else {"float": repr(float(value))}
    if isinstance(value, np.generic) and value.dtype.kind in "biuf":
        return _written(value.item(), place, arrays)
    if isinstance(value, timedelta):
        return {"timedelta": pd.Timedelta(value).isoformat()}
    if isinstance(value, date):  # a moment is one, too; so is one that is missing
        kind = type(value).__name__ if isinstance(value, (datetime, pd.Timestamp)) else "date"
        return {"NaTType": ""} if value is pd.NaT else {kind: value.isoformat()}
    if isinstance(value, (tuple, list)):
        told = [_written(one, f"{place}[{i}]", arrays) for i, one in enumerate(value)]
        return {"tuple": told} if isinstance(value, tuple) else told
    if isinstance(value, frozenset):  # in one order, or equal results would differ
        return {"frozenset": _written(sorted(value, key=str), place, arrays)}
    if isinstance(value, Mapping):
        pairs = [[_written(x, f"{place}[{k!r}]", arrays) for x in (k, v)] for k, v in value.items()]
        return {"dict": pairs}
    if isinstance(value, pd.Series):
        return {"series": _written(value.to_frame("values"), place, arrays), "name": value.name}
    if isinstance(value, pd.DataFrame):
        return {"frame": _kept(value.to_parquet(), arrays)}
    if isinstance(value, np.ndarray):
        if value.dtype.kind == "O":
            return {"objects": [_written(v, place, arrays) for v in value.ravel()], **_shape(value)}
        buffer = io.BytesIO()
        np.save(buffer, value, allow_pickle=False)
        return {"array": _kept(buffer.getvalue(), arrays)}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        names = [f.name for f in dataclasses.fields(value) if f.init]
        parts = {n: _written(getattr(value, n), f"{place}.{n}", arrays) for n in names}
        return {"is": f"{type(value).__module__}.{type(value).__qualname__}", "fields": parts}
    raise InputError(
        f"{place} is a {type(value).__name__}; a saved result holds figures, texts, times, frames "
        "and results: save the other by itself"
    )


def _kept(content: bytes, arrays: dict[str, np.ndarray]) -> str:
    """Keep parquet or an array, of any type, as bytes; return its name."""
    name = str(len(arrays))
    arrays[name] = np.frombuffer(content, dtype=np.uint8)
    return name


def _shape(value: Any) -> dict[str, Any]:
    return {"shape": list(value.shape)}


def _read(told: Any, arrays: Mapping[str, np.ndarray]) -> Any:
    """Return what `_written` told; nothing but values and frozen dataclasses is ever made."""
    import pandas as pd

    if isinstance(told, list):
        return [_read(one, arrays) for one in told]
    if not isinstance(told, dict):
        return told
    kind = next(key for key in told if key not in BESIDE)
    content = told[kind]
    if kind == "is":
        made = _dataclass_called(content)
        return made(**{n: _read(value, arrays) for n, value in told["fields"].items()})
    if kind == "tuple":
        return tuple(_read(one, arrays) for one in content)
    if kind == "frozenset":
        return frozenset(_read(content, arrays))
    if kind == "dict":
        return {_read(key, arrays): _read(value, arrays) for key, value in content}
    if kind == "frame":
        return pd.read_parquet(io.BytesIO(arrays[content].tobytes()))
    if kind == "series":
        return _read(content, arrays)["values"].rename(told["name"])
    if kind == "array":
        return np.load(io.BytesIO(arrays[content].tobytes()), allow_pickle=False)
    if kind == "objects":
        values = np.empty(len(content), dtype=object)
        values[:] = [_read(one, arrays) for one in content]
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
    found = next((c for c in _kinds(_result()) if f"{c.__module__}.{c.__qualname__}" == name), None)
    if found is None and module.split(".")[0] == "promolab":
        try:
            found = getattr(importlib.import_module(module), qualname, None)
        except ImportError:
            found = None
    frozen = getattr(getattr(found, "__dataclass_params__", None), "frozen", False)
    if not (isinstance(found, type) and frozen):
        raise InputError(f"there is no result {name}; another version of promolab wrote the file")
    return found


def _result() -> type[Any]:
    from promolab.results.result import Result

    return Result


def _kinds(cls: type[Any]) -> Iterator[type[Any]]:
    for inherits in cls.__subclasses__():
        yield inherits
        yield from _kinds(inherits)
