"""The best allocation inside a budget and limits: hulls, prices, small programs, and the proof."""

from promolab._faces import attach

__getattr__, __dir__, __all__ = attach(__name__, __file__)
