"""Strategies that adapt: plans over weeks, learned from logs and held against what is simpler."""

from promolab._faces import attach

__getattr__, __dir__, __all__ = attach(__name__, __file__)
