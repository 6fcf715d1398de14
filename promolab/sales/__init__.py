"""What the shop sells, promotions or not: its weeks, and the customers of each month."""

from promolab.sales.cohorts import Cohorts, monthly_cohorts
from promolab.sales.weekly import YEAR, WeeklySales, weekly_sales

__all__ = ["YEAR", "Cohorts", "WeeklySales", "monthly_cohorts", "weekly_sales"]
