"""Before an experiment: how many customers, for how long, what it can show and is worth."""

from promolab._faces import attach

__getattr__, __dir__, __all__ = attach(__name__, __file__)
