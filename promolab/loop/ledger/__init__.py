"""The ledger: what each week decided and said, and what happened then, in one DuckDB file."""

from promolab._faces import attach

__getattr__, __dir__, __all__ = attach(__name__, __file__)
