"""Which models a week used, kept or replaced, and whether as many answer as was predicted."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from promolab.compare import Method
from promolab.folder import RunFolder, sha256_of
from promolab.results import Estimate, Result, plain
from promolab.stats import t_quantile, wilson

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
        """Return whether a model was made, and the first letters of each file's fingerprint."""
        shown = self.frame.assign(file=self.frame["fingerprint"].str[:12])
        return {"made": bool(self), "models": shown}


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
    if not (run.path / FILES["uplift"]).is_file():
        return ""
    told = str((run.metrics.get("uplift") or {}).get("method", "dr"))
    kind, _, learner = told.partition("/")
    return f"{kind.upper()}-learner{f' ({learner})' if learner else ''}"


FEWEST = 4
"""Promotions from which a trend can be told."""
MOST = 40
"""Promotions of the figure: more cannot be told from one another."""
MONTH = 28.0  # days
_RATIO = ("ratio", "ratio_low", "ratio_high")
TRACK = ("promotion_id", "starts_at", "contacts", "expected", "observed", *_RATIO)
UNKNOWN = Estimate(math.nan)


@dataclass(frozen=True)
class CalibrationTrack(Result):
    """Answers that came against those predicted, promotion by promotion.

    Made by `calibration_track`.

    Parameters
    ----------
    frame : DataFrame
        One row per past promotion, the earliest first: promotion_id, starts_at, contacts, expected
        (sum of the chances), observed, ratio (observed ÷ expected) and its interval.
    ratio : Estimate
        Observed ÷ expected of all together; the interval is of promotions that differ.
    trend : Estimate
        By what share the ratio changes in four weeks; nan below four promotions.
    level : float
    """

    frame: pd.DataFrame = field(repr=False)
    ratio: Estimate = UNKNOWN
    trend: Estimate = UNKNOWN
    level: float = 0.95

    def __bool__(self) -> bool:
        return len(self.frame) > 0

    def facts(self) -> Mapping[str, Any]:
        """Return how many answered and were predicted to, and the promotions of the figure."""
        rows = self.frame.astype({"expected": float}).nlargest(MOST, "expected").sort_index()
        return {
            "known": bool(self),
            "came": self.frame["observed"].sum(),
            "predicted": self.frame["expected"].sum(),
            "off": self.ratio.side_of(1.0),
            "fewest": FEWEST,
            "drawn": lambda: rows.assign(start=_side_by_side(rows["starts_at"])),
            "left": len(self.frame) - len(rows),
            # One promotion of few answers may have an interval that hides all others.
            "limits": lambda: (0, min(float(rows["ratio_high"].max()) * 1.05, 4.0)),
        }


def _side_by_side(times: pd.Series[Any]) -> pd.Series[Any]:
    """Return moments, equal ones a little apart."""
    place = times.groupby(times).cumcount()
    place -= place.groupby(times).transform("mean")
    apart = max((times.max() - times.min()) / 60, pd.Timedelta(days=0.2))
    moments: pd.Series[Any] = times + place * apart
    return moments


def calibration_track(backtest: pd.DataFrame) -> CalibrationTrack:
    """Set the answers that came beside those predicted, promotion by promotion.

    Parameters
    ----------
    backtest : DataFrame
        One row per contact that a model predicted without having seen it: promotion_id, starts_at,
        y (0 or 1), p (``tables/backtest.parquet``).

    Returns
    -------
    CalibrationTrack

    Notes
    -----
    Of each promotion Wilson's interval of its rate ÷ the mean chance. Ratio and trend are of
    log(observed ÷ expected), weighted by its precision, their errors scaled up by how much more
    promotions differ than chance explains (Birge 1932), with Student's quantile: a customer who is
    in several promotions counts through what these have in common.

    Examples
    --------
    >>> rows = pd.DataFrame({"promotion_id": np.repeat(range(6), 100), "p": 0.2})
    >>> rows["starts_at"] = pd.Timestamp("2024-01-01") + pd.to_timedelta(rows.promotion_id, "D")
    >>> rows["y"] = (np.arange(600) % 5 == 0).astype(int)
    >>> round(calibration_track(rows).ratio.value, 6)
    1.0
    """
    if backtest.empty:
        return CalibrationTrack(pd.DataFrame(columns=list(TRACK)))
    groups = backtest.groupby(["starts_at", "promotion_id"], observed=True, sort=True)
    frame = groups.agg(contacts=("y", "size"), expected=("p", "sum"), observed=("y", "sum"))
    frame = frame.reset_index()
    low, high = wilson(frame["observed"], frame["contacts"])
    mean = (frame["expected"] / frame["contacts"]).clip(lower=1e-12)
    frame["ratio"] = frame["observed"] / frame["expected"].clip(lower=1e-12)
    frame["ratio_low"], frame["ratio_high"] = low / mean, high / mean
    ratio, trend = _in_logs(frame)
    return CalibrationTrack(frame[list(TRACK)], ratio, trend)


def _in_logs(frame: pd.DataFrame) -> tuple[Estimate, Estimate]:
    """Return the ratio of all together, and by what share it changes in four weeks."""
    came, told = frame["observed"].to_numpy(float), frame["expected"].to_numpy(float)
    logs = np.log((came + 0.5) / (told + 0.5))
    weight = told + 0.5  # the precision by what was predicted, not by what came
    days = (frame["starts_at"] - frame["starts_at"].min()).dt.total_seconds().to_numpy() / 86_400
    whole = float(came.sum() / max(told.sum(), 1e-12))
    mean = _fitted(np.ones((len(logs), 1)), logs, weight)
    half = mean[1] if mean is not None else math.nan
    ratio = Estimate(whole, whole * math.exp(-half), whole * math.exp(half), len(frame))
    design = np.column_stack([np.ones(len(logs)), days / MONTH])
    slope = _fitted(design, logs, weight) if len(frame) >= FEWEST else None
    if slope is None:
        return ratio, UNKNOWN
    ends = (math.expm1(slope[0] + step) for step in (0.0, -slope[1], slope[1]))
    return ratio, Estimate.of(ends, len(frame))


def _fitted(design: np.ndarray, y: np.ndarray, weight: np.ndarray) -> tuple[float, float] | None:
    """Return the last coefficient and half of its interval; None where it cannot be told."""
    free = len(y) - design.shape[1]
    inner = design.T @ (weight[:, None] * design)
    if free < 1 or np.linalg.matrix_rank(inner) < len(inner):
        return None
    inverse = np.linalg.inv(inner)
    slopes = inverse @ (design.T @ (weight * y))
    spread = float((weight * (y - design @ slopes) ** 2).sum() / free)
    error = math.sqrt(inverse[-1, -1] * max(spread, 1.0))
    return float(slopes[-1]), float(t_quantile(0.95, free)) * error
