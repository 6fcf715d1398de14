from .books import Ledger as Ledger
from .contents import FILE as FILE
from .contents import LEDGER_TABLES as LEDGER_TABLES
from .finding import ledger_of as ledger_of
from .finding import ledger_path as ledger_path
from .finding import run_ledger_path as run_ledger_path
from .finding import told_path as told_path

__all__: list[str] = []
