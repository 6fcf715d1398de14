"""Files of a folder as tables: found, decoded and read exactly as they are written."""

from promolab._faces import attach

__getattr__, __dir__, __all__ = attach(__name__, __file__)
