"""What a model goes by: importance, dependence, one customer, rules."""

from promolab._faces import attach

__getattr__, __dir__, __all__ = attach(__name__, __file__)
