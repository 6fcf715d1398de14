from .eligibility import Eligibility, offers_of, share_of, whole_of
from .planning import STEP, plan_week
from .result import STEPS, Plan
from .rights import quarantined_customers, same_channel
from .send import file_names, restored, write_send

__all__ = [
    "STEP",
    "STEPS",
    "Eligibility",
    "Plan",
    "file_names",
    "offers_of",
    "plan_week",
    "quarantined_customers",
    "restored",
    "same_channel",
    "share_of",
    "whole_of",
    "write_send",
]
