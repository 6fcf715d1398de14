from ._base import Evidence, Grouped, Method, Request, Task
from .names import METHODS

__all__ = ["METHODS", "Evidence", "Grouped", "Method", "Request", "Task"]
