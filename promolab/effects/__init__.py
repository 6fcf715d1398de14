"""What a promotion adds: one estimator for experiments, holdouts and comparisons."""

from promolab._faces import attach

__getattr__, __dir__, __all__ = attach(__name__, __file__)
