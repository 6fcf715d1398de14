"""The statistics that every room needs, once: quantiles, intervals, two arms, many tests, folds."""

from promolab._faces import attach

__getattr__, __dir__, __all__ = attach(__name__, __file__)
