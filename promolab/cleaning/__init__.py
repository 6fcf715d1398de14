"""Clean a shop: rules by name, every row that goes is in the quarantine with its reason.

This room alone removes rows. It nets nothing: amounts and quantities of returns and cancels are
only brought to one sign (0 or more), and the features set them against their orders.
"""

from promolab._faces import attach

__getattr__, __dir__, __all__ = attach(__name__, __file__)
