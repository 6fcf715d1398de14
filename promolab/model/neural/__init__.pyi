from .networks import MaskedLoss as MaskedLoss
from .networks import Perceptron as Perceptron
from .networks import encoded as encoded
from .networks import layers as layers
from .training import Schedule as Schedule
from .training import device_of as device_of
from .training import generator_on as generator_on
from .training import hold_out_latest as hold_out_latest
from .training import one_thread as one_thread
from .training import train as train

__all__: list[str] = []
