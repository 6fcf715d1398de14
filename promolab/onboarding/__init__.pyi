from .proposed import propose
from .proposed import write_proposal as write_proposal

__all__ = ["propose"]
