"""What a promotion costs and earns: its terms, what they take off, and who pays."""

from promolab._faces import attach

__getattr__, __dir__, __all__ = attach(__name__, __file__)
