"""What every result can do: become a frame, a dict, sentences, HTML and a figure."""

from __future__ import annotations

import dataclasses
import html
import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Estimate", "Result", "plain"]


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
        The figure and the ends of its confidence interval, in the figure's own unit.
    n : int
        Rows behind it.

    Examples
    --------
    >>> Estimate(0.212, 0.18, 0.243, 900).to_dict()
    {'value': 0.212, 'ci_low': 0.18, 'ci_high': 0.243, 'n': 900}
    """

    value: float
    ci_low: float
    ci_high: float
    n: int

    def to_dict(self) -> dict[str, Any]:
        """Return the four fields as plain Python values."""
        return {name: plain(getattr(self, name)) for name in ("value", "ci_low", "ci_high", "n")}


class Result:
    """Mixin of the frozen results: compute once, then look at it in any form.

    A result is a frozen dataclass that inherits from this and defines `to_frame` and `summary`;
    where there is a figure it defines ``plot(ax=None) -> Axes`` as well.
    """

    def to_frame(self) -> pd.DataFrame:
        """Return the result as a table."""
        raise NotImplementedError

    def summary(self) -> str:
        """Return the result in one to three plain sentences."""
        raise NotImplementedError

    def to_dict(self) -> dict[str, Any]:
        """Return the scalar fields and estimates as plain values, ready for JSON."""
        fields = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}  # type: ignore[arg-type]
        scalar = (bool, int, float, str, Estimate, type(None))
        return {
            name: plain(value)
            for name, value in fields.items()
            if isinstance(value, scalar) or (hasattr(value, "ndim") and value.ndim == 0)
        }

    def _repr_html_(self) -> str:
        frame = self.to_frame()
        table = frame.head(10).to_html(
            escape=True, border=0, index=False, float_format="{:,.4g}".format
        )
        more = f"<p>10 of {len(frame):,} rows</p>" if len(frame) > 10 else ""
        return f"<p>{html.escape(self.summary())}</p>{table}{more}"
