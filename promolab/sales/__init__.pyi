from .cohorts import Cohorts, monthly_cohorts
from .weekly import YEAR, WeeklySales, weekly_sales

__all__ = ["YEAR", "Cohorts", "WeeklySales", "monthly_cohorts", "weekly_sales"]
