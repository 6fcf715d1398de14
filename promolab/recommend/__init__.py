"""Which products for whom: recommenders, from what sells to who is alike, and who to take."""

from promolab._faces import attach

__getattr__, __dir__, __all__ = attach(__name__, __file__)
