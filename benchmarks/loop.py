"""The loop proven: what each policy truly adds, what a week takes, and whether promises hold."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.promises import held
from benchmarks.table import Row, Run, at_least, at_most, part, shown
from promolab.stats import t_quantile

SEEDS, WEEKS, SINCE = 5, 12, 9
OTHERS, BANDITS = ("response", "random", "everyone", "freeze"), ("ucb", "ts")


@part("loop", "what a week takes")
def week_seconds(customers: int = 20_000) -> Iterator[Row]:
    """Yield what learned weeks take but the first, which reads the whole log; and a small loop."""
    from promolab.loop import rehearse

    moments: list[float] = []

    def told(sentence: str, done: int, total: int) -> None:
        if sentence.startswith("learned"):
            moments.append(time.process_time())

    rehearse(4, customers, "learned", told=told)
    what = f"a learned week of {customers:,} customers, promises and the world's week included"
    yield at_most(what, float(np.median(np.diff(moments))), 15, "s of processor")
    began = time.monotonic()
    rehearse(3, 4_000, "learned")
    what = "three learned weeks of 4,000 customers from nothing, both oracles' worlds included"
    yield at_most(what, time.monotonic() - began, 35, "s")


@part("loop", "a shop in which nothing does anything")
def stops_spending(customers: int = 10_000, seeds: int = 2 * SEEDS) -> Row:
    """Return whether the learned policy stops where nothing does anything."""
    from promolab.loop import rehearse

    spent, weeks = [], 0
    for seed in range(seeds):
        done = rehearse(2, customers, "learned", variant="null", seed=seed)
        mine = done.frame[done.frame["policy"] == "learned"]
        weeks += int(mine["pays"].sum())
        spent.append(float(mine["spend"].sum()) / (done.budget * len(mine)))
    what = f"loop, null, {customers:,} customers, {seeds} seeds: weeks that spend beyond learning"
    return at_most(what, weeks / (2 * seeds), 0.05, "%", f"{np.mean(spent):.1%} of the budget")


def loops(
    customers: int = 20_000, seeds: int = SEEDS, *, others: tuple[str, ...] = OTHERS + BANDITS
) -> pd.DataFrame:
    """Return what policies and oracles added, and spent, in weeks 9 to 12, a row per seed.

    Parameters
    ----------
    customers, seeds : int
    others : tuple of str
        Policies beside ``learned`` and both oracles.
    """
    from promolab.loop import rehearse

    rows = []
    for seed in range(seeds):
        with tempfile.TemporaryDirectory(prefix="promolab-loop-") as place:
            done = rehearse(WEEKS, customers, ("learned", *others), seed=seed, out=place)
            told = promised(done.frame, Path(place), customers, seed)
        late = done.frame[done.frame["number"] >= SINCE]
        row = {name: done.added(name, SINCE) for name in done.policies}
        learned = late[late["policy"] == "learned"]
        row["spend"] = float(learned["spend"].mean()) / done.budget
        whole = done.frame.loc[done.frame["policy"] == "learned", "spend"]
        row["all_weeks"] = float(whole.mean()) / done.budget
        row["pays"] = float(learned["pays"].mean())
        rows.append(row | {"promised": told})
    return pd.DataFrame(rows)


def promised(frame: pd.DataFrame, out: Path, customers: int, seed: int) -> pd.DataFrame:
    """Return what was promised of each learned week, and what its contacts truly added.

    That is the profit that a readout looks for: given the rounds after, as the loop decided them.
    """
    from promolab.loop.rehearsal.policies import RehearsalSettings
    from promolab.simulated import GoingShop
    from promolab.sources import load_shop

    named = {"weeks": WEEKS, "customers": customers, "policy": "learned", "budget": None}
    named |= {"variant": "weekly", "seed": seed, "exploration": 0.05, "holdout": 0.05}
    asked = RehearsalSettings.of(**named)
    going = GoingShop.begin(asked.world, out / "learned" / "shop", load_shop)
    rows = frame[frame["policy"] == "learned"]
    weeks = [going.first + asked.world.every * k for k in range(len(rows))]
    told = rows[["said_value", "said_ci_low", "said_ci_high"]].set_axis(
        ["said", "said_low", "said_high"], axis=1
    )
    return told.assign(truth=[going.added_profit(week, after=True) for week in weeks])


@part("loop", "five seeds of twelve weeks")
def looped(run: Run, customers: int = 20_000, seeds: int = SEEDS) -> Iterator[Row]:
    """Yield whether the learned policy is above the others, and near what can be attained."""
    found = loops(customers, seeds)
    what = f"loop, weeks 9–12, {customers:,} customers, {seeds} seeds"
    yield of_attainable(found, what)
    yield at_most(f"loop, all {WEEKS} weeks: spent", found["all_weeks"], 1.02, "× the budget")
    rows = pd.concat(found["promised"].tolist())
    yield held("loop: the expected profit", rows, "truth", "said_low", "said_high")
    for other in OTHERS:
        low, high = beyond_noise(found["learned"] - found[other])
        share = found[other].sum() / found["attainable"].sum()
        told = f"upper end {high:,.0f}; it has {share:.2f} × attainable"
        name = f"{what}: learned less {other}, lower end of 95 %"
        yield at_least(name, low, 0, "CNY", told, also=low > 0)
    for name in BANDITS:
        low, high = beyond_noise(found[name] - found["learned"])
        yield shown(f"{what}: {name} less learned, 95 %", f"{low:,.0f} to {high:,.0f} CNY")
    if run.large:
        large = loops(100_000, seeds, others=())
        yield of_attainable(large, f"loop, weeks 9–12, 100,000 customers, {seeds} seeds")


def beyond_noise(gap: pd.Series[float]) -> tuple[float, float]:
    """Return the ends of a mean's interval of 95 %, by Student's t: seeds are few.

    Examples
    --------
    >>> beyond_noise(pd.Series([1.0, 2.0, 3.0, 4.0, 5.0]))[0] < 3 - 2.77 * 2.5**0.5 / 5**0.5
    True
    """
    half = float(t_quantile(0.95, max(len(gap) - 1, 1)) * gap.std(ddof=1) / np.sqrt(len(gap)))
    return float(gap.mean()) - half, float(gap.mean()) + half


def of_attainable(found: pd.DataFrame, what: str) -> Row:
    """Return whether the learned policy comes near enough to the attainable oracle."""
    share, latent = (
        found[name].sum() / found["attainable"].sum() for name in ("learned", "latent")
    )
    told = f"latent {latent:.2f}; {found['spend'].mean():.2f} × the budget spent; spending shown "
    told += f"to pay in {found['pays'].mean():.0%} of weeks"
    return at_least(f"{what}: learned policy", share, 0.8, "× attainable oracle", told)
