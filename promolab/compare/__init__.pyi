from .backtest import Backtest, pair_features, run_backtest, support
from .backtest import expected_responses as expected_responses
from .backtest import response_ratios as response_ratios
from .leaderboard import compare_models
from .leaderboard_result import BOARD_METRICS as BOARD_METRICS
from .leaderboard_result import Leaderboard
from .past_campaigns import HistoryCurve, history_curve
from .rolling import chosen_features as chosen_features
from .rolling import model_maker as model_maker
from .search import search_options
from .search_result import SearchResult
from .segment_quality import SegmentQuality, quality_by_segment
from .selection import Selection, importance_out_of_time, select_features
from .stability import ColumnStability as ColumnStability
from .stability import stability_selection

__all__ = [
    "Backtest",
    "HistoryCurve",
    "Leaderboard",
    "SearchResult",
    "SegmentQuality",
    "Selection",
    "compare_models",
    "history_curve",
    "importance_out_of_time",
    "pair_features",
    "quality_by_segment",
    "run_backtest",
    "search_options",
    "select_features",
    "stability_selection",
    "support",
]
