from .addresses import file_of as file_of
from .addresses import folder_of as folder_of
from .addresses import is_url as is_url
from .addresses import scrubbed as scrubbed
from .addresses import sentence as sentence
from .addresses import shown as shown
from .connection import connect_to as connect_to
from .connection import connect_url as connect_url
from .connection import engine_errors as engine_errors
from .connection import list_their_tables as list_their_tables
from .connection import read_their_table as read_their_table
from .connection import write_batches as write_batches
from .connection import write_parquet as write_parquet
from .differences import cast_or_null as cast_or_null
from .differences import is_embedded as is_embedded
from .differences import keep as keep
from .differences import local_time as local_time
from .differences import time_or_null as time_or_null
from .differences import to_utc as to_utc
from .differences import until_next as until_next
from .engine import connect as connect
from .engine import quote as quote
from .engine import scratch as scratch

__all__: list[str] = []
