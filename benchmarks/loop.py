"""The loop proven: what each policy truly adds, whether it survives kills, what a week takes."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.promises import COVERED, WIDER, Held
from benchmarks.table import Row
from promolab.stats import t_quantile

SEEDS, WEEKS, SINCE = 5, 12, 9
OTHERS = ("response", "random", "everyone")
OF_ATTAINABLE, WITH_MORE = 0.80, 0.80
ABOVE_BUDGET = 0.02
"""Most of all weeks' budgets that a loop may truly spend beside them."""
NEVER = 0.05
SECONDS = 20.0
"""A learned week of 20,000 customers, on a quiet machine."""


def loops(
    customers: int = 20_000, seeds: int = SEEDS, *, others: tuple[str, ...] = OTHERS
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
        begun = time.monotonic()
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
        rows.append(row | {"seconds": time.monotonic() - begun, "promised": told})
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


def looped(customers: int = 20_000, seeds: int = SEEDS, *, more: int = 100_000) -> Iterator[Row]:
    """Yield whether the learned policy is above the others, and near what can be attained.

    Parameters
    ----------
    customers, seeds : int
    more : int
        Customers of larger shops, of as many seeds; 0 leaves them out.
    """
    found = loops(customers, seeds)
    what = f"loop, weeks 9–12, {customers:,} customers, {seeds} seeds"
    yield of_attainable(found, what, OF_ATTAINABLE)
    yield Row(
        f"loop, all {WEEKS} weeks, {customers:,} customers, {seeds} seeds: most that a shop spent",
        f"≤ {1 + ABOVE_BUDGET:.2f} × the budget",
        f"{found['all_weeks'].max():.2f} × (least {found['all_weeks'].min():.2f} ×)",
        bool(found["all_weeks"].max() <= 1 + ABOVE_BUDGET),
    )
    yield promises_held(found)
    for other in OTHERS:
        gap = found["learned"] - found[other]
        low, high = beyond_noise(gap)
        yield Row(
            f"{what}: learned less {other}, paired",
            "above 0 beyond noise",
            f"{gap.mean():,.0f} CNY, 95 % interval [{low:,.0f}, {high:,.0f}] "
            f"({found[other].sum() / found['attainable'].sum():.2f} × attainable)",
            low > 0,
        )
    if more:
        large = loops(more, seeds, others=())
        name = f"loop, weeks 9–12, {more:,} customers, {seeds} seeds"
        yield of_attainable(large, name, WITH_MORE)


def beyond_noise(gap: pd.Series[float]) -> tuple[float, float]:
    """Return the ends of a mean's interval of 95 %, by Student's t: seeds are few.

    Examples
    --------
    >>> beyond_noise(pd.Series([1.0, 2.0, 3.0, 4.0, 5.0]))[0] < 3 - 2.77 * 2.5**0.5 / 5**0.5
    True
    """
    half = float(t_quantile(0.95, max(len(gap) - 1, 1)) * gap.std(ddof=1) / np.sqrt(len(gap)))
    return float(gap.mean()) - half, float(gap.mean()) + half


def of_attainable(found: pd.DataFrame, what: str, bar: float) -> Row:
    """Return whether the learned policy comes near enough to the attainable oracle."""
    share = float(found["learned"].sum() / found["attainable"].sum())
    latent = float(found["latent"].sum() / found["attainable"].sum())
    return Row(
        f"{what}: learned policy",
        f"≥ {bar} × attainable oracle",
        f"{share:.3f} × (latent {latent:.2f}; {found['spend'].mean():.2f} × the budget spent; "
        f"spending shown to pay in {found['pays'].mean():.0%} of weeks)",
        share >= bar,
    )


def promises_held(found: pd.DataFrame) -> Row:
    """Return how often the promised profit's interval held what a loop's weeks truly added."""
    rows = pd.concat(found["promised"].tolist())
    held = Held.of(rows, "truth", "said_low", "said_high")
    over = float(rows["said"].sum() / rows["truth"].sum())
    return Row(
        f"loop: 90 % interval of the expected profit, {held.n} weeks of {len(found)} shops",
        f"≥ {COVERED:.0%} held, ≤ {WIDER} × as wide as needed",
        f"{held.share:.0%} held, {held.wider:.2f} ×, said {over:.2f} × what was true",
        held.share >= COVERED and held.wider <= WIDER,
    )


def stops_spending(customers: int = 10_000, seeds: int = 2 * SEEDS) -> Row:
    """Return whether the learned policy stops where nothing does anything."""
    from promolab.loop import rehearse

    spent, weeks = [], 0
    for seed in range(seeds):
        done = rehearse(2, customers, "learned", variant="null", seed=seed)
        mine = done.frame[done.frame["policy"] == "learned"]
        weeks += int(mine["pays"].sum())
        spent.append(float(mine["spend"].sum()) / (done.budget * len(mine)))
    return Row(
        f"loop, null, {customers:,} customers, {seeds} seeds: spends on learning alone",
        f"at most {NEVER:.0%} of weeks spend more",
        f"{weeks} of {2 * seeds} weeks; {np.mean(spent):.1%} of the budget",
        weeks <= NEVER * 2 * seeds,
    )


def killed(times: int = 20, customers: int = 400, weeks: int = 3) -> Row:
    """Return whether a loop that is killed at random moments goes on to the same figures."""
    from promolab.loop import rehearse

    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory(prefix="promolab-killed-") as place:
        call = [sys.executable, "-m", "promolab.cli", "loop", "--weeks", str(weeks)]
        call += ["--customers", str(customers), "--policy", "learned,random"]
        begun = time.monotonic()
        subprocess.run(
            [*call, "--out", f"{place}/whole"], check=True, capture_output=True, timeout=3_600
        )
        took = time.monotonic() - begun
        policies = ("learned", "random")
        whole = rehearse(weeks, customers, policies, out=f"{place}/whole").frame
        same = 0
        for number in range(times):
            out = Path(place) / f"{number}"
            process = subprocess.Popen(
                [*call, "--out", str(out)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
            time.sleep(float(rng.uniform(0, took)))
            process.kill()
            process.wait()
            again = rehearse(weeks, customers, policies, out=out).frame
            same += int(pd.DataFrame.equals(again, whole))
    return Row(
        f"promolab loop killed at {times} random moments ({customers} customers, {weeks} weeks)",
        "the same figures each time",
        f"{same} of {times}",
        same == times,
    )


def week_seconds(customers: int = 20_000) -> Row:
    """Return how long a learned week takes, the first one (which reads the whole log) left out."""
    from promolab.loop import rehearse

    moments: list[float] = []

    def told(sentence: str, done: int, total: int) -> None:
        if sentence.startswith("learned"):
            moments.append(time.monotonic())

    rehearse(4, customers, "learned", told=told)
    took = float(np.median(np.diff(moments)))
    return Row(
        f"a learned week of {customers:,} customers, its promises and the world's week included",
        f"≤ {SECONDS:.0f} s",
        f"{took:.1f} s",
        took <= SECONDS,
    )


def loop_rows(*, large: bool = False) -> Iterator[Row]:
    """Yield all rows; the larger shops where they are asked for."""
    yield week_seconds()
    yield killed()
    yield stops_spending()
    yield from looped(more=100_000 if large else 0)
