"""Drawing on arrays: curves, intervals, bars, heat maps, maps, and the style they share.

Every function takes arrays and ``ax=None`` (a new figure by default) and returns the Axes. Nothing
here knows a result of promolab; nothing changes Matplotlib's settings outside its own call.
"""

from promolab._faces import attach

__getattr__, __dir__, __all__ = attach(__name__, __file__)
