"""Features: what is known about customers, and customers and promotions, before a date."""

from promolab._faces import attach

__getattr__, __dir__, __all__ = attach(__name__, __file__)
