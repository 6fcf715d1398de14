from .cards import write_cards
from .disclosure import Privacy, audit_privacy, privacy_cost, private_counts
from .disclosure import PrivacyAudit as PrivacyAudit
from .disclosure import PrivacyCost as PrivacyCost
from .disclosure import PrivateWeek as PrivateWeek
from .disclosure import private_week as private_week
from .federated import FederatedShop as FederatedShop
from .federated import RemoteShop as RemoteShop
from .federated import federated_fit
from .forgetting import forget_customers
from .group_fairness import Fairness as Fairness
from .group_fairness import FloorCurve as FloorCurve
from .group_fairness import WeekFairness as WeekFairness
from .group_fairness import fairness, floor_curve
from .group_fairness import week_fairness as week_fairness

__all__ = [
    "Privacy",
    "audit_privacy",
    "fairness",
    "federated_fit",
    "floor_curve",
    "forget_customers",
    "privacy_cost",
    "private_counts",
    "write_cards",
]
