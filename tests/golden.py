"""What a week, or the code of a page, came to, in small files: whatever moves a figure is seen.

A column of floats is held by how many there are, their ends, their mean, and a mean with weights
that tells rows in another order; other columns and send files by a digest of what they hold. Floats
are compared to 1e-9, what an optimiser searched for to 1e-6 (another processor stops it elsewhere),
all else exactly. Seconds, memory and digests of models are left out.
"""

import hashlib
import json
import math
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

__all__ = ["agrees", "facts_of_names", "facts_of_table", "facts_of_week"]

GOLDEN = Path(__file__).parent / "golden"
LONG = 8
"""A list of more than these many is held as a column."""
LEFT_OUT = {"at", "seconds", "peak_memory_mb", "fingerprint"}
"""What another day or version changes."""

SEARCHED = re.compile("/(away_times|usual_days|(margin|orders)_[0-9]+w|anyway_list)(/|$)")
"""What an optimiser searched for."""


def agrees(name: str, facts: Mapping[str, Any]) -> None:
    """Fail where the facts are not those of a golden file, and say which.

    With ``PROMOLAB_GOLDEN=write`` the file is written instead, and what differs stands in its diff.
    """
    path = GOLDEN / f"{name}.json"
    plain = _plain(facts)
    if os.environ.get("PROMOLAB_GOLDEN") == "write":
        path.parent.mkdir(exist_ok=True)
        path.write_text(_written(plain), encoding="utf-8")
    golden = json.loads(path.read_text(encoding="utf-8"))
    found = list(_differences(golden, json.loads(_written(plain)), name))
    assert not found, f"{len(found)} differ:\n" + "\n".join(found[:40])


def facts_of_week(folder: Path) -> dict[str, Any]:
    """Return what a week's folder holds: ``metrics.json``, each table, each send file."""
    metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    metrics.get("segments", {}).pop("model", None)  # the digest of a file
    tables = {}
    for path in sorted((folder / "tables").iterdir()):
        read = pd.read_parquet if path.suffix == ".parquet" else pd.read_csv
        tables[path.name] = facts_of_table(read(path))
    send = {path.name: _digest(path.read_text("utf-8")) for path in (folder / "send").iterdir()}
    return {"metrics": metrics, "tables": tables, "send": send}


def facts_of_names(names: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a page's code made: its results, frames and figures."""
    found: dict[str, Any] = {}
    for name, value in names.items():
        if name.startswith("_"):
            continue
        if isinstance(value, pd.DataFrame):
            found[name] = facts_of_table(value)
        elif isinstance(value, float):
            found[name] = value
        elif hasattr(value, "to_dict") and not isinstance(value, type | pd.Series):
            found[name] = value.to_dict()
    return {"names": found}


def facts_of_table(frame: pd.DataFrame) -> dict[str, Any]:
    """Return how many rows a table has, and what each column holds, in the table's order."""
    columns = {str(name): _column(frame[name]) for name in frame if name not in LEFT_OUT}
    return {"rows": len(frame), "columns": columns}


def _column(values: pd.Series) -> list[Any]:
    kind, missing = str(values.dtype), int(values.isna().sum())
    if values.dtype.kind != "f":
        told = values.dropna().astype(str)
        return [kind, missing, told.nunique(), _digest("\n".join(told))]
    given = values.to_numpy(float)
    finite = np.isfinite(given)
    if not finite.any():
        return [kind, missing, len(given) - missing]
    known, weights = given[finite], np.cos(np.arange(len(given)))[finite]
    ends = [float(known.min()), float(known.max())]
    return [kind, missing, int(finite.sum()), *ends, known.mean(), (known * weights).mean()]


def _plain(value: Any) -> Any:
    """Return facts as JSON holds them: floats of 12 digits, long lists as tables and columns."""
    if isinstance(value, Mapping):
        return {str(key): _plain(part) for key, part in value.items() if key not in LEFT_OUT}
    if isinstance(value, list | tuple | np.ndarray):
        if len(value) <= LONG:
            return [_plain(part) for part in value]
        if all(isinstance(part, Mapping) for part in value):
            return _plain(facts_of_table(pd.DataFrame(list(value))))
        return _plain([len(value), *_column(pd.Series(list(value)))])
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float):
        return float(f"{value:.12g}") if math.isfinite(value) else str(value)
    return value if value is None or isinstance(value, bool | int | str) else str(value)


def _written(facts: Mapping[str, Any]) -> str:
    """Return JSON with a line for each table, each send file and each part of the metrics."""
    parts = []
    for part, held in facts.items():
        lines = [f"{_short(key)}:{_short(told)}" for key, told in sorted(held.items())]
        parts.append(f"{_short(part)}:{{\n" + ",\n".join(lines) + "\n}")
    return "{\n" + ",\n".join(parts) + "\n}\n"


def _short(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def _differences(golden: Any, found: Any, where: str) -> Iterator[str]:
    if isinstance(golden, dict) and isinstance(found, dict):
        for key in sorted(golden.keys() | found.keys()):
            if key not in found or key not in golden:
                yield f"{where}/{key}: {'missing' if key in golden else 'new'}"
            else:
                yield from _differences(golden[key], found[key], f"{where}/{key}")
    elif isinstance(golden, list) and isinstance(found, list) and len(golden) == len(found):
        for place, (one, other) in enumerate(zip(golden, found, strict=True)):
            yield from _differences(one, other, f"{where}/{place}")
    elif not _same(golden, found, 1e-6 if SEARCHED.search(where) else 1e-9):
        yield f"{where}: was {golden!r}, is {found!r}"[:300]


def _same(golden: Any, found: Any, within: float) -> bool:
    if type(golden) is type(found) is float:
        return math.isclose(golden, found, rel_tol=within, abs_tol=within)
    return type(golden) is type(found) and bool(golden == found)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]
