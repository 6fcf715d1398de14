from .in_memory import compare_rows as compare_rows
from .measure import Metric as Metric
from .measure import metrics_of as metrics_of
from .measured import measure_arms as measure_arms
from .rows import ArmComparison as ArmComparison
from .rows import Measured as Measured
from .tables import table_of as table_of

__all__: list[str] = []
