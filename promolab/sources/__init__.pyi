from .assembly import save_shop
from .columns import conform as conform
from .experiments import HILLSTROM as HILLSTROM
from .experiments import load_experiment
from .labelled import load_labelled
from .mapping import TERMS as TERMS
from .mapping import Value as Value
from .mapping import read_mapping as read_mapping
from .opening import BUILT_IN as BUILT_IN
from .opening import load_shop, simulated
from .parsing import number_pattern as number_pattern
from .parsing import says_terms as says_terms
from .parsing import to_number as to_number
from .parsing import to_time as to_time
from .synonyms import CURRENCIES as CURRENCIES
from .synonyms import SIGNS as SIGNS
from .synonyms import STATUS_DONE as STATUS_DONE
from .synonyms import STATUS_OPEN as STATUS_OPEN
from .synonyms import column_rank as column_rank
from .synonyms import currency_in as currency_in
from .synonyms import key as key
from .synonyms import kind_of_word as kind_of_word
from .synonyms import table_rank as table_rank

__all__ = ["load_experiment", "load_labelled", "load_shop", "save_shop", "simulated"]
