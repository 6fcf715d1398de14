"""What customers write: reviews and their topics, questions and the fitting reply."""

from promolab._faces import attach

__getattr__, __dir__, __all__ = attach(__name__, __file__)
