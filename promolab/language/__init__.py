"""The language that a report speaks: messages and names, figures and dates in its habit."""

from promolab._faces import attach

__getattr__, __dir__, __all__ = attach(__name__, __file__)
