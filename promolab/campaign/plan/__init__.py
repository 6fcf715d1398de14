"""Whom a week's promotions go to: rights, limits, funnel, holdouts, send files."""

from promolab._faces import attach

__getattr__, __dir__, __all__ = attach(__name__, __file__)
