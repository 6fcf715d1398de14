from .files import append_lines as append_lines
from .files import claim as claim
from .files import read_json as read_json
from .files import read_lines as read_lines
from .files import sha256_of as sha256_of
from .files import whole as whole
from .files import write_json as write_json
from .files import write_lines as write_lines
from .files import write_secret as write_secret
from .files import write_whole as write_whole
from .forgotten import FORGOTTEN as FORGOTTEN
from .forgotten import MARK as MARK
from .forgotten import digests_of as digests_of
from .forgotten import forgotten_rows as forgotten_rows
from .forgotten import new_code as new_code
from .forgotten import remaining as remaining
from .forgotten import told_again as told_again
from .pseudonyms import SECRET as SECRET
from .pseudonyms import SECRET_FILE as SECRET_FILE
from .pseudonyms import check_codes as check_codes
from .pseudonyms import codes as codes
from .pseudonyms import ensure_key as ensure_key
from .pseudonyms import folder_key as folder_key
from .pseudonyms import key_of as key_of
from .pseudonyms import note_drawn as note_drawn
from .pseudonyms import weeks_to_draw as weeks_to_draw
from .reports_folder import STATES as STATES
from .reports_folder import WAIT as WAIT
from .reports_folder import ReportsFolder
from .reports_folder import Weeks as Weeks
from .reports_folder import is_live as is_live
from .reports_folder import state_of as state_of
from .run_folder import STEP_VARIABLE as STEP_VARIABLE
from .run_folder import RunFolder, open_run
from .run_folder import RunRecord as RunRecord
from .suppressions import REFUSALS as REFUSALS
from .suppressions import append_suppressions as append_suppressions
from .suppressions import forget_suppressions as forget_suppressions
from .suppressions import read_suppressions as read_suppressions

__all__ = ["ReportsFolder", "RunFolder", "open_run"]
