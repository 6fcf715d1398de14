"""Ways of predicting, by name; each is imported when it is first asked for."""

from promolab._faces import attach

__getattr__, __dir__, __all__ = attach(__name__, __file__)
