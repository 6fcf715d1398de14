"""What the step pages show besides the library's own results."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from promolab.wording import count, number, percent

if TYPE_CHECKING:
    import pandas as pd

    from promolab.segmentation import SegmentProfile

__all__ = [
    "segment_columns",
    "segment_formats",
    "segment_rows",
]


def segment_columns() -> dict[str, str]:
    """Return the columns of a segment table and their headings."""
    return {
        "segment": "segment",
        "customers": "customers",
        "share_sales": "share of sales",
        "response_rate": "response rate",
        "interests": "interests",
        "purchasing_power": "purchasing power",
        "loyalty": "loyalty",
        "habits": "habits",
    }


def segment_rows(profile: SegmentProfile) -> pd.DataFrame:
    """Return a row per segment, each figure written with its interval."""
    frame = profile.to_frame()
    writers: dict[str, Callable[..., str]] = dict.fromkeys(
        ("share_sales", "response_rate"), percent
    )
    writers |= dict.fromkeys(("interests", "purchasing_power", "loyalty", "habits"), _score)
    rows = frame.to_dict("records")
    return frame.assign(
        **{
            c: [
                "–" if row[c] != row[c] else write(row[c], row[f"{c}_low"], row[f"{c}_high"])
                for row in rows
            ]
            for c, write in writers.items()
        }
    )


def _score(value: float, low: float, high: float) -> str:
    return number(value, low, high, decimals=0)


def segment_formats() -> dict[str, Callable[[Any], str]]:
    """Return how the columns of `segment_rows` are written: as figures, on the right."""
    return {c: str for c in segment_columns() if c != "segment"} | {"customers": count}
