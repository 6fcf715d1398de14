"""From draft to the end: release, reconcile, close."""

from promolab._faces import attach

__getattr__, __dir__, __all__ = attach(__name__, __file__)
