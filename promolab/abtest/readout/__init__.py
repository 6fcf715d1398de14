"""What an experiment showed, day by day and judged: guardrails, segments, money and a verdict."""

from promolab._faces import attach

__getattr__, __dir__, __all__ = attach(__name__, __file__)
