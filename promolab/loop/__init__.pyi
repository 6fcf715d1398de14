from .bookkeeping import checked_ledger as checked_ledger
from .bookkeeping import keep_ledger as keep_ledger
from .bookkeeping import run_key as run_key
from .drafts import plan_record as plan_record
from .held_week import Pages as Pages
from .lateness import ClosedWeeks as ClosedWeeks
from .lateness import LateRows as LateRows
from .ledger import Ledger, ledger_of
from .ledger import told_path as told_path
from .planned import check_plan as check_plan
from .rehearsal import Rehearsal as Rehearsal
from .rehearsal import rehearse
from .released import carried_out, released_contacts, with_released_decisions
from .released import moved_since_release as moved_since_release
from .released import released_plans as released_plans
from .releases import close_week, reconcile_week, release_week
from .served import SERVED as SERVED
from .served import append_served as append_served
from .served import read_served as read_served
from .served import served_contacts as served_contacts
from .served import served_tables as served_tables

__all__ = [
    "Ledger",
    "carried_out",
    "close_week",
    "ledger_of",
    "reconcile_week",
    "rehearse",
    "release_week",
    "released_contacts",
    "with_released_decisions",
]
