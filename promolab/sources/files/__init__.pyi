from .csv_files import new_file
from .finding import NOT_TABLES, SUFFIXES, find_files, kind_of, refuse_duckdb, zips_in
from .reading import Raw, read_files

__all__ = [
    "NOT_TABLES",
    "SUFFIXES",
    "Raw",
    "find_files",
    "kind_of",
    "new_file",
    "read_files",
    "refuse_duckdb",
    "zips_in",
]
