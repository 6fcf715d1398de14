"""The RFM grid."""

from __future__ import annotations

import numpy as np

from promolab.segmentation import rfm
from promolab.segmentation.methods._base import Grouped, Method

__all__ = ["Rfm"]


class Rfm(Method):
    """Recency against frequency and money, in fifths; the names are the usual ones."""

    fixed_columns = rfm.RFM_COLUMNS

    def group(self) -> Grouped:
        """Group the customers by the grid."""
        found, codes = np.unique(
            rfm.rfm_segments(*rfm.rfm_scores(self.task.active)), return_inverse=True
        )
        return Grouped(codes, names=[rfm.RFM_ORDER[i] for i in found])

    def refit(self, drawn: np.ndarray) -> np.ndarray:
        """Return the segments of the task's rows in the fifths of a resample."""
        active, rows = self.task.active, self.task.rows
        resample = active.iloc[np.repeat(rows, drawn)]
        return rfm.rfm_segments(*rfm.rfm_scores(active.iloc[rows], resample))
