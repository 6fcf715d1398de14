from .ledger import Ledger
from .ledger import ledger_of as ledger_of
from .ledger import told_path as told_path
from .ledger_file import reading as reading
from .ledger_file import remake as remake
from .ledger_sync import WeekRows as WeekRows
from .ledger_sync import checked_ledger as checked_ledger
from .ledger_sync import keep_ledger as keep_ledger
from .ledger_sync import run_key as run_key
from .rehearsal import Rehearsal as Rehearsal
from .rehearsal import rehearse
from .week_lifecycle import Pages as Pages
from .week_lifecycle import close_week, reconcile_week, release_week
from .week_lifecycle import stamp as stamp
from .week_plans import SERVED as SERVED
from .week_plans import append_served as append_served
from .week_plans import carried_out, released_contacts, with_released_decisions
from .week_plans import check_plan as check_plan
from .week_plans import moved_since_release as moved_since_release
from .week_plans import nameless_digest as nameless_digest
from .week_plans import plan_record as plan_record
from .week_plans import read_served as read_served
from .week_plans import released_plans as released_plans
from .week_plans import served_tables as served_tables
from .week_plans import settings_of as settings_of

__all__ = [
    "Ledger",
    "carried_out",
    "close_week",
    "reconcile_week",
    "rehearse",
    "release_week",
    "released_contacts",
    "with_released_decisions",
]
