from .ranking import JOINED as JOINED
from .ranking import Offers as Offers
from .ranking import PastOffers as PastOffers
from .ranking import past_offers as past_offers
from .ranking import rank_offers as rank_offers
from .repurchase import repurchase_rates as repurchase_rates

__all__: list[str] = []
