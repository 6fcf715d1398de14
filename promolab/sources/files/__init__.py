"""Files of a folder as tables: found, decoded and read exactly as they are written."""

from promolab.sources.files.finding import find_files
from promolab.sources.files.reading import Raw, read_files

__all__ = ["Raw", "find_files", "read_files"]
