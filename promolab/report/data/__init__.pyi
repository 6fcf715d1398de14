from .data_page import writable_page as writable_page
from .data_page import write_data_page as write_data_page

__all__: list[str] = []
