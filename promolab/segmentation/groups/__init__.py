"""Finding groups: what is compared, how many there are, how sure that is."""

from promolab._faces import attach

__getattr__, __dir__, __all__ = attach(__name__, __file__)
