"""How long a week of a simulated shop that goes on takes, and what can be known of its effects.

Run as ``python -m benchmarks.going_on CUSTOMERS FOLDER`` it measures once and prints JSON. Seconds
are the processor's: on a machine that is shared, those of the clock say little.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks.processes import own_peak_mb, run_watched
from benchmarks.table import Row

WEEKS = 3
BARS = {20_000: (3.0, 2.0), 100_000: (15.0, 10.0)}
"""Customers, and the most seconds for a week and for the values of all its promotions."""
MAX_MB = 3 * 1024.0


def weeks(customers: int, folder: Path) -> dict[str, float]:
    """Let a shop go on for some weeks by decisions that chance makes; return seconds and memory."""
    import pandas as pd

    from promolab import load_shop
    from promolab.simulated import GoingShop, World

    world = World(customers=customers, weeks=26, variant="weekly")
    going = GoingShop.begin(world, folder, load_shop)
    took: dict[str, list[float]] = {"week": [], "values": []}
    for week in range(WEEKS):
        places = np.random.default_rng(week).integers(-1, len(going.options), customers)
        decisions, _ = going.decisions_of(places)
        actions = np.array([*going.options, "none"], dtype=object)
        chances = pd.DataFrame(
            {
                "decision_id": np.repeat(decisions["decision_id"].to_numpy(), len(actions)),
                "action": np.tile(actions, len(decisions)),
                "propensity": 1 / len(actions),
            }
        )
        begun = time.process_time()
        going.latent_values()
        took["values"].append(time.process_time() - begun)
        begun = time.process_time()
        going.decide(decisions.assign(propensity=1 / len(actions)), chances)
        took["week"].append(time.process_time() - begun)
    return {name: max(all_) for name, all_ in took.items()} | {"peak_mb": own_peak_mb()}


def rows() -> Iterator[Row]:
    """Yield what a week takes, and what the truth of all its promotions takes."""
    for customers, (of_week, of_values) in BARS.items():
        with tempfile.TemporaryDirectory(prefix="promolab-going-") as folder:
            usage = run_watched(["-m", "benchmarks.going_on", str(customers), f"{folder}/shop"])
        found = json.loads(usage.stdout)
        what = f"a simulated shop of {customers:,} goes on"
        yield Row(
            f"{what}: a week drawn", f"≤ {of_week:g} s", f"{found['week']:.2f} s",
            found["week"] <= of_week,
        )  # fmt: skip
        yield Row(
            f"{what}: the truth of a week's promotions", f"≤ {of_values:g} s",
            f"{found['values']:.2f} s", found["values"] <= of_values,
        )  # fmt: skip
        told = f"{found['peak_mb'] / 1024:.2f} GB"
        yield Row(f"{what}, memory", "≤ 3 GB", told, found["peak_mb"] <= MAX_MB)


if __name__ == "__main__":
    print(json.dumps(weeks(int(sys.argv[1]), Path(sys.argv[2]))))
