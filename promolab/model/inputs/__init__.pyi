from .encoding import Encoder
from .encoding import unseen_expected as unseen_expected
from .folds import BLOCKS as BLOCKS
from .folds import KEYS as KEYS
from .folds import Fold as Fold
from .folds import Folds as Folds
from .folds import TimeSplit as TimeSplit
from .folds import customer_folds as customer_folds
from .folds import known_labels as known_labels
from .folds import moment_among as moment_among
from .folds import promotion_folds as promotion_folds
from .folds import split_in_time
from .folds import time_folds as time_folds
from .native import OTHERS as OTHERS
from .native import NativeColumn as NativeColumn
from .native import NativeEncoder
from .reading import as_frame as as_frame
from .reading import as_numbers as as_numbers
from .reading import as_texts as as_texts
from .reading import check_beside as check_beside
from .reading import check_columns as check_columns
from .reading import check_labels as check_labels
from .reading import check_present as check_present
from .reading import check_time as check_time
from .reading import feature_columns as feature_columns
from .reading import is_numeric as is_numeric
from .reading import outcome_labels as outcome_labels

__all__ = ["Encoder", "NativeEncoder", "split_in_time"]
