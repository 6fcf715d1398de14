"""Randomised comparisons: who gets what by chance, what that can show, and what it showed."""

from promolab._faces import attach

__getattr__, __dir__, __all__ = attach(__name__, __file__)
