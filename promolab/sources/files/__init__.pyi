from .csv_files import new_file as new_file
from .excel import sheets_of as sheets_of
from .finding import NOT_TABLES as NOT_TABLES
from .finding import SUFFIXES as SUFFIXES
from .finding import find_files as find_files
from .finding import kind_of as kind_of
from .finding import refuse_duckdb as refuse_duckdb
from .finding import zips_in as zips_in
from .reading import read_files as read_files

__all__: list[str] = []
