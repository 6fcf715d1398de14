"""What each promotion that starts is worth with each customer, from a shop's own decisions."""

from promolab._faces import attach

__getattr__, __dir__, __all__ = attach(__name__, __file__)
