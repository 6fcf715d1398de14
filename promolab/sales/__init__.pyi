from .cohorts import Cohorts as Cohorts
from .cohorts import monthly_cohorts
from .overview import data_overview
from .weekly import YEAR as YEAR
from .weekly import WeeklySales as WeeklySales
from .weekly import weekly_sales

__all__ = ["data_overview", "monthly_cohorts", "weekly_sales"]
