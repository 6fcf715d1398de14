from .assembly import save_shop
from .columns import conform
from .currency import SHARED_SIGNS, SIGNS
from .experiments import HILLSTROM, load_experiment
from .labelled import load_labelled
from .mapping import Value, read_mapping
from .opening import BUILT_IN, FILES, load_shop
from .parsing import to_number, to_time
from .simulated_shop import simulated, stated_world
from .synonyms import (
    CURRENCIES,
    STATUS_DONE,
    column_rank,
    currency_in,
    key,
    kind_of_word,
    table_rank,
)

__all__ = [
    "BUILT_IN",
    "CURRENCIES",
    "FILES",
    "HILLSTROM",
    "SHARED_SIGNS",
    "SIGNS",
    "STATUS_DONE",
    "Value",
    "column_rank",
    "conform",
    "currency_in",
    "key",
    "kind_of_word",
    "load_experiment",
    "load_labelled",
    "load_shop",
    "read_mapping",
    "save_shop",
    "simulated",
    "stated_world",
    "table_rank",
    "to_number",
    "to_time",
]
