"""What the week's budget buys: who gets which promotion, what that adds, and how sure that is."""

from promolab._faces import attach

__getattr__, __dir__, __all__ = attach(__name__, __file__)
