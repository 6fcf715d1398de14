"""Which customers should get which promotion, and did last week's promotions really work?

The names an analyst types are here, each imported when it is first used::

    import promolab

    shop, cleaning = promolab.clean(promolab.load_shop("complete_journey"))
    features = promolab.build_features(shop, as_of="2017-10-30")

``__init__.pyi`` lists them with the room that each comes from.
"""

import lazy_loader

from promolab._faces import with_rooms

__version__ = "0.1.0"

_find, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
__getattr__ = with_rooms(__name__, _find)
