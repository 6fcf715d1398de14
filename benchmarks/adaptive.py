"""Plans over weeks: what they earn, and are said to earn, where the truth is known."""

from __future__ import annotations

import resource
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.table import Row, at_least, at_most, part
from promolab.adaptive import PlanLearner, evaluate_plan, exact_plan
from promolab.errors import PromolabError
from promolab.simulated import CustomerProcess

STATES = ["stock", "fatigue", "reference"]
KINDS = ("counting", "fqi", "cql")
RARELY = (0.85, 0.05, 0.05, 0.05)
"""Chances of a log that nearly always does nothing; such a log gains −0.08."""


@part("adaptive", "the exact plan of 10,649 states and eight actions")
def exact_seconds() -> Iterator[Row]:
    """Yield what the yardstick takes."""
    process = CustomerProcess(22, tuple(np.linspace(0.05, 0.3, 6)))
    assert process.transitions.shape[1] == len(process.rewards) == 10_649  # made beforehand
    began = time.process_time()
    exact_plan(process)
    yield at_most("exact plan, 10,649 states × 8", time.process_time() - began, 10, "s")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    yield at_most("exact plan, 10,649 states × 8: peak of the process", peak, 1, "GB")


def gains(customers: int, logs: int, chances: Any = None) -> pd.DataFrame:
    """Return what plans that were learned from logs truly gain, a row per log and kind.

    The gain is the share of what the best plan has beyond the best action for all; nan where the
    learner refused.
    """
    process, rows = CustomerProcess(), []
    same = [exact_plan(process, plan=[each] * 65).value for each in process.actions["action"]]
    least, best = max(same), exact_plan(process).value
    for seed in range(logs):
        log = process.log(customers, 26, chances, seed)
        for kind in KINDS:
            began, gain = time.process_time(), np.nan
            with suppress(PromolabError):
                learner = PlanLearner(kind).fit(log, STATES)
                plan = [*learner.choose(process.states.iloc[:-1], otherwise="none"), "none"]
                gain = (exact_plan(process, plan=plan).value - least) / (best - least)
            rows.append((seed, kind, gain, time.process_time() - began))
    return pd.DataFrame(rows, columns=["seed", "kind", "gain", "seconds"])


@part("adaptive", "plans learned from ten logs")
def learners(logs: int = 10) -> Iterator[Row]:
    """Yield what networks gain beside counting, on logs drawn evenly, rarely, and small ones."""
    found, what = gains(5_000, logs), f"{logs} logs of 5,000 × 26"
    even = found.pivot_table("gain", "seed", "kind", dropna=False)
    for kind in KINDS[1:]:
        below = even["counting"] - even[kind]
        yield at_most(f"{what}: {kind} below counting, mean gain", float(below.mean()), 0.05)
        yield at_least(f"{what}: gain of {kind} that converged", even[kind].dropna(), 0)
    yield at_most(f"{what}: a fit", found["seconds"], 60, "s of processor")
    rare = gains(5_000, logs, RARELY).set_index("kind")["gain"]
    yield at_least(f"{what}, 85 % nothing: gain of cql", rare["cql"], -0.08)
    small = gains(500, logs)["gain"]
    yield at_least("500 × 26: gain, 1 where refused", small.fillna(1.0), 0)


@part("adaptive", "what a hundred logs tell of three plans")
def coverage(logs: int = 100) -> Iterator[Row]:
    """Yield how often a log can tell what a plan is worth, and is right."""
    process = CustomerProcess()
    myopic = process.actions["action"].to_numpy()[process.rewards.argmax(axis=1)]
    plans: dict[str, Any] = {"best": exact_plan(process).frame["action"], "myopic": myopic}
    plans["discount 15 %"] = ["discount 15 %"] * 65
    for name, plan in plans.items():
        truth = exact_plan(process, plan=plan).value
        there, found = process.states.assign(plan=np.asarray(plan))[:-1].drop(columns="gone"), []
        for seed in range(logs):
            rows = process.log(seed=seed).merge(there, on=STATES)
            found.append(evaluate_plan(rows, rows["plan"], states=STATES).value)
        told = [each.ci_low <= truth <= each.ci_high for each in found if np.isfinite(each.value)]
        yield at_least(f"plan {name}: answered, of {logs} logs", len(told), 0.8 * logs)
        yield at_least(f"plan {name}: 90 % intervals that hold", float(np.mean(told)), 0.85, "%")
