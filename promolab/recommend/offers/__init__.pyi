from .ranked_before import past_offers
from .ranking import JOINED as JOINED
from .ranking import rank_offers
from .repeats import bought_again
from .week import week_offers

__all__ = ["bought_again", "past_offers", "rank_offers", "week_offers"]
