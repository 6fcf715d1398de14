"""Randomised comparisons: who gets what by chance, what that can show, and what it showed."""

from promolab.abtest.arms import ArmDifference, compare_arms
from promolab.abtest.assignment import Assignment, assign
from promolab.abtest.power import HoldoutShare, SmallestEffect, share_to_see, smallest_effect

__all__ = [
    "ArmDifference",
    "Assignment",
    "HoldoutShare",
    "SmallestEffect",
    "assign",
    "compare_arms",
    "share_to_see",
    "smallest_effect",
]
