from .going import GoingShop, OracleValues
from .tables import holds as holds
from .tables import read_soiled as read_soiled
from .tables import write_shop as write_shop
from .truth import SimulatedShop as SimulatedShop
from .truth import Truth, added_profit, attainable_oracle, latent_oracle
from .world import World

__all__ = [
    "GoingShop",
    "OracleValues",
    "Truth",
    "World",
    "added_profit",
    "attainable_oracle",
    "latent_oracle",
]
