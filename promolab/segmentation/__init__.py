"""Segments of customers, by several methods, with names, evidence and what becomes of them."""

from promolab.segmentation.advice import SegmentAdvice, segment_advice
from promolab.segmentation.density_choice import DensitySettings, DistanceCurve
from promolab.segmentation.description import SegmentProfile, describe_segments
from promolab.segmentation.evidence import NumberOfSegments, Stability
from promolab.segmentation.fitted import FittedSegments, SegmentDrift
from promolab.segmentation.method_table import MethodComparison, compare_methods
from promolab.segmentation.methods import METHODS
from promolab.segmentation.migration import Migration, segment_migration
from promolab.segmentation.naming import THEMES, Theme
from promolab.segmentation.plane import SegmentMap
from promolab.segmentation.preparation import DEFAULT_COLUMNS, standardise
from promolab.segmentation.profile_pair import ProfilePair
from promolab.segmentation.representation import SegmentIndex, segment_index
from promolab.segmentation.response_table import SegmentResponse
from promolab.segmentation.responses import benjamini_hochberg, segment_response
from promolab.segmentation.rfm import RFM_GRID, RFM_ORDER, RfmGrid
from promolab.segmentation.segmenter import Segmenter
from promolab.segmentation.track import SegmentTrack, segment_track

__all__ = [
    "DEFAULT_COLUMNS",
    "METHODS",
    "RFM_GRID",
    "RFM_ORDER",
    "THEMES",
    "DensitySettings",
    "DistanceCurve",
    "FittedSegments",
    "MethodComparison",
    "Migration",
    "NumberOfSegments",
    "ProfilePair",
    "RfmGrid",
    "SegmentAdvice",
    "SegmentDrift",
    "SegmentIndex",
    "SegmentMap",
    "SegmentProfile",
    "SegmentResponse",
    "SegmentTrack",
    "Segmenter",
    "Stability",
    "Theme",
    "benjamini_hochberg",
    "compare_methods",
    "describe_segments",
    "segment_advice",
    "segment_index",
    "segment_migration",
    "segment_response",
    "segment_track",
    "standardise",
]
