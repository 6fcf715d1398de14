from .week import ReleasedWeek as ReleasedWeek
from .week import open_week as open_week

__all__: list[str] = []
