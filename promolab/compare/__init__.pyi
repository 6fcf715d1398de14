from .backtest import (
    Backtest,
    expected_responses,
    pair_features,
    response_ratios,
    run_backtest,
    support,
)
from .leaderboard import compare_models
from .leaderboard_result import BOARD_METRICS, Leaderboard
from .past_campaigns import HistoryCurve, history_curve
from .rolling import chosen_features, model_maker
from .search import search_options
from .search_result import SearchResult
from .segment_quality import SegmentQuality, quality_by_segment
from .selection import Selection, importance_out_of_time, select_features
from .stability import ColumnStability, stability_selection

__all__ = [
    "BOARD_METRICS",
    "Backtest",
    "ColumnStability",
    "HistoryCurve",
    "Leaderboard",
    "SearchResult",
    "SegmentQuality",
    "Selection",
    "chosen_features",
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
