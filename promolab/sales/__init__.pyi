from .cohorts import Cohorts as Cohorts
from .cohorts import monthly_cohorts
from .weekly import YEAR as YEAR
from .weekly import WeeklySales as WeeklySales
from .weekly import data_overview, weekly_sales

__all__ = ["data_overview", "monthly_cohorts", "weekly_sales"]
