from .csv_files import new_file as new_file
from .excel import sheets_of as sheets_of
from .reading import NOT_TABLES as NOT_TABLES
from .reading import SUFFIXES as SUFFIXES
from .reading import find_files as find_files
from .reading import kind_of as kind_of
from .reading import read_files as read_files
from .reading import unread_in as unread_in

__all__: list[str] = []
