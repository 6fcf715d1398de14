from .density_choice import DensitySettings, DistanceCurve
from .evidence import NumberOfSegments, Stability
from .fitted import FittedSegments, SegmentDrift
from .preparation import APART, DEFAULT_COLUMNS, NO_HISTORY, has_history, standardise
from .representation import SegmentIndex, SegmentMap, segment_index
from .rfm import RFM_COLUMNS, RFM_GRID, RFM_ORDER, RfmGrid, rfm_scores, rfm_segments

__all__ = [
    "APART",
    "DEFAULT_COLUMNS",
    "NO_HISTORY",
    "RFM_COLUMNS",
    "RFM_GRID",
    "RFM_ORDER",
    "DensitySettings",
    "DistanceCurve",
    "FittedSegments",
    "NumberOfSegments",
    "RfmGrid",
    "SegmentDrift",
    "SegmentIndex",
    "SegmentMap",
    "Stability",
    "has_history",
    "rfm_scores",
    "rfm_segments",
    "segment_index",
    "standardise",
]
