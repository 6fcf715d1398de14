"""What speaks for a segmentation: the choice of its number of segments, and its stability."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from promolab.results import Result
from promolab.segmentation.groups.measures import (
    MIN_SHARE,
    MIN_STABILITY,
    middle,
    rand_indices,
    silhouette,
)
from promolab.wording import count, number, percent, plural

if TYPE_CHECKING:
    from matplotlib.axes import Axes


Fit = Callable[[int, "np.ndarray | None"], np.ndarray]
"""Takes k and how often each row is drawn (None: once each), returns a label for each row."""


@dataclass(frozen=True)
class Chosen:
    """The table of every k, with the labels and the adjusted Rand indices behind it.

    Parameters
    ----------
    frame : DataFrame
        ``k, silhouette, stability`` with the ends of their intervals, ``smallest_share``,
        ``large_enough``, ``fits`` (stable and large enough) and ``chosen``.
    labels, indices : dict
        By k, the label of each row and the adjusted Rand index of each refit.
    """

    frame: pd.DataFrame
    labels: dict[int, np.ndarray]
    indices: dict[int, np.ndarray]


def choose(
    matrix: np.ndarray,
    ks: list[int],
    fit: Fit,
    counts: np.ndarray,
    seed: int,
    *,
    min_share: float = MIN_SHARE,
) -> Chosen:
    """Fit every k, and choose one.

    Parameters
    ----------
    matrix : ndarray of shape (n, d)
    ks : list of int
        Numbers of segments to try.
    fit : callable
        Makes the segments.
    counts : ndarray of shape (draws, n)
        The same resamples serve every k.
    seed : int
    min_share : float
        A k with a segment of a smaller share of customers is marked and not chosen.

    Notes
    -----
    Chosen is the highest silhouette among the k whose stability is at least `MIN_STABILITY` and
    whose smallest segment holds at least ``min_share`` of customers; where no k does both, the most
    stable one of those large enough, and of all where none is. Ties go to the smaller k.
    """
    from tqdm import tqdm

    labels: dict[int, np.ndarray] = {}
    indices: dict[int, np.ndarray] = {}
    rows = []
    for k in tqdm(ks, desc="numbers of segments", disable=None, leave=False):
        labels[k] = base = fit(k, None)
        indices[k] = rand_indices(base, partial(fit, k), counts)
        smallest = np.bincount(base, minlength=k).min() / len(matrix)
        rows.append([k, *silhouette(matrix, base, seed), *middle(indices[k]), smallest])
    names = ["silhouette", "silhouette_low", "silhouette_high"]
    names += ["stability", "stability_low", "stability_high", "smallest_share"]
    table = pd.DataFrame(rows, columns=["k", *names])
    return Chosen(mark_chosen(table, min_share), labels, indices)


def mark_chosen(table: pd.DataFrame, min_share: float) -> pd.DataFrame:
    """Add ``large_enough``, ``fits`` and ``chosen`` by the rule of `choose`."""
    table["large_enough"] = table["smallest_share"] >= min_share
    # Without refits stability is unknown, and forbids nothing.
    table["fits"] = table["large_enough"] & ~(table["stability"] < MIN_STABILITY)
    pool, by = table[table["fits"]], "silhouette"
    if pool.empty:
        pool = table[table["large_enough"]] if table["large_enough"].any() else table
        by = "stability" if table["stability"].notna().any() else "silhouette"
    best = pool[by].fillna(-1.0).round(9).idxmax()
    table["chosen"] = table.index == best
    return table


BLURRED = 0.25
"""Below this mean silhouette groups overlap (Kaufman & Rousseeuw 1990, table 4)."""


def refits_in_words(n: int, resampled: int) -> str:
    """Say how many refits there were, and of whom."""
    text = plural(n, "bootstrap refit")
    return f"{text} of {plural(resampled, 'customer')} drawn at random" if resampled else text


@dataclass(frozen=True)
class NumberOfSegments(Result):
    """How each number of segments does, and which was chosen.

    Parameters
    ----------
    frame : DataFrame
        One row per k: ``k, silhouette, stability`` with ``…_low, …_high``, ``smallest_share``,
        ``fits``, ``chosen``. Where they were reckoned: ``large_enough``.
    customers, bootstraps : int
        Customers grouped, and refits per k.
    resampled : int
        How many customers, drawn at random, the choice was made on; 0 for all.
    min_share : float
        Share of customers below which a segment is too small.
    """

    frame: pd.DataFrame
    customers: int
    bootstraps: int
    resampled: int = 0
    min_share: float = MIN_SHARE

    @property
    def chosen(self) -> int:
        """The number of segments chosen."""
        return int(self.frame.loc[self.frame["chosen"], "k"].iloc[0])

    def summary(self) -> str:
        """Return the k chosen and why, and which k were too small."""
        row = self.frame[self.frame["chosen"]].iloc[0]
        silhouette = number(*row[["silhouette", "silhouette_low", "silhouette_high"]], decimals=2)
        stability = number(*row[["stability", "stability_low", "stability_high"]], decimals=2)
        refits = refits_in_words(self.bootstraps, self.resampled)
        return (
            f"{plural(row['k'], 'segment')}, {self._why(row)}: silhouette {silhouette}, stability "
            f"{stability} over {refits} (n = {count(self.customers)})."
            f"{self._blurred(row)}{self._small()}"
        )

    def _blurred(self, row: pd.Series) -> str:
        """Say where segments have no gaps between them: their borders are drawn, not found."""
        if not row["silhouette_high"] < BLURRED:
            return ""
        return " A silhouette this low means that the segments shade into one another."

    def _why(self, row: pd.Series) -> str:
        if len(self.frame) == 1:
            return "as asked"
        floor = percent(self.min_share, decimals=0)
        if row["fits"]:
            # Without refits nothing is known of stability.
            stable = "are stable and " if self.bootstraps else ""
            return f"the best separated of those that {stable}have no tiny segment"
        if not self.bootstraps:
            return f"the best separated; none has at least {floor} of customers in each segment"
        return (
            f"the most stable; none reached a stability of {MIN_STABILITY} with at least {floor} "
            "of customers in each segment"
        )

    def _small(self) -> str:
        if "large_enough" not in self.frame or len(self.frame) == 1:
            return ""
        # Where none is large enough, one of them was chosen all the same.
        small = self.frame.loc[~self.frame["large_enough"] & ~self.frame["chosen"], "k"]
        if small.empty:
            return ""
        listed = ", ".join(count(k) for k in small)
        floor = percent(self.min_share, decimals=0)
        return f" Not chosen for a segment of fewer than {floor} of customers: {listed}."

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw what the choice rests on against k and return the Axes.

        On a new figure, a panel below shows the smallest segment; on an Axes that is given,
        silhouette and stability alone.
        """
        from promolab.plots import stacked

        if ax is not None or "large_enough" not in self.frame:
            ax = self._plot_separation(ax)
            ax.set_xlabel("number of segments")
            return ax
        upper, lower = stacked([4.0, 1.7])
        self._plot_separation(upper)
        self._plot_size(lower)
        lower.set_xlabel("number of segments")
        return upper

    def _plot_separation(self, ax: Axes | None) -> Axes:
        from promolab import plots

        styles = {"silhouette": "-", "stability": "--"}
        for colour, (name, line) in zip(plots.COLOURS[:2], styles.items(), strict=True):
            low, high = self.frame[f"{name}_low"], self.frame[f"{name}_high"]
            ax = plots.curve(
                self.frame["k"].to_numpy(),
                self.frame[name].to_numpy(),
                low=low.to_numpy(),
                high=high.to_numpy(),
                label=name,
                colour=colour,
                linestyle=line,
                ax=ax,
            )
        assert ax is not None
        chosen = self.frame[self.frame["chosen"]].iloc[0]
        plots.reference_line(ax, "horizontal", MIN_STABILITY, "stable from here on")
        plots.reference_line(ax, "vertical", float(chosen["k"]), "chosen")
        ax.set_xticks(self.frame["k"])
        return plots.finish(
            ax,
            title=f"{plural(chosen['k'], 'segment')}: {self._why(chosen)}",
            subtitle="mean silhouette, 95 %; adjusted Rand index of "
            f"{refits_in_words(self.bootstraps, self.resampled)}, middle 95 %; "
            f"n = {plural(self.customers, 'customer')}",
            ylabel="1 = perfect",
        )

    def _plot_size(self, ax: Axes) -> None:
        from promolab import plots

        enough = self.frame["large_enough"].to_numpy()
        k, share = self.frame["k"].to_numpy(), 100 * self.frame["smallest_share"].to_numpy()
        plots.points(k[enough], share[enough], colour=plots.COLOURS[0], ax=ax)
        if not enough.all():
            plots.points(
                k[~enough], share[~enough], label="too small", colour=plots.COLOURS[1], ax=ax
            )
        floor = percent(self.min_share, decimals=0)
        plots.reference_line(ax, "horizontal", 100 * self.min_share)
        ax.set_ylim(bottom=0)
        plots.finish(
            ax,
            title="",
            subtitle=f"smallest segment, share of customers; dashed: at least {floor}",
            ylabel="%",
        )


