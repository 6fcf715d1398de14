"""The released week in the moment: chances, rights and choices over HTTP, kept fresh by events."""

from promolab._faces import attach

__getattr__, __dir__, __all__ = attach(__name__, __file__)
