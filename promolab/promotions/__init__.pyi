from .baseline_purchases import BoughtAnyway as BoughtAnyway
from .baseline_purchases import buying_chances as buying_chances
from .baseline_purchases import share_bought_anyway as share_bought_anyway
from .costs import PREDICTION_LEVEL as PREDICTION_LEVEL
from .costs import Costs as Costs
from .costs import break_even as break_even
from .costs import discount_per_redeemer as discount_per_redeemer
from .costs import past_discounts as past_discounts
from .costs import promotion_costs as promotion_costs
from .design import PromotionDesign as PromotionDesign
from .design import depth_of as depth_of
from .design import design_promotion
from .design import threshold_of as threshold_of
from .finance import Finance as Finance
from .finance import finance_table
from .parts import coupon_use as coupon_use
from .parts import in_window as in_window
from .past_orders import buyers_in_windows as buyers_in_windows
from .past_orders import discounts_in_windows as discounts_in_windows
from .past_orders import kinds_answered as kinds_answered
from .past_orders import kinds_recorded as kinds_recorded
from .past_orders import moment_of as moment_of
from .past_orders import own_windows as own_windows
from .past_orders import responses_between as responses_between
from .spending import OrderValues as OrderValues
from .spending import order_values
from .stacking import kept_beside as kept_beside
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
    "design_promotion",
    "finance_table",
    "order_values",
    "promotion_values",
    "read_promotions",
]
