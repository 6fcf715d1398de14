"""Segments of customers: k-means, DBSCAN and the RFM grid, with names and evidence."""

from promolab.segmentation.advice import SegmentAdvice, segment_advice
from promolab.segmentation.description import SegmentProfile, describe_segments
from promolab.segmentation.evidence import (
    DistanceCurve,
    NumberOfSegments,
    SegmentMap,
    Stability,
)
from promolab.segmentation.fitted import FittedSegments, SegmentDrift
from promolab.segmentation.migration import Migration, segment_migration
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
    "FittedSegments",
    "Migration",
    "NumberOfSegments",
    "RfmGrid",
    "SegmentAdvice",
    "SegmentDrift",
    "SegmentIndex",
    "SegmentMap",
    "SegmentProfile",
    "Segmenter",
    "Stability",
    "Theme",
    "describe_segments",
    "segment_advice",
    "segment_index",
    "segment_migration",
    "standardise",
]
