"""Life stages and advice as tables that a reader can take in."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from promolab.wording import count, percent

if TYPE_CHECKING:
    import pandas as pd

    from promolab.profiles import LifeStages

__all__ = ["advice_columns", "stage_columns", "stage_formats", "stage_rows"]

_SHARES = ("share_customers", "share_sales", "share_sales_28d")


def stage_columns() -> dict[str, str]:
    """Return the columns of `stage_rows` and their headings."""
    return {
        "stage": "stage",
        "customers": "customers",
        "share_customers": "share of customers",
        "share_sales_28d": "sales, last 28 days",
        "share_sales": "sales so far",
        "meaning": "who",
    }


def stage_rows(stages: LifeStages) -> pd.DataFrame:
    """Return a row per stage, each share written with its interval."""
    frame = stages.to_frame()
    for name in _SHARES:
        figures = frame[[name, f"{name}_low", f"{name}_high"]].to_numpy(dtype=float)
        frame[name] = [_written(*row) for row in figures.tolist()]
    return frame


def _written(value: float, low: float, high: float) -> str:
    if value != value:
        return "–"
    # Nothing by definition has no interval.
    return percent(value, decimals=0) if low == high else percent(value, low, high)


def stage_formats() -> dict[str, Callable[[Any], str]]:
    """Return how the columns of `stage_rows` are written: figures on the right."""
    return {"customers": count, **dict.fromkeys(_SHARES, str)}


def advice_columns() -> dict[str, str]:
    """Return the columns of a table of `SegmentAdvice`, and their headings."""
    return {
        "segment": "segment",
        "customers": "customers",
        "so_do_this": "so do this",
        "because": "because",
    }
