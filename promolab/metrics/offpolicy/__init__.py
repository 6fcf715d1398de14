"""What another policy would have earned, from decisions that were logged with their chances."""

from promolab._faces import attach

__getattr__, __dir__, __all__ = attach(__name__, __file__)
