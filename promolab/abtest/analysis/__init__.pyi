from .comparison import ArmComparison as ArmComparison
from .comparison import Measured as Measured
from .comparison import Metric as Metric
from .comparison import compare_rows as compare_rows
from .comparison import metrics_of as metrics_of
from .measured import measure_arms as measure_arms
from .tables import table_of as table_of

__all__: list[str] = []
