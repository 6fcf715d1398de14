from .backtest import (
    Backtest,
    expected_responses,
    pair_features,
    response_ratios,
    run_backtest,
    support,
)
from .calibration import CalibrationComparison, calibration_out_of_time, compare_calibration
from .importance import importance_out_of_time
from .leaderboard import compare_models
from .leaderboard_result import BOARD_METRICS, Leaderboard
from .past_campaigns import HistoryCurve, history_curve
from .rolling import chosen_features, model_maker
from .search import search_options
from .search_result import SearchResult
from .segment_quality import SegmentQuality, quality_by_segment
from .selection import Selection, select_features
from .stability import ColumnStability, stability_selection

__all__ = [
    "BOARD_METRICS",
    "Backtest",
    "CalibrationComparison",
    "ColumnStability",
    "HistoryCurve",
    "Leaderboard",
    "SearchResult",
    "SegmentQuality",
    "Selection",
    "calibration_out_of_time",
    "chosen_features",
    "compare_calibration",
    "compare_models",
    "expected_responses",
    "history_curve",
    "importance_out_of_time",
    "model_maker",
    "pair_features",
    "quality_by_segment",
    "response_ratios",
    "run_backtest",
    "search_options",
    "select_features",
    "stability_selection",
    "support",
]
