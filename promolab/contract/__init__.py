"""The table contract: what a shop's tables hold, and the checks on them."""

from promolab._faces import attach

__getattr__, __dir__, __all__ = attach(__name__, __file__)
