"""What changes as weeks go by: features, segments, and the model."""

from promolab._faces import attach

__getattr__, __dir__, __all__ = attach(__name__, __file__)
