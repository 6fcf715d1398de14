"""What pages and messages show in place of this machine's paths and of secrets; what fails outside.

A source's URL may name variables of the environment, ``postgres://reader:${PASSWORD}@host/shop``.
They are filled where the connection is made and nowhere else; but a driver's error may say what it
was given, so that whatever leaves a run is searched for the values. A full disk or a lost
connection becomes a sentence, whoever finds it.
"""

from __future__ import annotations

import errno
import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

from promolab.engines import file_of, is_url, shown
from promolab.errors import PromolabError, StepError

_VARIABLE = re.compile(r"\$\{([A-Za-z_]\w*)\}")
_PASSWORD = re.compile(r"://[^/@]*:[^/@]*\$\{([A-Za-z_]\w*)\}[^/@]*@")
_SECRET_NAME = re.compile(r"pass|pwd|secret|token|key|credential", re.IGNORECASE)
_FORM = {"cell_type", "output_type"}
_PLAIN = re.compile(r"[^\W\d_]*|\d*")


def shown_source(source: str) -> dict[str, str]:
    """Return what pages show in place of a source that names this machine, or who reads from it.

    Parameters
    ----------
    source : str
        A path, an address of a warehouse, or the name of a built-in source.

    Returns
    -------
    dict of str to str

    Examples
    --------
    >>> shown_source("/shops/corner"), shown_source("postgres://ann@db.example/shop")
    ({'/shops/corner': 'corner'}, {'postgres://ann@db.example/shop': 'postgres://db.example/shop'})
    >>> shown_source("duckdb:///shops/corner.duckdb")["duckdb:///shops/corner.duckdb"]
    'duckdb://corner.duckdb'
    """
    if not is_url(source):
        return {source: Path(source).name} if Path(source).is_absolute() else {}
    file = file_of(source)
    if file is None:
        return {source: shown(source)}
    path = Path(file)
    return {source: f"{source.partition('://')[0]}://{path.name}", str(path): path.name}


