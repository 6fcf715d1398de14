"""Which of a promotion's coupons or products for whom."""

from promolab._faces import attach

__getattr__, __dir__, __all__ = attach(__name__, __file__)
