"""Could everyone have got every arm, and what are the weighted rows worth?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from promolab.model.uplift.checks_result import Check
from promolab.model.uplift.figures import figure
from promolab.wording import arm_words, count, percent, plural

if TYPE_CHECKING:
    import pandas as pd

    from promolab.contract import Experiment

__all__ = ["check_overlap", "overlap_table"]

EFFECTIVE = 50
"""Independent rows that an arm must be worth after weighting."""
MOST_KEPT = 0.9
"""Share of an arm's rows that must have their like in the other arm for nothing to be said."""
THIN = 0.2
"""Share of its rows that an arm must be worth for nothing to be said."""


def overlap_table(experiment: Experiment, chances: np.ndarray, kept: np.ndarray) -> pd.DataFrame:
    """Return sizes, chances and worth of every arm; see `UpliftChecks`."""
    import pandas as pd

    rows = []
    for arm in range(experiment.K):
        mine = experiment.codes == arm
        possible = chances[chances[:, arm] > 0, arm]
        counts = kept[:, arm - 1] if arm else kept.any(axis=1)
        weight = 1 / chances[mine & counts, arm]
        effective = weight.sum() ** 2 / (weight**2).sum() if len(weight) else 0.0
        pair = 1 / chances[counts][:, [0, arm]]
        even = 4 * len(pair) ** 2 / pair.sum() if arm and len(pair) else np.nan
        rows.append(
            {
                "arm": experiment.arms[arm],
                "n": int(mine.sum()),
                "customers": int(np.count_nonzero(np.bincount(experiment.cluster[mine]))),
                "lowest": float(possible.min()) if len(possible) else np.nan,
                "median": float(np.median(possible)) if len(possible) else np.nan,
                "kept": len(weight) / max(mine.sum(), 1),
                "effective_n": float(effective),
                "effective_share": float(effective / max(len(weight), 1)),
                "even_n": float(even),
            }
        )
    # As objects: beside figures alone, an arm called 1 would become 1.0 in a row.
    return pd.DataFrame(rows).astype({"arm": object})


def check_overlap(experiment: Experiment, overlap: pd.DataFrame) -> Check:
    """Say whether arms and control overlap enough to be compared."""
    name = "overlap"
    worst = overlap.iloc[int(overlap["effective_n"].argmin())]
    told = (
        f"the {plural(worst['n'], 'row')} of {arm_words(worst['arm'])} are worth "
        f"{count(worst['effective_n'])} after weighting (lowest chance {figure(worst['lowest'])})"
    )
    value = float(worst["effective_n"])
    if value < EFFECTIVE:
        return Check(
            name, "refused",
            f"Arms and control hardly overlap: {told}, and {EFFECTIVE} are the least.", value,
        )  # fmt: skip
    few = overlap.iloc[int(overlap["even_n"].fillna(np.inf).argmin())]
    if few["even_n"] < 2 * EFFECTIVE:
        return Check(
            name, "refused",
            f"Hardly anyone could have got {arm_words(few['arm'])} as well as "
            f"{arm_words(experiment.control)}: all is worth an even experiment on "
            f"{plural(int(few['even_n']), 'row')}. Compare those alone who could have got "
            "either: trim='optimal'.", float(few["even_n"]),
        )  # fmt: skip
    lost = overlap.iloc[int(overlap["kept"].argmin())]
    if not experiment.randomised and lost["kept"] < MOST_KEPT:
        return Check(
            name, "warning",
            f"Only {percent(lost['kept'])} of the rows of {arm_words(lost['arm'])} have their like "
            "in the other arm; the effect is told for these alone.", value,
        )  # fmt: skip
    thin = overlap.iloc[int(overlap["effective_share"].argmin())]
    if thin["effective_share"] < THIN:
        return Check(
            name, "warning",
            f"Few rows carry much of the weight: the {plural(thin['n'], 'row')} of "
            f"{arm_words(thin['arm'])} are worth {count(thin['effective_n'])}.", value,
        )  # fmt: skip
    return Check(name, "passed", f"Least: {told}.", value)
