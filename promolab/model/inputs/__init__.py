"""What a model is given: rows and columns as they are read, encoded and dealt into folds."""

from promolab._faces import attach

__getattr__, __dir__, __all__ = attach(__name__, __file__)
