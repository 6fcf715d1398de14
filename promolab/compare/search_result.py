"""What a search for options found: the best, and how much of its advantage is to be believed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from promolab.compare.leaderboard import higher_is_better
from promolab.model import ResponseModel
from promolab.results import Estimate, Result
from promolab.wording import count


@dataclass(frozen=True)
class SearchResult(Result):
    """The best options found, and how they compare with the defaults on the same rows.

    Parameters
    ----------
    kind, outcome, metric : str
        Of the model, the label, and what made options good.
    best : mapping
        Option → value; empty where nothing tried was better than the defaults.
    defaults : mapping
        The defaults of the options that were searched.
    fixed : mapping
        Options that stayed as given.
    features : tuple of str
        Source columns used.
    value, default_value : float
        The measure of the best and of the defaults, on rows that no model had seen.
    advantage : Estimate
        By how much the best is better (above 0) on the same rows, clustered by customer. It was
        chosen for being large, so it flatters.
    frame : DataFrame
        One row per trial: trial, state (complete, pruned, refused), value (nan unless complete),
        folds, seconds, and a column per option.
    basis : {"promotions", "time", "customers"}
        What each part of the rows, predicted from others, was.
    wanted : int
        Trials asked for.
    resumed : int
        Trials that the store held before.
    seconds : float
        What this call took.
    seed : int
    leakage : str
        What is too good to be true, in a sentence; empty where nothing is.
    """

    kind: str
    outcome: str
    metric: str
    best: Mapping[str, Any]
    defaults: Mapping[str, Any]
    fixed: Mapping[str, Any]
    features: tuple[str, ...]
    value: float
    default_value: float
    advantage: Estimate
    frame: pd.DataFrame = field(repr=False)
    basis: str
    wanted: int
    resumed: int
    seconds: float
    seed: int
    leakage: str = ""

    def model(self) -> ResponseModel:
        """Return a new, unfitted model with the best options."""
        return ResponseModel(self.kind, **{**self.fixed, **self.best})

    def facts(self) -> dict[str, Any]:
        """Return what became of the trials, what is best, and what its figure is worth."""
        states = self.frame["state"].value_counts()
        lost = [{"state": s, "n": int(states.get(s, 0))} for s in ("pruned", "refused")]
        options = (self.best or self.defaults).items()
        return {
            "short": len(self.frame) < self.wanted,
            "lost": [each for each in lost if each["n"]],
            "found": "better" if self.best else "none",
            "options": [{"option": name, "shown": _short(value)} for name, value in options],
            "worth": "optimistic" if self.best else "unbiased",
            "side": "higher" if higher_is_better(self.metric) else "lower",
            "trials": len(self.frame),
            **self._drawn_facts(),
        }

    def _drawn_facts(self) -> dict[str, Any]:
        higher = higher_is_better(self.metric)
        done = self.frame[self.frame["state"] == "complete"]
        if done.empty:
            return {"shown": done, "so_far": done, "stopped": done, "beyond": 0}
        value = done["value"].to_numpy(dtype=float)
        low, high, beyond = _window(value, self.default_value, higher)
        at = done["trial"].to_numpy() + 1
        best = np.maximum.accumulate(value) if higher else np.minimum.accumulate(value)
        end = len(self.frame) + 0.5
        so_far = {"at": np.append(at, end), "value": np.append(best, best[-1])}
        stopped = self.frame.loc[self.frame["state"] == "pruned", ["trial"]]
        return {
            "shown": done.assign(at=at)[(value >= low) & (value <= high)],
            "so_far": pd.DataFrame(so_far),
            "stopped": stopped.assign(at=stopped["trial"] + 1),
            "edge": "bottom" if higher else "top",
            "beyond": beyond,
            "trial_ends": (0.3, len(self.frame) + 0.7),
            "value_ends": (low, high),
        }


def _short(value: Any) -> str:
    if not isinstance(value, float):
        return str(value)
    return count(value) if 1000 <= abs(value) < 1e15 else f"{value:.3g}"


def _window(value: np.ndarray, default: float, higher: bool) -> tuple[float, float, int]:
    """Return an axis on which the good trials can be told apart, and how many lie beyond it."""
    sign = 1 if higher else -1
    gain = sign * (value - default)
    worst = min(float(np.quantile(gain, 0.1)), 0.0)
    best = max(float(gain.max()), 0.0)
    room = max(best - worst, 1e-6)
    worst, best = max(worst, best - 6 * max(best, room / 6)) - 0.12 * room, best + 0.12 * room
    ends = sorted((default + sign * worst, default + sign * best))
    return ends[0], ends[1], int((gain < worst).sum())
