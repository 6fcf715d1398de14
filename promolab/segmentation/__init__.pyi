from .advice import advice_words as advice_words
from .comparison import compare_methods
from .description import SEGMENT_FORMATS as SEGMENT_FORMATS
from .description import SegmentProfile as SegmentProfile
from .description import describe_segments as describe_segments
from .groups.naming import pooled_segments as pooled_segments
from .groups.preparation import APART as APART
from .groups.preparation import DEFAULT_COLUMNS as DEFAULT_COLUMNS
from .groups.preparation import NO_PURCHASES as NO_PURCHASES
from .groups.preparation import NOISE as NOISE
from .groups.rfm import RFM_COLUMNS as RFM_COLUMNS
from .groups.rfm import RFM_ORDER as RFM_ORDER
from .groups.rfm import rfm_names as rfm_names
from .migration import Migration as Migration
from .migration import segment_migration
from .representation import SegmentIndex as SegmentIndex
from .representation import segment_index as segment_index
from .response_rates import sample_customers, segment_history, segment_response
from .segmenter import Segmenter

__all__ = [
    "Segmenter",
    "compare_methods",
    "sample_customers",
    "segment_history",
    "segment_migration",
    "segment_response",
]
