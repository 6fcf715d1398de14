"""Customer profiles: interests, purchasing power, loyalty and habits as 0–100 scores."""

from promolab._faces import attach

__getattr__, __dir__, __all__ = attach(__name__, __file__)
