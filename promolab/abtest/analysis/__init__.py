"""The numbers of an experiment: sums over its rows, and what follows from them."""

from promolab._faces import attach

__getattr__, __dir__, __all__ = attach(__name__, __file__)
