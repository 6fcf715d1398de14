"""A saved model on a file or a table, and smaller models."""

from promolab._faces import attach

__getattr__, __dir__, __all__ = attach(__name__, __file__)
