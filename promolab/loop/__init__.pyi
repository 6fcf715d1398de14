from .lifecycle import Release as Release
from .lifecycle import check_advance as check_advance
from .lifecycle import check_settled as check_settled
from .lifecycle import check_unchanged as check_unchanged
from .lifecycle import frozen_windows as frozen_windows
from .lifecycle import moved_windows as moved_windows
from .lifecycle import settled_at as settled_at
from .lifecycle import state_of as state_of
from .recheck import REASONS as REASONS
from .recheck import Recheck as Recheck
from .rechecking import plan_record as plan_record
from .rechecking import recheck_draft as recheck_draft
from .reconcile import Reconciliation as Reconciliation
from .reconcile import read_sent as read_sent
from .reconcile import reconcile_sent as reconcile_sent
from .released import carried_out as carried_out
from .released import moved_since_release as moved_since_release
from .released import moved_windows_of as moved_windows_of
from .released import released_contacts as released_contacts
from .released import released_plans as released_plans
from .released import windows_of as windows_of
from .released import with_released_decisions as with_released_decisions

__all__: list[str] = []
