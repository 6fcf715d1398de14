"""What a released week decided, and what it allows now: plan, holdouts, rights, and choices."""

from promolab._faces import attach

__getattr__, __dir__, __all__ = attach(__name__, __file__)
