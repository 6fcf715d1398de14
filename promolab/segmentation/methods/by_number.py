"""Methods that are told how many segments to make, or choose it."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from promolab.segmentation.choosing import Chosen, choose
from promolab.segmentation.evidence import NumberOfSegments
from promolab.segmentation.methods._base import Grouped, Method
from promolab.wording import plural

__all__ = ["ByNumber"]


class ByNumber(Method):
    """What methods with a number of segments have in common: trying each, and choosing.

    Of more customers than `clustering.SAMPLE_ROWS`, the number is chosen on a sample of so many.
    """

    references = 0
    rule = "silhouette"

    def fit(self, k: int, drawn: np.ndarray | None = None) -> np.ndarray:
        """Return labels of the task's rows; made from a resample of them where one is given."""
        raise NotImplementedError

    def spread(self, labels: np.ndarray) -> np.ndarray:
        """Return labels of all customers, from those of the task's rows."""
        raise NotImplementedError

    @cached_property
    def tried(self) -> list[int]:
        """The numbers of segments that there are customers enough for."""
        task, k = self.task, self.settings.k
        if k is not None:
            return [k] if k <= task.distinct else []
        smallest, largest = self.settings.k_range
        return list(range(smallest, min(largest, task.distinct, len(task.rows) - 1) + 1))

    def group(self) -> Grouped:
        """Group the customers, by the k asked for or the one chosen."""
        if not self.tried:
            asked = self.settings.k if self.settings.k is not None else self.settings.k_range[0]
            return Grouped(
                None,
                f"{plural(len(self.task.active), 'customer')} of "
                f"{plural(self.task.distinct, 'kind')} are too few for "
                f"{plural(asked, 'segment')}, so they form a single one.",
            )
        if self.tried == [1]:
            return Grouped(None)
        k = self.settings.k
        labels = self.fit(k) if k is not None else self.chosen.labels[self.k_chosen]
        if not self.task.resampled:
            return Grouped(labels)
        note = (
            f"How many segments there are was chosen on {plural(self.task.resampled, 'customer')} "
            "drawn at random; all customers were then put into segments."
        )
        return Grouped(self.spread(labels), note if k is None else "")

    @cached_property
    def chosen(self) -> Chosen:
        """Every k with its measures, and the one chosen."""
        return choose(
            self.task.drawn,
            self.tried,
            self.fit,
            self.task.counts,
            self.settings.seed,
            min_share=self.settings.min_share,
            references=self.references and self.settings.references,
        )

    @property
    def k_chosen(self) -> int:
        """The number of segments chosen."""
        return int(self.chosen.table.loc[self.chosen.table["chosen"], "k"].iloc[0])

    @property
    def evidence(self) -> NumberOfSegments | None:
        """How each number of segments does."""
        if not self.tried:
            return None
        return NumberOfSegments(
            self.chosen.table,
            len(self.task.active),
            self.settings.bootstraps,
            self.task.resampled,
            self.references and self.settings.references,
            self.settings.min_share,
            self.rule,
        )

    def refit(self, drawn: np.ndarray) -> np.ndarray:
        """Return the labels of a refit from new random starts."""
        return self.fit(self.k_chosen, drawn)

    def indices(self, codes: np.ndarray) -> np.ndarray:
        """Return the adjusted Rand indices that the choice has reckoned already."""
        return self.chosen.indices[self.k_chosen] if self.tried else np.zeros(0)
