"""The language that a report speaks: messages from a catalogue, figures and dates in its habit."""

from promolab._faces import attach

__getattr__, __dir__, __all__ = attach(__name__, __file__)
