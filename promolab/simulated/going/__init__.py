"""A simulated shop that goes on week by week with the assignments it is given."""

from promolab._faces import attach

__getattr__, __dir__, __all__ = attach(__name__, __file__)
