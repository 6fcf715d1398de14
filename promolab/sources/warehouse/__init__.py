"""A database or a warehouse as a source: asked where it lies, never copied."""

from promolab.sources.warehouse.connection import (
    connect_url,
    engine_errors,
    is_url,
    list_their_tables,
    read_their_table,
    sentence,
    shown,
    write_parquet,
)

__all__ = [
    "connect_url",
    "engine_errors",
    "is_url",
    "list_their_tables",
    "read_their_table",
    "sentence",
    "shown",
    "write_parquet",
]
