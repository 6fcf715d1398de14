from .backtest import Backtest as Backtest
from .backtest import expected_responses as expected_responses
from .backtest import response_ratios as response_ratios
from .backtest import run_backtest
from .backtest import support as support
from .cross_validation import pair_features as pair_features
from .leaderboard import Leaderboard as Leaderboard
from .leaderboard import compare_models
from .model_selection import Method as Method
from .model_selection import Replacement as Replacement
from .model_selection import challenge_champion as challenge_champion
from .model_selection import check_methods as check_methods
from .model_selection import choose_method
from .search import Span as Span
from .search import search_options
from .selection import importance_out_of_time, select_features

__all__ = [
    "choose_method",
    "compare_models",
    "importance_out_of_time",
    "run_backtest",
    "search_options",
    "select_features",
]
