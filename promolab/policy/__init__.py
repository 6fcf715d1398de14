"""Who gets what inside the budget, and what that is worth."""

from promolab._faces import attach

__getattr__, __dir__, __all__ = attach(__name__, __file__)
