from .checks import Checks as Checks
from .checks import Finding as Finding
from .checks import structure as structure
from .checks import without_zeros as without_zeros
from .data_age import Freshness as Freshness
from .data_age import arriving as arriving
from .data_age import by_week as by_week
from .data_age import changed_since as changed_since
from .data_age import freshness as freshness
from .examples import example_rows as example_rows
from .experiment import CERTAIN as CERTAIN
from .experiment import Experiment
from .operations import NONE as NONE
from .operations import Attribution as Attribution
from .operations import ContactLimit as ContactLimit
from .operations import ContactRules as ContactRules
from .operations import Economics as Economics
from .operations import Notify as Notify
from .operations import Operations as Operations
from .operations import StatedRate as StatedRate
from .operations import read_operations as read_operations
from .personal import FEWEST_SHARING as FEWEST_SHARING
from .personal import Attributes as Attributes
from .personal import PersonalColumns as PersonalColumns
from .personal import attributes_in as attributes_in
from .personal import declaration as declaration
from .personal import declared_in as declared_in
from .personal import personal_columns as personal_columns
from .personal import personal_in as personal_in
from .personal import pooled_values as pooled_values
from .personal_looks import BIRTHS as BIRTHS
from .personal_looks import IDENTITY as IDENTITY
from .personal_looks import PHONES as PHONES
from .personal_looks import by_name as by_name
from .personal_looks import by_value as by_value
from .personal_looks import masked as masked
from .personal_looks import shown_value as shown_value
from .roles import TIME_NAMES as TIME_NAMES
from .roles import as_whole as as_whole
from .roles import counts_up as counts_up
from .roles import names_a_result as names_a_result
from .roles import names_a_thing as names_a_thing
from .roles import names_an_id as names_an_id
from .roles import role_of as role_of
from .roles import tells_units_apart as tells_units_apart
from .roles import with_kinds as with_kinds
from .rules import MONEY_KINDS as MONEY_KINDS
from .rules import ROW_RULES as ROW_RULES
from .rules import Context as Context
from .rules import columns_of as columns_of
from .rules import context_of as context_of
from .rules import hash_of as hash_of
from .settings import Settings, read_settings
from .shop import NEEDS, Shop
from .shop import Gap as Gap
from .shop import to_utc as to_utc
from .table_holdings import ColumnHolding as ColumnHolding
from .table_holdings import TableHolding as TableHolding
from .table_holdings import holdings as holdings
from .tables import BOUGHT_FROM as BOUGHT_FROM
from .tables import EVENT_KINDS as EVENT_KINDS
from .tables import TABLES, Column, TableSpec

__all__ = [
    "NEEDS",
    "TABLES",
    "Column",
    "Experiment",
    "Settings",
    "Shop",
    "TableSpec",
    "read_settings",
]
