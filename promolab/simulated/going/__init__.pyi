from .shop import GoingShop as GoingShop
from .values import OracleValues as OracleValues

__all__: list[str] = []
