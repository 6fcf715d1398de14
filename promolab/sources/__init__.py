"""Where a shop comes from: one contract row per source row, nothing dropped."""

from promolab._faces import attach

__getattr__, __dir__, __all__ = attach(__name__, __file__)
