from .going_shop import GoingShop
from .oracles import OracleValues as OracleValues
from .process import CustomerProcess
from .tables import holds as holds
from .tables import write_shop as write_shop
from .truth import SimulatedShop as SimulatedShop
from .truth import Truth
from .world import World

__all__ = ["CustomerProcess", "GoingShop", "Truth", "World"]
