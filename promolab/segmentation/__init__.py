"""Segments of customers: k-means, DBSCAN and the RFM grid, with names and evidence."""

from promolab.segmentation.description import SegmentProfile, describe_segments
from promolab.segmentation.evidence import (
    DistanceCurve,
    NumberOfSegments,
    SegmentMap,
    Stability,
)
from promolab.segmentation.naming import THEMES, Theme
from promolab.segmentation.preparation import DEFAULT_COLUMNS, standardise
from promolab.segmentation.representation import SegmentIndex, segment_index
from promolab.segmentation.rfm import RFM_GRID, RFM_ORDER, RfmGrid
from promolab.segmentation.segmenter import Segmenter

__all__ = [
    "DEFAULT_COLUMNS",
    "RFM_GRID",
    "RFM_ORDER",
    "THEMES",
    "DistanceCurve",
    "NumberOfSegments",
    "RfmGrid",
    "SegmentIndex",
    "SegmentMap",
    "SegmentProfile",
    "Segmenter",
    "Stability",
    "Theme",
    "describe_segments",
    "segment_index",
    "standardise",
]
