"""Segments in a file: JSON with a checksum, readable by eye; nothing in it executes."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from promolab.errors import InputError
from promolab.results import plain
from promolab.segmentation.groups.fitted import FittedSegments
from promolab.segmentation.groups.measures import MIN_SHARE
from promolab.segmentation.groups.number import NumberOfSegments, Stability
from promolab.segmentation.groups.preparation import Scaling

FORMAT = "promolab.segments/1"
_CURVES = ("none", "log1p", "arcsinh")


def write_segments(path: str | Path, segments: FittedSegments) -> Path:
    """Write segments; a reader sees the old file or the new one.

    Parameters
    ----------
    path : str or Path
        File to write; its folder must exist.
    segments : FittedSegments
        Numbers are kept bit for bit.

    Raises
    ------
    InputError
        If the path is a folder, or cannot be written.
    """
    path = Path(path)
    if path.is_dir():
        raise InputError(f"{path} is a folder; give the name of a file to save the segments in")
    state = _state(segments)
    whole = {"format": FORMAT, "sha256": _checksum(state), "segments": state}
    text = json.dumps(whole, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.write_text(text + "\n", encoding="utf-8")
        temporary.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise InputError(f"the segments cannot be saved as {path}: {error.strerror}") from error
    return path


def read_segments(path: str | Path) -> FittedSegments:
    """Read what `write_segments` wrote.

    The checksum finds damage and edits; it is no signature.

    Raises
    ------
    InputError
        If there is no such file, it is foreign, of another version, damaged or edited.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"there is no file {path}; give the path that Segmenter.save wrote")
    try:
        whole = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(
            f"{path} is damaged or holds no segments ({type(error).__name__}); save them again"
        ) from error
    form = whole.get("format") if isinstance(whole, dict) else None
    if form != FORMAT:
        raise InputError(f"{path} has format {form!r}, expected {FORMAT!r}; fit the segments again")
    try:
        state = whole["segments"]
        if whole["sha256"] != _checksum(state):
            raise InputError(
                f"{path} was changed after it was saved (its checksum does not match); use the "
                "original file or fit the segments again"
            )
        return _segments(state)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path} holds no segments of promolab ({error})") from error


def _checksum(state: Any) -> str:
    return hashlib.sha256(json.dumps(state, sort_keys=True).encode()).hexdigest()


_DEFAULTS = {"min_share": MIN_SHARE}
"""What files of an earlier version lack is not written either, or the segments of an earlier week
would have another checksum when they are carried on."""


def _state(segments: FittedSegments) -> dict[str, Any]:
    choice, stability = segments.choice, segments.stability
    told = {} if choice is None else choice.to_dict()
    told = {k: v for k, v in told.items() if k not in _DEFAULTS or v != _DEFAULTS[k]}
    return {
        "names": list(segments.names),
        "scalings": [asdict(scaling) for scaling in segments.scalings],
        "centres": segments.centres.tolist(),
        "sizes": [int(size) for size in segments.sizes],
        "reach": segments.reach,
        "made_in": segments.made_in,
        "seed": segments.seed,
        "asked": None if segments.asked is None else list(segments.asked),
        "choice": None
        if choice is None
        else {
            "columns": list(choice.frame.columns),
            "rows": plain(choice.frame.astype(object).to_numpy().tolist()),
            **told,
        },
        "stability": None
        if stability is None
        else {**stability.to_dict(), "indices": stability.indices.tolist()},
    }


def _segments(state: dict[str, Any]) -> FittedSegments:
    if "method" in state:
        raise InputError(f"segments by {state['method']!r} went; fit them again by 'kmeans'")
    names, sizes = tuple(state["names"]), tuple(state["sizes"])
    scalings = tuple(Scaling(**scaling) for scaling in state["scalings"])
    k, d = len(names), len(scalings)
    centres = np.array(state["centres"], dtype=float).reshape(k, d)
    figures = [state["reach"], *(x for s in scalings for x in (s.fill, s.mean, s.spread))]
    if not (
        k
        and len(set(names)) == k == len(sizes)
        and all(isinstance(name, str) and name for name in names)
        and all(isinstance(size, int) and size >= 0 for size in sizes)
        and all(isinstance(s.column, str) and s.curve in _CURVES for s in scalings)
        and all(s.spread > 0 for s in scalings)
        and np.isfinite(np.array(figures, dtype=float)).all()
        and np.isfinite(centres).all()
    ):
        raise ValueError("names, scalings, centres or sizes are not those of segments")
    asked = state["asked"]
    return FittedSegments(
        names,
        scalings,
        centres,
        sizes,
        reach=float(state["reach"]),
        made_in=str(state["made_in"]),
        seed=int(state["seed"]),
        asked=None if asked is None else tuple(asked),
        choice=_choice(state["choice"]),
        stability=_stability(state["stability"]),
    )


def _choice(state: dict[str, Any] | None) -> NumberOfSegments | None:
    if state is None:
        return None
    table = pd.DataFrame(state["rows"], columns=state["columns"])
    # Earlier versions told a statistic beside, which chose nothing.
    table = table.drop(columns=["gap", "gap_error", "gap_rule"], errors="ignore")
    flags = [c for c in ("large_enough", "fits", "chosen") if c in table]
    kinds = dict.fromkeys(table.columns, float) | {"k": int} | dict.fromkeys(flags, bool)
    return NumberOfSegments(
        table.astype(kinds),
        state["customers"],
        state["bootstraps"],
        state["resampled"],
        **{name: state.get(name, value) for name, value in _DEFAULTS.items()},
    )


def _stability(state: dict[str, Any] | None) -> Stability | None:
    if state is None:
        return None
    value, low, high = (
        np.nan if state[name] is None else float(state[name])
        for name in ("value", "ci_low", "ci_high")
    )
    indices = np.array(state["indices"], dtype=float)
    return Stability(value, low, high, state["n"], indices, state["resampled"])
