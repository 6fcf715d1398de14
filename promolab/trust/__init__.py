"""Trust: privacy, learning together, fairness of benefit, cards, and the right to be forgotten."""

from promolab._faces import attach

__getattr__, __dir__, __all__ = attach(__name__, __file__)
