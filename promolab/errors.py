"""Errors that say what was given, what is expected and what to do."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

_SEEN = "setTimeout(() => element.parentElement?.scrollIntoView({block: 'center'}), 200)"


class PromolabError(Exception):
    """The root of every error that promolab raises on purpose.

    In a notebook it is its sentence, seen where Run All stops: not the calls that led to it, which
    ``%debug`` walks through.
    """

    def _render_traceback_(self) -> list[str]:  # IPython shows what it returns
        from IPython.core.getipython import get_ipython
        from IPython.display import display

        if hasattr(get_ipython(), "kernel"):
            # JupyterLab leaves a notebook scrolled where it was when Run All began.
            display({"application/javascript": _SEEN, "text/plain": ""}, raw=True)
        return [f"\x1b[31m{type(self).__name__}\x1b[39m: {self}"]


class InputError(PromolabError, ValueError):
    """The call is wrong: an argument, a parameter, a path. Exit code 2 on the command line."""


class DataError(InputError):
    """The data cannot be used as they are. Exit code 2 on the command line."""


class TooLittleError(DataError):
    """There is nothing to learn from yet: no round is over, or chance decided none."""


class MissingExtraError(PromolabError, ImportError):
    """An optional dependency is not installed; the message names the extra that brings it."""

    def __init__(self, what: str, extra: str) -> None:
        super().__init__(f"{what} needs the extra {extra!r}: pip install 'promolab[{extra}]'")


class StepError(PromolabError, RuntimeError):
    """A step of the report failed while it ran. Exit code 1 on the command line."""


def nearest(name: str, options: Iterable[str]) -> str:
    """Return a clause that names the options, the nearest one first.

    Parameters
    ----------
    name : str
        What was given.
    options : iterable of str
        What would have been accepted.

    Returns
    -------
    str
        A clause to append to a message.

    Examples
    --------
    >>> nearest("segmnets", ["segments", "seed"])
    "did you mean 'segments'? (known: seed, segments)"
    """
    known = sorted(set(options))
    close = difflib.get_close_matches(name, known, n=1)
    listing = f"known: {', '.join(known)}" if known else "none is known"
    return f"did you mean {close[0]!r}? ({listing})" if close else listing
