"""Features and chances of a customer, kept fresh event by event."""

from promolab._faces import attach

__getattr__, __dir__, __all__ = attach(__name__, __file__)
