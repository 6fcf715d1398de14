from .disclosure import Privacy, audit_privacy, privacy_cost, private_counts
from .disclosure import PrivacyAudit as PrivacyAudit
from .disclosure import PrivacyCost as PrivacyCost
from .disclosure import PrivateWeek as PrivateWeek
from .disclosure import private_week as private_week
from .federated import FederatedShop as FederatedShop
from .federated import RemoteShop as RemoteShop
from .federated import federated_fit

__all__ = ["Privacy", "audit_privacy", "federated_fit", "privacy_cost", "private_counts"]
