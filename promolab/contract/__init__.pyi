from .checks import Checks as Checks
from .checks import Finding as Finding
from .checks import without_zeros as without_zeros
from .data_age import Freshness as Freshness
from .data_age import freshness as freshness
from .experiment import CERTAIN as CERTAIN
from .experiment import Experiment
from .operations import NONE as NONE
from .operations import Attribution as Attribution
from .operations import ContactLimit as ContactLimit
from .operations import ContactRules as ContactRules
from .operations import Economics as Economics
from .operations import Notify as Notify
from .operations import Operations as Operations
from .operations import SendColumns as SendColumns
from .operations import StatedExperiment as StatedExperiment
from .operations import StatedRate as StatedRate
from .operations import budget_of as budget_of
from .operations import read_operations as read_operations
from .personal import FEWEST_SHARING as FEWEST_SHARING
from .personal import Attributes as Attributes
from .personal import PersonalColumns as PersonalColumns
from .personal import attributes_in as attributes_in
from .personal import personal_columns as personal_columns
from .personal import pooled_values as pooled_values
from .personal_looks import is_special as is_special
from .personal_looks import personal_values as personal_values
from .personal_looks import shown_value as shown_value
from .roles import TIME_NAMES as TIME_NAMES
from .roles import as_whole as as_whole
from .roles import counts_up as counts_up
from .roles import known_beforehand as known_beforehand
from .roles import names_a_thing as names_a_thing
from .roles import names_an_id as names_an_id
from .roles import role_of as role_of
from .roles import with_kinds as with_kinds
from .rules import MONEY_KINDS as MONEY_KINDS
from .rules import ROW_RULES as ROW_RULES
from .rules import Context as Context
from .rules import columns_of as columns_of
from .rules import context_of as context_of
from .rules import hash_of as hash_of
from .rules import kept_rows as kept_rows
from .sections import KeyCheck as KeyCheck
from .sections import by_name as by_name
from .sections import from_zero as from_zero
from .sections import keyed as keyed
from .sections import toml_table as toml_table
from .sections import zone_of as zone_of
from .settings import Settings, read_settings
from .settings import toml_line as toml_line
from .shop import NEEDS as NEEDS
from .shop import Gap as Gap
from .shop import Shop
from .tables import BOUGHT_FROM as BOUGHT_FROM
from .tables import HAPPENED as HAPPENED
from .tables import TABLES
from .tables import Column as Column
from .tables import TableSpec as TableSpec

__all__ = ["TABLES", "Experiment", "Settings", "Shop", "read_settings"]
