"""The numbers of an experiment: moments added up in the engine, and what follows from them."""

from promolab._faces import attach

__getattr__, __dir__, __all__ = attach(__name__, __file__)
