"""The shop's products as a graph, and what its paths say of what nobody bought yet."""

from promolab._faces import attach

__getattr__, __dir__, __all__ = attach(__name__, __file__)
