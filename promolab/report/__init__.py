"""The weekly report: the run of its notebooks, their pages, what is kept of them."""

from promolab._faces import attach

__getattr__, __dir__, __all__ = attach(__name__, __file__)
