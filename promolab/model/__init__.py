"""Models of response: encoding, logistic regression, its test out of time."""

from promolab._faces import attach

__getattr__, __dir__, __all__ = attach(__name__, __file__)