def hidden_in(source: str, environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return the values of the variables that a source names, and what to show for each.

    Parameters
    ----------
    source : str
        The source as it was given.
    environment : mapping of str to str
        Where the values are.

    Returns
    -------
    dict of str to str
        ``${NAME}`` by value; a value counts in the forms that a URL or Python gives it, too.

    Examples
    --------
    >>> hidden_in("postgres://${WHO}@host/shop", {"WHO": "a b"})
    {'a b': '${WHO}', 'a%20b': '${WHO}', 'a+b': '${WHO}'}
    """
    hidden: dict[str, str] = {}
    named = [*_VARIABLE.findall(source), "PGPASSWORD"] if is_url(source) else []
    for name in named:
        value = environment.get(name, "")
        quoted = quote(value), quote(value, safe=""), quote_plus(value), repr(value)[1:-1]
        for form in (value, *quoted):
            if form:
                hidden.setdefault(form, f"${{{name}}}")
    return hidden


def telling(hidden: Mapping[str, str], source: str) -> dict[str, str]:
    """Return those of the hidden values that mean nothing but themselves.

    A database may be called ``shop`` and its port be 5432, and a page may say so for other reasons.
    What stands where a password stands, or is called like one, is always among them.
    """
    secret = set(_PASSWORD.findall(source))
    return {
        value: instead
        for value, instead in hidden.items()
        if instead[2:-1] in secret
        or _SECRET_NAME.search(instead)
        or not (_PLAIN.fullmatch(value) or len(value) < 4)
    }


def replaced(text: str, instead: Mapping[str, str]) -> str:
    """Return a text with some of its parts replaced, the longest first."""
    for part in sorted(instead, key=len, reverse=True):
        text = text.replace(part, instead[part])
    return text


def replace_everywhere(node: Any, instead: Mapping[str, str]) -> None:
    """Replace parts of all texts in nested lists and dicts, in place, but for a notebook's form.

    A password may be ``code``, or part of ``execute_result``.
    """
    for key in [*node.keys() - _FORM] if isinstance(node, dict) else range(len(node)):
        value = node[key]
        if isinstance(value, str):
            node[key] = replaced(value, instead)
        elif isinstance(value, (dict, list)):
            replace_everywhere(value, instead)


@contextmanager
def hidden_errors(hidden: Mapping[str, str]) -> Iterator[None]:
    """Let no error pass that holds a hidden value, in its text or in that of its causes."""
    try:
        yield
    except Exception as error:
        if not any(part in text for text in _texts(error) for part in hidden):
            raise
        text = replaced(str(error), hidden)
        if isinstance(error, PromolabError):
            raise told_again(type(error), text) from None
        raise StepError(f"unexpected {type(error).__name__}: {text}") from None


def told_again(kind: type[PromolabError], text: str) -> PromolabError:
    """Return an error of a class with a text, whatever the class wants to be made from."""
    error = kind.__new__(kind)
    error.args = (text,)
    return error


def _texts(error: BaseException | None) -> Iterator[str]:
    while error is not None:
        yield str(error)
        error = error.__cause__ or error.__context__


UNCHANGED = "the reports that were there are as they were"

_FULL = (errno.ENOSPC, errno.EDQUOT)
# Of the system, of DuckDB that spills, and of tempfile, which finds no folder to write to.
_WORDS = re.compile(
    r"no space left on device|errno 28\b|disk quota exceeded|failed to offload"
    r"|no usable temporary directory|disk is full",
    re.IGNORECASE,
)
# Of PostgreSQL's driver, of other drivers, of the system.
_LOST = re.compile(
    "|".join(
        (
            "server closed the connection",
            "terminating connection",
            r"connection .*\b(lost|closed|reset|refused)",
            "(lost|broken|no) connection",
            "could not connect",
            "ssl syscall error",
            "broken pipe",
            "connection timed out",
            "network is unreachable",
            "no route to host",
        )
    ),
    re.IGNORECASE,
)
_NOTHING_LEFT = 256 * 1024  # bytes


def says_full(text: str) -> bool:
    """Tell whether an error's text says that a disk is full.

    Examples
    --------
    >>> says_full("IO Error: Could not write file: No space left on device")
    True
    """
    return _WORDS.search(text) is not None


def says_lost(text: str) -> bool:
    """Tell whether an error's text says that a server went away.

    Examples
    --------
    >>> says_lost("OperationalError: server closed the connection unexpectedly")
    True
    """
    return _LOST.search(text) is not None


def lost_connection_error(text: str) -> StepError:
    """Return the error for a server that went away.

    Parameters
    ----------
    text : str
        What the driver says.

    Returns
    -------
    StepError
    """
    first = text.strip().partition("\n")[0].strip().rstrip(".")
    return StepError(
        f"the connection to the shop's tables was lost ({first}); {UNCHANGED}. "
        "Run again when they can be reached"
    )


def disk_is_full(folder: Path) -> bool:
    """Tell whether nothing is left where a folder, or what is temporary, lies."""
    return any(left < _NOTHING_LEFT for left in _left(folder).values())


def full_disk_error(folder: Path, outcome: str) -> StepError:
    """Return the error for a full disk.

    Parameters
    ----------
    folder : Path
        The reports folder.
    outcome : str
        What that means for the reports: a clause.

    Returns
    -------
    StepError
    """
    left = _left(folder)
    tightest = min(left, key=lambda path: left[path], default=folder)
    return StepError(
        f"the disk of {tightest} is full; {outcome}. Free some space there and run again"
    )


@contextmanager
def full_disk_said(folder: Path, outcome: str) -> Iterator[None]:
    """Turn any error that comes from a full disk into a sentence.

    Parameters
    ----------
    folder : Path
        The reports folder.
    outcome : str
        What that means for the reports: a clause.

    Raises
    ------
    StepError
        If the disk was full.
    """
    try:
        yield
    except PromolabError:
        raise
    except Exception as error:
        known = isinstance(error, OSError) and error.errno in _FULL
        if known or says_full(str(error)):
            raise full_disk_error(folder, outcome) from error
        raise


def _left(folder: Path) -> dict[Path, int]:
    left = {}
    with suppress(OSError):
        left[folder] = shutil.disk_usage(folder).free
    with suppress(OSError):  # gettempdir tries to write: it finds no folder on a full disk
        temporary = Path(tempfile.gettempdir())
        left[temporary] = shutil.disk_usage(temporary).free
    return left
