from .contact_records import never_contacted as never_contacted
from .contact_records import quarantined_customers as quarantined_customers
from .contact_records import with_suppressions as with_suppressions
from .eligibility import UNKNOWN as UNKNOWN
from .eligibility import Eligibility as Eligibility
from .eligibility import channels_of as channels_of
from .eligibility import offers_of as offers_of
from .eligibility import share_of as share_of
from .overrides import Overridden as Overridden
from .overrides import Overrides as Overrides
from .overrides import best_first as best_first
from .overrides import override_plan as override_plan
from .planning import Candidates as Candidates
from .planning import drawn_out as drawn_out
from .planning import is_drawn_out as is_drawn_out
from .planning import plan_week
from .planning import week_candidates as week_candidates
from .planning import week_holdouts as week_holdouts
from .result import LEFT as LEFT
from .result import STEPS as STEPS
from .result import Plan as Plan
from .result import step_words as step_words
from .rights import EARLIEST as EARLIEST
from .rights import EVERY as EVERY
from .rights import LATEST as LATEST
from .rights import Rights as Rights
from .rights import known_rows as known_rows
from .rights import same_channel as same_channel
from .send import file_names as file_names
from .send import neutralised as neutralised
from .send import restored as restored
from .send import write_send as write_send

__all__ = ["plan_week"]
