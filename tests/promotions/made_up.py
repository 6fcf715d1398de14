"""What the small shops of these tests share."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

DAY = pd.Timedelta(days=1)
NOW = pd.Timestamp("2021-03-01")


def dated(rows: Sequence[tuple[Any, ...]], columns: str) -> pd.DataFrame:
    """Return rows of these columns: what happened so many days ago (``ago``) gets its time."""
    frame = pd.DataFrame(rows, columns=columns.split())
    ago = pd.to_timedelta(frame.pop("ago"), unit="D").dt.round("s")
    return frame.assign(ts=NOW - ago)
