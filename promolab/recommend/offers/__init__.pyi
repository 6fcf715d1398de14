from .ranked_before import past_offers as past_offers
from .ranking import JOINED as JOINED
from .ranking import rank_offers as rank_offers
from .repeats import bought_again as bought_again
from .week import week_offers as week_offers

__all__: list[str] = []
