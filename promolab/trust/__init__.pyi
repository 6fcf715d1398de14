from .federated import FederatedShop as FederatedShop
from .federated import RemoteShop as RemoteShop
from .federated import federated_fit

__all__ = ["federated_fit"]
