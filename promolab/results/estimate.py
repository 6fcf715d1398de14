"""A figure with its interval, and values made plain."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable
from typing import Any


def plain(value: Any) -> Any:
    """Return ``value`` made of plain Python types that JSON can hold; nan and infinity become None.

    Examples
    --------
    >>> import numpy as np
    >>> plain({"n": np.int64(3), "x": float("nan"), "when": [np.float64(0.5)]})
    {'n': 3, 'x': None, 'when': [0.5]}
    """
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    if isinstance(value, Estimate):
        return value.to_dict()
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, (bool, int, str)):
        return value
    return str(value)


@dataclasses.dataclass(frozen=True)
class Estimate:
    """A figure with its interval and the number of rows behind it.

    Parameters
    ----------
    value, ci_low, ci_high : float
        The figure and the ends of its confidence interval, in the figure's own unit; nan where they
        are not known.
    n : int
        Rows behind it.

    Examples
    --------
    >>> Estimate(0.212, 0.18, 0.243, 900).to_dict()
    {'value': 0.212, 'ci_low': 0.18, 'ci_high': 0.243, 'n': 900}
    >>> Estimate(0.212, 0.18, 0.243, 900) * 100
    Estimate(value=21.2, ci_low=18.0, ci_high=24.3, n=900)
    >>> Estimate(-2.0, -3.0, -1.0).side, Estimate(-2.0, -3.0, -1.0).size.ends
    ('below', (2.0, 1.0, 3.0))
    """

    value: float
    ci_low: float = math.nan
    ci_high: float = math.nan
    n: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Return the four fields as plain Python values."""
        return {f.name: plain(getattr(self, f.name)) for f in dataclasses.fields(self)}

    @classmethod
    def of(cls, ends: Iterable[float | None], n: int = 0) -> Estimate:
        """Make it of value, low and high, as `ends` gives them; None is not known."""
        value, low, high = (math.nan if end is None else float(end) for end in ends)
        return cls(value, low, high, n)

    @property
    def ends(self) -> tuple[float, float, float]:
        """Value, low and high, as the functions of `promolab.wording` take them."""
        return self.value, self.ci_low, self.ci_high

    @property
    def side(self) -> str:
        """Where its interval lies: ``above`` 0, ``below``, ``unsure``, ``unknown`` without one."""
        return self.side_of(0.0)

    def side_of(self, reference: float) -> str:
        """Return `side` of another figure than 0, such as 1 for a ratio."""
        if math.isnan(self.ci_low) or math.isnan(self.ci_high):
            return "unknown"
        if self.ci_low > reference:
            return "above"
        return "below" if self.ci_high < reference else "unsure"

    @property
    def size(self) -> Estimate:
        """The same as so much more or less than 0: turned round where it is negative."""
        return self * -1 if self.value < 0 else self

    @property
    def direction(self) -> str:
        """``more`` or ``less``, than 0, whatever the interval says."""
        return "less" if self.value < 0 else "more"

    def __mul__(self, factor: float) -> Estimate:
        low, high = sorted((self.ci_low * factor, self.ci_high * factor))
        return Estimate(self.value * factor, low, high, self.n)
