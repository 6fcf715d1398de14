"""One thread where the number of threads would change a digit, or cost more than it brings."""

from __future__ import annotations

import functools
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from threadpoolctl import ThreadpoolController


def single_threaded(api: str | None = None) -> AbstractContextManager[Any]:
    """Return a context in which libraries compute with one thread.

    Parameters
    ----------
    api : {"blas", "openmp"}, optional
        Only the libraries of this kind; without it, all.

    Examples
    --------
    >>> with single_threaded("blas"):
    ...     1 + 1
    2
    """
    libraries = _libraries(len(sys.modules))
    limited: AbstractContextManager[Any] = libraries.limit(limits=1, user_api=api)
    return limited


@functools.lru_cache(maxsize=1)
def _libraries(modules: int) -> ThreadpoolController:
    """Return what is loaded, looked for again when more was imported: it takes milliseconds."""
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()
