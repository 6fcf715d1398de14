from .calibration import Calibrator
from .explanation import BLOCK, logits_of, model_features, shapley_parts
from .preparation import Preparation
from .response import ResponseModel
from .saved import read_model, write_model

__all__ = [
    "BLOCK",
    "Calibrator",
    "Preparation",
    "ResponseModel",
    "logits_of",
    "model_features",
    "read_model",
    "shapley_parts",
    "write_model",
]
