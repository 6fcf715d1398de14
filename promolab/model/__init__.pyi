from .calibration import Calibrator as Calibrator
from .explanation import BLOCK as BLOCK
from .explanation import logits_of as logits_of
from .explanation import model_features as model_features
from .explanation import shapley_parts as shapley_parts
from .explanation import shuffled_logits as shuffled_logits
from .preparation import Preparation
from .privacy import Privacy as Privacy
from .privacy import private_sums as private_sums
from .privacy import solve_sums as solve_sums
from .privacy import uniforms as uniforms
from .response import ArrayModel as ArrayModel
from .response import ResponseModel

__all__ = ["Preparation", "ResponseModel"]
