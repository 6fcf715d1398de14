"""What DuckDB, PostgreSQL and the engines behind Ibis do differently; nobody else knows."""

from promolab._faces import attach

__getattr__, __dir__, __all__ = attach(__name__, __file__)
