from .backtest import pair_features, run_backtest
from .backtest_result import Backtest
from .covariance import sandwich
from .encoding import Encoder
from .experience import support
from .logistic import fit_logistic
from .penalty import choose_l2
from .response import ResponseModel
from .spread import Spread, random_effects

__all__ = [
    "Backtest",
    "Encoder",
    "ResponseModel",
    "Spread",
    "choose_l2",
    "fit_logistic",
    "pair_features",
    "random_effects",
    "run_backtest",
    "sandwich",
    "support",
]
