from .spending import OrderValues as OrderValues
from .spending import order_values
from .terms import Coupon, FullReduction, LimitedTimeDiscount, Recommendation, read_promotions
from .terms import Promotion as Promotion
from .values import PromotionValues as PromotionValues
from .values import promotion_values
from .waterfalls import Waterfall as Waterfall

__all__ = [
    "Coupon",
    "FullReduction",
    "LimitedTimeDiscount",
    "Recommendation",
    "order_values",
    "promotion_values",
    "read_promotions",
]
