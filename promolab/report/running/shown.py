"""What pages and messages show in place of this machine's paths and of secrets.

A source's URL may name variables of the environment, ``postgres://reader:${PASSWORD}@host/shop``.
They are filled where the connection is made and nowhere else; but a driver's error may say what it
was given, so that whatever leaves a run is searched for the values.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
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
