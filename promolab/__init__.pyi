from . import compare, explain, metrics, model, widgets
from .abtest import analyze_experiment, assign, plan_experiment
from .adaptive import PlanLearner, PromotionBandit, evaluate_plan
from .cleaning import clean
from .contract import Shop
from .effects import UpliftModel
from .errors import PromolabError
from .features import build_features, build_pairs
from .model import ResponseModel
from .policy import allocate
from .profiles import build_profiles
from .recommend import Recommender
from .report import run_report
from .segmentation import Segmenter
from .serve import LiveFeatures
from .sources import load_experiment, load_labelled, load_shop
from .text import Feedback, Replies

__all__ = [
    "Feedback",
    "LiveFeatures",
    "PlanLearner",
    "PromolabError",
    "PromotionBandit",
    "Recommender",
    "Replies",
    "ResponseModel",
    "Segmenter",
    "Shop",
    "UpliftModel",
    "allocate",
    "analyze_experiment",
    "assign",
    "build_features",
    "build_pairs",
    "build_profiles",
    "clean",
    "compare",
    "evaluate_plan",
    "explain",
    "load_experiment",
    "load_labelled",
    "load_shop",
    "metrics",
    "model",
    "plan_experiment",
    "run_report",
    "widgets",
]

__version__: str
