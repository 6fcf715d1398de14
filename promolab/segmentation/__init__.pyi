from .advice import SegmentAdvice, segment_advice
from .description import ProfilePair, SegmentProfile, describe_segments
from .method_table import WORDS, MethodComparison, compare_methods
from .migration import Migration, SegmentTrack, segment_migration, segment_track
from .naming import THEMES, Theme
from .responses import SegmentResponse, segment_response
from .segmenter import Segmenter

__all__ = [
    "THEMES",
    "WORDS",
    "MethodComparison",
    "Migration",
    "ProfilePair",
    "SegmentAdvice",
    "SegmentProfile",
    "SegmentResponse",
    "SegmentTrack",
    "Segmenter",
    "Theme",
    "compare_methods",
    "describe_segments",
    "segment_advice",
    "segment_migration",
    "segment_response",
    "segment_track",
]
