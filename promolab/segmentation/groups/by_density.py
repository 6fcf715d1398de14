"""DBSCAN and HDBSCAN: groups where customers lie close together; the rest are unlike any group."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property, partial

import numpy as np
import pandas as pd

from promolab.segmentation.groups import density_choice as density
from promolab.segmentation.groups.density_choice import DensitySettings, DistanceCurve, sampled_note
from promolab.segmentation.groups.measures import middle, rand_indices, silhouette
from promolab.segmentation.groups.method import Grouped, Method, Task
from promolab.wording import percent, plural

EPS_TIMES = (0.7, 0.85, 1.0, 1.15, 1.3)
"""The eps that are shown beside the one chosen, as its multiples."""
FLOORS = (0.01, 0.02, 0.05, 0.1)
"""The smallest groups that are shown beside the one chosen, as shares of customers."""


class ByDensity(Method):
    """What the two have in common: a setting, what it leaves out, and what others would."""

    drawn_only = True
    what = ""

    def __init__(self, task: Task) -> None:
        super().__init__(task)
        # The setting chosen is asked for three times: grouped, shown among others, judged.
        self._groups: dict[float, np.ndarray] = {}
        self._agreement: dict[float, np.ndarray] = {}

    @property
    def how(self) -> str:
        """How the setting was chosen."""
        raise NotImplementedError

    @property
    def near(self) -> int:
        """Customers that make a neighbourhood dense."""
        return self.settings.min_samples or max(5, 2 * len(self.task.columns))

    @property
    def setting(self) -> float:
        """The setting chosen."""
        raise NotImplementedError

    def settings_shown(self) -> list[float]:
        """Return the settings whose groups are shown, in ascending order."""
        raise NotImplementedError

    def labels(self, setting: float, drawn: np.ndarray | None = None) -> np.ndarray:
        """Return the labels of the task's rows at a setting; of a resample of them if drawn."""
        raise NotImplementedError

    def refit(self, drawn: np.ndarray) -> np.ndarray:
        """Return the labels of a resample at the same setting."""
        return self.labels(self.setting, drawn)

    def indices(self, codes: np.ndarray) -> np.ndarray:
        """Return the adjusted Rand indices of refits at the setting."""
        return self._refits(self.setting)

    def _whole(self, setting: float) -> np.ndarray:
        if setting not in self._groups:
            self._groups[setting] = self.labels(setting)
        return self._groups[setting]

    def _refits(self, setting: float) -> np.ndarray:
        if setting not in self._agreement:
            codes, refit = self._whole(setting), partial(self.labels, setting)
            # Where no group is found there is none to find again.
            counts = self.task.counts if (codes >= 0).any() else self.task.counts[:0]
            self._agreement[setting] = rand_indices(codes, refit, counts, drawn_only=True)
        return self._agreement[setting]

    def _alone(self) -> Grouped | None:
        """The customers as a single segment, where they are too few or alike."""
        if not self.task.columns:
            return Grouped(None, "All customers are alike, so they form a single segment.")
        if len(self.task.active) < self.near:
            return Grouped(
                None,
                f"{plural(len(self.task.active), 'customer')} are fewer than the {self.near} that "
                "a group needs, so they form a single segment.",
            )
        return None

    @cached_property
    def around(self) -> DensitySettings:
        """What the settings nearby would do."""
        from tqdm import tqdm

        shown = tqdm(self.settings_shown(), desc="settings", disable=None, leave=False)
        table = pd.DataFrame([self._row(setting) for setting in shown])
        table["chosen"] = table["setting"] == self.setting
        return DensitySettings(
            table,
            self.what,
            len(self.task.active),
            self.settings.bootstraps,
            self.task.resampled,
            self.settings.min_share,
            self.how,
        )

    def _row(self, setting: float) -> dict[str, float]:
        codes = self._whole(setting)
        sizes = np.bincount(codes[codes >= 0]) / len(codes)
        smallest = float(sizes.min()) if len(sizes) else np.nan
        found = {"setting": setting, "k": len(sizes), "noise_share": float((codes < 0).mean())}
        found |= {"smallest_share": smallest, "large_enough": smallest >= self.settings.min_share}
        for name, three in (
            ("silhouette", silhouette(self.task.drawn, codes, self.settings.seed)),
            ("stability", middle(self._refits(setting))),
        ):
            found |= dict(zip((name, f"{name}_low", f"{name}_high"), three, strict=True))
        return found


