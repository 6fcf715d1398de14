from .books import Ledger as Ledger
from .contents import FILE as FILE
from .contents import LEDGER_TABLES as LEDGER_TABLES
from .finding import ledger_of as ledger_of
from .finding import path_in as path_in

__all__: list[str] = []
