"""The ways of grouping customers, one class each, behind `Segmenter`."""

from promolab._faces import attach

__getattr__, __dir__, __all__ = attach(__name__, __file__)
