"""How good a prediction, a ranking or a policy is, with intervals that know whose rows repeat."""

from promolab._faces import attach

__getattr__, __dir__, __all__ = attach(__name__, __file__)
