"""How a result becomes a piece of a page: sentences, tables, tiles, pictures."""

from promolab._faces import attach

__getattr__, __dir__, __all__ = attach(__name__, __file__)
