from .addresses import scrubbed
from .connection import (
    connect_url,
    engine_errors,
    is_url,
    list_their_tables,
    read_their_table,
    sentence,
    shown,
    write_parquet,
)
from .engine import connect, quote, scratch

__all__ = [
    "connect",
    "connect_url",
    "engine_errors",
    "is_url",
    "list_their_tables",
    "quote",
    "read_their_table",
    "scratch",
    "scrubbed",
    "sentence",
    "shown",
    "write_parquet",
]
