from .held_out import hold_out_latest
from .networks import MaskedLoss, Perceptron, encoded, layers
from .training import History, Schedule, device_of, generator_on, train

__all__ = [
    "History",
    "MaskedLoss",
    "Perceptron",
    "Schedule",
    "device_of",
    "encoded",
    "generator_on",
    "hold_out_latest",
    "layers",
    "train",
]
