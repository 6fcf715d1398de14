from .container import read_file as read_file
from .container import write_file as write_file
from .estimate import Estimate as Estimate
from .estimate import plain as plain
from .facts import Facts as Facts
from .facts import words_of as words_of
from .result import Result as Result
from .result import drawn_by as drawn_by
from .tables import worded_table as worded_table
from .values import read_values as read_values
from .values import write_values as write_values

__all__: list[str] = []
