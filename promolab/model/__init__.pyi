from .backtest import pair_features, run_backtest
from .backtest_result import Backtest
from .calibration import Calibrator
from .calibration_result import (
    CalibrationComparison,
    calibration_out_of_time,
    compare_calibration,
)
from .covariance import sandwich
from .credibility import PastRatios, past_ratios
from .dependence import partial_dependence
from .dependence_result import Dependence
from .drawing import plot_tree
from .elastic_net import fit_elastic_net
from .encoding import Encoder
from .epochs import LearningByEpoch, learning_by_epoch, plot_epochs
from .experience import support
from .explanation import shapley_parts
from .explanation_result import Explanation, explain_row
from .grid import fill_grid, score_grid
from .importance import importance_out_of_time, permutation_importance
from .importance_result import Importance
from .leaderboard import compare_models
from .leaderboard_result import Leaderboard
from .logistic import fit_logistic
from .native import NativeEncoder
from .partial_pooling import fit_pooled
from .past_campaigns import HistoryCurve, history_curve
from .penalty import choose_l2
from .preparation import Preparation
from .response import ResponseModel
from .rules import TreeRules, tree_rules
from .scoring import Scored, score_file
from .search import search_options
from .search_result import SearchResult
from .segment_quality import SegmentQuality, quality_by_segment
from .selection import select_features
from .selection_result import Selection
from .shrink_result import Shrunk
from .shrinking import shrink
from .spread import Spread, random_effects
from .stability import Stability, stability_selection
from .time_split import split_in_time
from .uplift import UpliftModel

__all__ = [
    "Backtest",
    "CalibrationComparison",
    "Calibrator",
    "Dependence",
    "Encoder",
    "Explanation",
    "HistoryCurve",
    "Importance",
    "Leaderboard",
    "LearningByEpoch",
    "NativeEncoder",
    "PastRatios",
    "Preparation",
    "ResponseModel",
    "Scored",
    "SearchResult",
    "SegmentQuality",
    "Selection",
    "Shrunk",
    "Spread",
    "Stability",
    "TreeRules",
    "UpliftModel",
    "calibration_out_of_time",
    "choose_l2",
    "compare_calibration",
    "compare_models",
    "explain_row",
    "fill_grid",
    "fit_elastic_net",
    "fit_logistic",
    "fit_pooled",
    "history_curve",
    "importance_out_of_time",
    "learning_by_epoch",
    "pair_features",
    "partial_dependence",
    "past_ratios",
    "permutation_importance",
    "plot_epochs",
    "plot_tree",
    "quality_by_segment",
    "random_effects",
    "run_backtest",
    "sandwich",
    "score_file",
    "score_grid",
    "search_options",
    "select_features",
    "shapley_parts",
    "shrink",
    "split_in_time",
    "stability_selection",
    "support",
    "tree_rules",
]
