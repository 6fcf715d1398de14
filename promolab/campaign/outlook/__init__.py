"""What the week's promotions will bring and cost, give or take."""

from promolab._faces import attach

__getattr__, __dir__, __all__ = attach(__name__, __file__)
