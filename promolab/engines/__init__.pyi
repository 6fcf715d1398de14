from .addresses import scrubbed as scrubbed
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
from .engine import connect as connect
from .engine import quote as quote
from .engine import scratch as scratch

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
