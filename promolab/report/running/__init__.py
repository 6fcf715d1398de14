"""How a report is made: parameters, kernels, pages, what is kept of it."""

from promolab._faces import attach

__getattr__, __dir__, __all__ = attach(__name__, __file__)
