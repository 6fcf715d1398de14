"""Which models a week used, and whether each was kept or replaced another."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from promolab.compare import Method
from promolab.folder import RunFolder, sha256_of
from promolab.results import Result, plain

FILES = {"response": "model.safetensors", "uplift": "uplift.safetensors"}
COLUMNS = ("week", "name", "fingerprint", "method", "decision", "reason")
_NEEDED = {"model", "options", "features"}
_FIRST, _KEPT, _REPLACED = "champion", "kept", "replaced"


def earlier_runs(run: RunFolder) -> list[RunFolder]:
    """Return the folders of the good weeks before a run's, the latest first."""
    earlier = [week for week in run.reports.weeks() if week < run.week]
    return [run.reports.run(week) for week in reversed(earlier)]


def last_method(run: RunFolder) -> dict[str, Any] | None:
    """Return the response method of the last good week, as `choose_method` takes a champion.

    Parameters
    ----------
    run : RunFolder
        The week's folder; earlier weeks lie beside it.

    Returns
    -------
    dict or None
        week, model, options, features; None where no earlier week used one.
    """
    for before in earlier_runs(run):
        told = before.metrics.get("response") or {}
        if told.keys() >= _NEEDED and told["features"]:
            return {"week": str(before.week)} | {name: told[name] for name in sorted(_NEEDED)}
    return None


@dataclass(frozen=True)
class KeptModels(Result):
    """The models of a week and what was decided about them; made by `models_of`.

    Parameters
    ----------
    frame : DataFrame
        One row per model: week, name, fingerprint (sha256 of its file; empty where none was saved),
        method, decision (``champion``, ``kept`` or ``replaced``), reason.
    """

    frame: pd.DataFrame = field(repr=False)

    def __bool__(self) -> bool:
        return len(self.frame) > 0

    def to_dict(self) -> dict[str, Any]:
        """Return decision, method, reason and fingerprint, by model."""
        kept: dict[str, Any] = plain(self.frame.set_index("name").to_dict("index"))
        return kept

    def facts(self) -> Mapping[str, Any]:
        """Return whether a model was made, and which."""
        return {"made": bool(self), "models": self.frame}


def models_of(run: RunFolder) -> KeptModels:
    """Return the models of a week's run, and whether each was kept or replaced another.

    Parameters
    ----------
    run : RunFolder
        The week's folder, its steps run.
    """
    rows = [*_response(run), *_uplift(run)]
    return KeptModels(pd.DataFrame(rows, columns=list(COLUMNS)).astype("str"))


def _row(run: RunFolder, name: str, method: str, decision: str, reason: str) -> dict[str, str]:
    path = run.path / FILES[name]
    print_ = sha256_of(path) if path.is_file() else ""
    values = (str(run.week), name, print_, method, decision, reason)
    return dict(zip(COLUMNS, values, strict=True))


def _response(run: RunFolder) -> Iterator[dict[str, str]]:
    told = run.metrics.get("response") or {}
    decided: Mapping[str, Any] = told.get("decision") or {}
    if told.keys() >= _NEEDED and decided:
        method = Method.of(told).words
        yield _row(run, "response", method, decided["decision"], decided["reason"])


def _uplift(run: RunFolder) -> Iterator[dict[str, str]]:
    """Yield the uplift model's row: its method is a parameter, so a new one was asked for."""
    method = _uplift_method(run)
    if not method:
        return
    old = next(filter(None, map(_uplift_method, earlier_runs(run))), "")
    if not old:
        reason = f"No earlier week has a method to keep: {method} is the first champion."
        yield _row(run, "uplift", method, _FIRST, reason)
    elif old == method:
        yield _row(run, "uplift", method, _KEPT, f"The method is kept: {method}, as before.")
    else:
        yield _row(
            run, "uplift", method, _REPLACED, f"{method} as set for this week, in place of {old}."
        )


def _uplift_method(run: RunFolder) -> str:
    gone = run.manifest.get("to_be_refitted", ())
    if not (run.path / FILES["uplift"]).is_file() and FILES["uplift"] not in gone:
        return ""
    told = str((run.metrics.get("uplift") or {}).get("method", "dr"))
    kind, _, learner = told.partition("/")
    return f"{kind.upper()}-learner{f' ({learner})' if learner else ''}"