@dataclass(frozen=True)
class Stability(Result):
    """How well the segments are found again in resampled customers.

    Parameters
    ----------
    value : float
        Mean adjusted Rand index (Hubert & Arabie 1985) between the segments and those of each
        refit: 1 the same groups, 0 no more alike than by chance; nan for a single segment.
    ci_low, ci_high : float
        The middle 95 % of the refits.
    n : int
        Refits.
    indices : ndarray of shape (n,)
        The index of each refit.
    resampled : int
        How many customers, drawn at random, the refits resample; 0 for all.
    """

    value: float
    ci_low: float
    ci_high: float
    n: int
    indices: np.ndarray
    resampled: int = 0

    def to_frame(self) -> pd.DataFrame:
        """Return one row per refit: ``refit, adjusted_rand_index``."""
        refit = np.arange(1, len(self.indices) + 1)
        return pd.DataFrame({"refit": refit, "adjusted_rand_index": self.indices})

    def summary(self) -> str:
        """Return the stability and what it means."""
        if not np.isfinite(self.value):
            return "Nothing was refitted, so stability is unknown."
        stable = self.value >= MIN_STABILITY
        meaning = "the groups come back" if stable else "the groups change much: use them loosely"
        figure = number(self.value, self.ci_low, self.ci_high, decimals=2)
        return (
            f"Stability {figure} over {refits_in_words(self.n, self.resampled)} "
            f"(1 = the same groups each time): {meaning}."
        )

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw how the refits spread and return the Axes."""
        from matplotlib.ticker import MaxNLocator

        from promolab import plots

        ax = plots.histogram(self.indices, bins=10, high_quantile=1.0, ax=ax)
        plots.reference_line(ax, "vertical", self.value)
        ax.yaxis.set_major_locator(MaxNLocator(integer=True))
        return plots.finish(
            ax,
            title=self.summary().rstrip("."),
            subtitle=f"adjusted Rand index of {refits_in_words(self.n, self.resampled)}; "
            "dashed: mean",
            xlabel="adjusted Rand index",
            ylabel="refits",
        )
