"""The table contract: what a shop's tables hold, and the checks on them."""

from promolab.contract.experiment import Experiment
from promolab.contract.settings import Settings, read_settings
from promolab.contract.shop import NEEDS, Shop
from promolab.contract.tables import TABLES, Column, TableSpec

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
