from .tables import holds, read_soiled, write_shop
from .truth import SimulatedShop, Truth
from .world import World
from .yardsticks import added_profit, attainable_oracle, latent_oracle, nobody

__all__ = [
    "SimulatedShop",
    "Truth",
    "World",
    "added_profit",
    "attainable_oracle",
    "holds",
    "latent_oracle",
    "nobody",
    "read_soiled",
    "write_shop",
]
