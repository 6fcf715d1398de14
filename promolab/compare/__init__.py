"""Which model, options and columns do best on promotions that none of them had seen."""

from promolab._faces import attach

__getattr__, __dir__, __all__ = attach(__name__, __file__)
