"""What the shop sells, promotions or not: its weeks, and the customers of each month."""

from promolab._faces import attach

__getattr__, __dir__, __all__ = attach(__name__, __file__)
