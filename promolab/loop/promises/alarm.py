"""Whether promises were broken beyond chance, asked anew every week without crying wolf."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from promolab.errors import InputError
from promolab.language import marked
from promolab.loop.promises.matching import TOTALS, whole_weeks
from promolab.loop.promises.rows import PROFIT, SETTLED
from promolab.results import Result
from promolab.wording import number, percent, plural

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import ArrayLike

LEVEL = 0.05
"""Of all false alarms, however many weeks are looked at."""
SIZE = 0.5
"""How far a broken promise is thought to miss: one standard deviation, as a share of it."""
FIRST, LASTS = 0.5, 26.0
"""How likely a planner that breaks promises is thought to do so from the first week on; else weeks
after which, on average, it begins to."""
MEASURE_WORDS = {
    "redemptions": marked("responses"),
    "spend": marked("extra spend"),
    "added_profit": "extra profit",
}


def evidence(off: ArrayLike, spread: ArrayLike, shared: ArrayLike, size: ArrayLike) -> np.ndarray:
    r"""Return how much likelier what came is if promises are broken, after each week.

    A martingale where they are kept, so that it ever reaches 1/α with a chance of at most α (Ville
    1939): a mixture of likelihood ratios. Kept, what came differs from what was said by the noise
    of the readout and by an error that all weeks share, for the same past decisions foretold them;
    broken from week k on, also by a share :math:`\rho \sim N(0, 0.5^2)` of what was said. Half of
    the weight is on the first week, the rest falls geometrically.

    Parameters
    ----------
    off : array-like of shape (…, T)
        What came less what was said; runs may be stacked.
    spread : array-like of shape (T,)
        Standard deviation of that.
    shared : array-like of shape (T,)
        What of it the weeks share. It is counted as shared and as each week's own, for how much of
        it they share is not known: on the safe side.
    size : array-like of shape (T,)
        What a share of the promise is; of logarithms 1.

    Returns
    -------
    ndarray of shape (…, T)

    References
    ----------
    Ville (1939), Étude critique de la notion de collectif; Shafer (2021), Testing by betting,
    JRSS A 184; Shiryaev (1963) for the weights of k.

    Examples
    --------
    >>> evidence([0.1, -0.2], [1.0, 1.0], [0.0, 0.0], [1.0, 1.0]).round(2).tolist()
    [0.95, 0.9]
    """
    y, own = np.asarray(off, dtype=float), np.asarray(spread, dtype=float) ** 2
    common, design = np.asarray(shared, dtype=float), np.asarray(size, dtype=float)
    weeks = y.shape[-1]
    begins = (1 / LASTS) * (1 - 1 / LASTS) ** np.arange(weeks) * (1 - FIRST)
    begins[:1] += FIRST
    later = 1 - np.cumsum(begins)  # those that begin after a week have seen nothing of it yet
    found = np.zeros(y.shape) + later
    pulled = 1 + np.cumsum(common**2 / own)
    drawn = np.cumsum(y * common / own, axis=-1)
    for k in range(weeks):
        x = np.where(np.arange(weeks) >= k, design, 0.0)
        cross = np.cumsum(x * common / own)
        g = np.cumsum(x * x / own) - cross**2 / pulled
        h = np.cumsum(y * x / own, axis=-1) - cross * drawn / pulled
        grown = 1 + SIZE**2 * g
        ratio = np.exp(np.minimum(SIZE**2 * h**2 / (2 * grown), 700.0)) / np.sqrt(grown)
        found += np.where(np.arange(weeks) >= k, begins[k] * ratio, 0.0)
    return np.asarray(found)


@dataclass(frozen=True)
class PromiseAlarm(Result):
    """Whether promises were broken beyond chance; made by `promise_alarm`.

    Parameters
    ----------
    frame : DataFrame
        A row per settled week: week, evidence (of all measures together) and that of each.
    since : str
        The first week at which it rang; empty while it has not.
    measure : str
        Of which it is most certain then.
    ratio : float
        What came over what was said of that, all weeks together.
    level : float
        The most that false alarms may be, over all weeks ever.
    """

    ALT = "How much likelier what came is if promises are broken, after each week."

    frame: pd.DataFrame = field(repr=False)
    since: str
    measure: str
    ratio: float
    level: float = LEVEL

    def __bool__(self) -> bool:
        """Whether a week is settled, so that there is something to tell."""
        return not self.frame.empty

    @property
    def rings(self) -> bool:
        """Whether promises were broken beyond chance."""
        return bool(self.since)

    def summary(self) -> str:
        """Say whether promises were broken beyond chance."""
        if self.frame.empty:
            return "No settled week yet by which promises could be called broken."
        at_most = f"false alarms: at most {percent(self.level, decimals=0)} over all weeks"
        if not self.rings:
            return (
                f"No promise was broken beyond chance in {plural(len(self.frame), 'settled week')} "
                f"({at_most})."
            )
        return (
            f"Promises were broken beyond chance, seen first with week {self.since}: of "
            f"{MEASURE_WORDS[self.measure]} {number(self.ratio)} times as much came as was said "
            f"({at_most}). Look for the reason before the next plan is released."
        )

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the evidence after each week, with the line at which the alarm rings.

        Raises
        ------
        InputError
            No week is settled.
        """
        from promolab import plots

        rows = self.frame
        if rows.empty:
            raise InputError(f"there is nothing to draw: {self.summary()}")
        logs = np.log10(np.maximum(rows["evidence"].to_numpy(dtype=float), 1e-3))
        ax = plots.curve(np.arange(len(rows)), logs, ax=ax)
        plots.reference_line(ax, "horizontal", -math.log10(self.level))
        step = max(-(-len(rows) // 5), 1)
        ax.set_xticks(range(0, len(rows), step), rows["week"].tolist()[::step])
        return plots.finish(
            ax,
            title="Promises were broken beyond chance"
            if self.rings
            else "No promise was broken beyond chance",
            subtitle=f"evidence after each settled week; the alarm rings at the dashed line, "
            f"{percent(self.level, decimals=0)} of false alarms at most over all weeks",
            xlabel="week that was promised",
            ylabel="evidence (each step ten times as much)",
        )


def promise_alarm(rows: pd.DataFrame, level: float = LEVEL) -> PromiseAlarm:
    """Ask whether promises of whole weeks were broken beyond chance.

    The mean of the measures' evidence is evidence again, so that together they ring falsely as
    seldom as one.

    Parameters
    ----------
    rows : DataFrame
        By `promolab.loop.promises.matching.matched`.
    level : float
        The most that false alarms may be, over all weeks ever.
    """
    told: dict[str, pd.Series[float]] = {}
    sums: dict[str, float] = {}
    for measure in TOTALS:
        mine = whole_weeks(rows, measure)
        mine = mine[(mine["state"] == SETTLED) & (mine["spread"] > 0)]
        mine = mine[mine[["off", "spread", "shared", "said"]].notna().all(axis=1)]
        if mine.empty:
            continue
        size = mine["said"].abs() if measure == PROFIT else np.ones(len(mine))
        found = evidence(mine["off"], mine["spread"], mine["shared"], size)
        told[measure] = pd.Series(found, index=mine["week"].to_numpy())
        sums[measure] = float(mine["came"].sum() / mine["said"].sum())
    if not told:
        return PromiseAlarm(pd.DataFrame(columns=["week", "evidence"]), "", "", math.nan, level)
    # A week that settled for one measure alone leaves the others' evidence as it was.
    measures = pd.DataFrame(told).sort_index().ffill()
    frame = pd.DataFrame(measures.where(measures.notna(), 1.0))
    frame.insert(0, "evidence", frame.mean(axis=1))
    frame = frame.reset_index(names="week")
    loud = frame[frame["evidence"] >= 1 / level]
    if loud.empty:
        return PromiseAlarm(frame, "", "", math.nan, level)
    most = str(loud.iloc[0][list(told)].astype(float).idxmax())
    return PromiseAlarm(frame, str(loud["week"].iloc[0]), most, sums[most], level)
