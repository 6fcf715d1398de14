"""A shop whose true effects are known: for tests, benchmarks and teaching."""

from promolab._faces import attach

__getattr__, __dir__, __all__ = attach(__name__, __file__)
