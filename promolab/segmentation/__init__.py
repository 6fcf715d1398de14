"""Segments of customers, by several methods, with names, evidence and what becomes of them."""

from promolab._faces import attach

__getattr__, __dir__, __all__ = attach(__name__, __file__)
