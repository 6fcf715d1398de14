"""The run folder: artifacts, records, locks, weeks, pseudonyms, hashes."""

from promolab._faces import attach

__getattr__, __dir__, __all__ = attach(__name__, __file__)
