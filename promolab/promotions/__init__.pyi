from .terms import Coupon, FullReduction, LimitedTimeDiscount, Recommendation, read_promotions
from .terms import Promotion as Promotion

__all__ = [
    "Coupon",
    "FullReduction",
    "LimitedTimeDiscount",
    "Recommendation",
    "read_promotions",
]