class Dbscan(ByDensity):
    """DBSCAN (Ester et al. 1996), its neighbourhood at the knee of the distances."""

    what = "eps (standard deviations)"

    @property
    def how(self) -> str:
        """How eps was chosen."""
        return "at the knee of the distances" if self.settings.eps is None else "as asked"

    @cached_property
    def _distances(self) -> tuple[np.ndarray, float]:
        return density.distance_knee(self.task.drawn, self.near)

    @property
    def setting(self) -> float:
        """The neighbourhood, in standard deviations."""
        return self.settings.eps or self._distances[1]

    def settings_shown(self) -> list[float]:
        """Return eps and its neighbours."""
        return [times * self.setting for times in EPS_TIMES]

    def labels(self, setting: float, drawn: np.ndarray | None = None) -> np.ndarray:
        """Return the labels at an eps."""
        return density.dbscan(self.task.drawn, setting, self.near, weights=drawn)

    def group(self) -> Grouped:
        """Group the customers."""
        alone = self._alone()
        if alone is not None:
            return alone
        codes = self._whole(self.setting)
        found = density.joined(self.task.matrix, self.task.rows, codes, self.setting)
        note = sampled_note(self.task.resampled)
        if (found < 0).all():
            note = f"No dense group was found at eps = {self.setting:.3g}; try a larger eps."
        return Grouped(found, note)

    @property
    def _curve(self) -> DistanceCurve | None:
        if not self.task.columns:
            return None
        given = self.settings.eps is not None
        return DistanceCurve(self._distances[0], self.setting, self.near, given)

    @property
    def evidence(self) -> DistanceCurve | None:
        """The distances that the neighbourhood is cut from, and what others would do."""
        curve = self._curve
        if curve is None or self._alone() is not None:
            return curve
        return replace(curve, around=self.around)


class Hdbscan(ByDensity):
    """HDBSCAN (Campello et al. 2013): dense groups of whatever density, none below the floor."""

    what = "customers of the smallest group"

    @property
    def how(self) -> str:
        """How the floor was chosen."""
        return f"at least {percent(self.settings.min_share, decimals=0)} of customers"

    @property
    def setting(self) -> float:
        """Customers of the smallest group, among the task's rows."""
        return float(self._smallest(self.settings.min_share))

    def _smallest(self, share: float) -> int:
        return max(5, int(np.ceil(share * len(self.task.rows))))

    def settings_shown(self) -> list[float]:
        """Return the smallest groups that are tried."""
        return sorted({self.setting, *(float(self._smallest(share)) for share in FLOORS)})

    def labels(self, setting: float, drawn: np.ndarray | None = None) -> np.ndarray:
        """Return the labels where the smallest group has so many customers."""
        matrix = self.task.drawn
        if drawn is None:
            return density.hdbscan(matrix, int(setting), self.near)
        # It knows no weights: a customer drawn twice is there twice.
        rows = np.repeat(np.arange(len(matrix)), drawn)
        found = np.full(len(matrix), -1)
        found[rows] = density.hdbscan(matrix[rows], int(setting), self.near)
        return found

    def group(self) -> Grouped:
        """Group the customers."""
        alone = self._alone()
        if alone is not None:
            return alone
        task, codes = self.task, self._whole(self.setting)
        found = codes
        if task.resampled and (codes >= 0).any():
            reach = density.nearest_distances(task.drawn, codes)
            found = density.joined(task.matrix, task.rows, codes, reach)
        elif task.resampled:
            found = np.full(len(task.active), -1)
        how = "the nearest of them, if it lies as near as members of it lie to each other"
        note = sampled_note(task.resampled, how)
        if (found < 0).all():
            note = (
                f"No dense group of {plural(int(self.setting), 'customer')} was found; try a "
                "smaller min_share."
            )
        return Grouped(found, note)

    @property
    def evidence(self) -> DensitySettings | None:
        """What other sizes of the smallest group would do."""
        return None if self._alone() is not None else self.around
