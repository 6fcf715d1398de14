"""How well a score finds those whom a promotion changes: uplift curves, Qini, TOC, intervals."""

from promolab._faces import attach

__getattr__, __dir__, __all__ = attach(__name__, __file__)
