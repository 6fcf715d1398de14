from .comparable import comparable_promotion as comparable_promotion
from .reading import read_out
from .result import Readout as Readout
from .running import Running as Running
from .running import follow_running

__all__ = ["follow_running", "read_out"]
