"""What was said of each week, what happened, how well the two agree, and when they do not."""

from promolab._faces import attach

__getattr__, __dir__, __all__ = attach(__name__, __file__)
