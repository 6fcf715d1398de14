from .lifecycle import (
    Release,
    check_advance,
    check_settled,
    check_unchanged,
    frozen_windows,
    moved_windows,
    settled_at,
    state_of,
)
from .recheck import REASONS, Recheck
from .rechecking import plan_record, recheck_draft
from .reconcile import Reconciliation, read_sent, reconcile_sent
from .released import (
    carried_out,
    moved_since_release,
    moved_windows_of,
    released_contacts,
    released_plans,
    windows_of,
    with_released_decisions,
)

__all__ = [
    "REASONS",
    "Recheck",
    "Reconciliation",
    "Release",
    "carried_out",
    "check_advance",
    "check_settled",
    "check_unchanged",
    "frozen_windows",
    "moved_since_release",
    "moved_windows",
    "moved_windows_of",
    "plan_record",
    "read_sent",
    "recheck_draft",
    "reconcile_sent",
    "released_contacts",
    "released_plans",
    "settled_at",
    "state_of",
    "windows_of",
    "with_released_decisions",
]
