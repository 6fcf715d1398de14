"""What every result can do: become a frame, a dict, sentences, a table, a figure and a file.

A result computes; its words, table and picture stand in ``words.toml`` beside its room's modules
(docs/results.md).
"""

from promolab._faces import attach

__getattr__, __dir__, __all__ = attach(__name__, __file__)
