"""What a way of grouping is given, and what it has to say."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import ClassVar

import numpy as np
import pandas as pd

from promolab.errors import InputError
from promolab.segmentation.groups.density_choice import DensitySettings, DistanceCurve
from promolab.segmentation.groups.measures import (
    MIN_SHARE,
    bootstrap_counts,
    rand_indices,
    sample_rows,
)
from promolab.segmentation.groups.number import NumberOfSegments

Evidence = NumberOfSegments | DensitySettings | DistanceCurve
"""What the choice of a setting rests on."""


@dataclass(frozen=True)
class Request:
    """What a `Segmenter` was asked for; see there."""

    k: int | None = None
    k_range: tuple[int, int] = (3, 8)
    columns: Sequence[str] | None = None
    seed: int = 0
    bootstraps: int = 20
    eps: float | None = None
    min_samples: int | None = None
    min_share: float = MIN_SHARE

    def __post_init__(self) -> None:
        if self.k is not None and self.k < 1:
            raise InputError(f"k = {self.k}; expected at least 1 segment, or None to choose")
        if not 2 <= self.k_range[0] <= self.k_range[1]:
            raise InputError(f"k_range = {self.k_range}; expected (smallest, largest), from 2 on")
        if self.bootstraps < 0:
            raise InputError(f"bootstraps = {self.bootstraps}; expected 0 or more refits")
        if self.eps is not None and not self.eps > 0:
            raise InputError(f"eps = {self.eps}; expected a distance above 0, or None to choose")
        if self.min_samples is not None and self.min_samples < 1:
            raise InputError(f"min_samples = {self.min_samples}; expected at least 1 customer")
        if isinstance(self.columns, str):
            raise InputError(f"columns = {self.columns!r}; expected a list: [{self.columns!r}]")
        if not 0 <= self.min_share < 0.5:
            raise InputError(
                f"min_share = {self.min_share}; expected a share of customers, such as 0.02"
            )


@dataclass(frozen=True)
class Task:
    """Customers to be grouped.

    Parameters
    ----------
    active : DataFrame of n rows
        The customers who bought, sorted by id.
    matrix : ndarray of shape (n, d)
        Their features, standardised.
    columns : tuple of str
        The d features.
    settings : Request
    """

    active: pd.DataFrame = field(repr=False)
    matrix: np.ndarray = field(repr=False)
    columns: tuple[str, ...]
    settings: Request

    @cached_property
    def rows(self) -> np.ndarray:
        """The rows that what is refitted, or looks at all pairs, is made from."""
        return sample_rows(len(self.active), self.settings.seed)

    @property
    def resampled(self) -> int:
        """How many rows are drawn at random; 0 where all are taken."""
        return len(self.rows) if len(self.rows) < len(self.active) else 0

    @cached_property
    def drawn(self) -> np.ndarray:
        """The matrix of `rows`."""
        return np.ascontiguousarray(self.matrix[self.rows]) if self.resampled else self.matrix

    @cached_property
    def counts(self) -> np.ndarray:
        """How often each of `rows` is drawn in each bootstrap resample."""
        return bootstrap_counts(len(self.rows), self.settings.bootstraps, self.settings.seed)

    @cached_property
    def distinct(self) -> int:
        """Different customers among `rows`."""
        return len(np.unique(self.drawn, axis=0)) if self.columns else 1


@dataclass(frozen=True)
class Grouped:
    """What a method made of a task.

    Parameters
    ----------
    codes : ndarray of shape (n,), or None
        The group of each customer, −1 for none; None where all form a single segment.
    note : str
        What a reader must know, else empty.
    names : list of str, optional
        Where the method brings its own: the name of each code.
    """

    codes: np.ndarray | None
    note: str = ""
    names: list[str] | None = None


class Method(ABC):
    """One way of grouping customers; `Segmenter` is the door to it.

    Parameters
    ----------
    task : Task
        The customers.
    """

    fixed_columns: ClassVar[tuple[str, ...] | None] = None
    """The features that it looks at, whatever is asked for."""
    has_centres: ClassVar[bool] = False
    """Whether each customer is in the segment of the nearest centre."""
    drawn_only: ClassVar[bool] = False
    """Whether refits label only the customers who were drawn."""

    def __init__(self, task: Task) -> None:
        self.task = task
        self.settings = task.settings

    @abstractmethod
    def group(self) -> Grouped:
        """Group the customers."""

    @abstractmethod
    def refit(self, drawn: np.ndarray) -> np.ndarray:
        """Return the labels of the task's `rows`, of shape (m,), made from a resample of them."""

    @property
    def evidence(self) -> Evidence | None:
        """What the choice of its setting rests on; None where nothing was chosen."""
        return None

    def indices(self, codes: np.ndarray) -> np.ndarray:
        """Return the adjusted Rand index of each refit with the codes of all n customers."""
        task = self.task
        return rand_indices(codes[task.rows], self.refit, task.counts, drawn_only=self.drawn_only)
