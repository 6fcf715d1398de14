"""The loop rehearsed on a simulated shop: decide, let the world go on, learn, decide again."""

from promolab._faces import attach

__getattr__, __dir__, __all__ = attach(__name__, __file__)
