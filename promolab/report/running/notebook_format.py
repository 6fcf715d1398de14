"""Import the library that reads notebooks, without two seconds that nothing here needs."""

from __future__ import annotations

import sys
from typing import Any

_GRAMMAR = "rfc3987_syntax"


def load_nbformat() -> Any:
    """Import ``nbformat``.

    JupyterLab brings a check of international addresses, of which the library that nbformat
    validates notebooks with builds a whole grammar when it is imported. No notebook asks for it.

    Examples
    --------
    >>> load_nbformat().current_nbformat
    4
    """
    lacking = _GRAMMAR not in sys.modules
    if lacking:
        sys.modules[_GRAMMAR] = None  # type: ignore[assignment]  # an import of it fails at once
    try:
        import nbformat
    finally:
        if lacking:
            del sys.modules[_GRAMMAR]
    return nbformat
