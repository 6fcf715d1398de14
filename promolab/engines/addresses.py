"""The address of a warehouse: what may stand in it, what fills it, and what may be shown of it.

A password stands in no address: it comes from the environment or the driver's own file, and is in
no message.
"""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qsl, quote, quote_plus, urlsplit

from promolab.errors import InputError

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://", re.ASCII)
_NAME = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_SECRET_KEY = re.compile(r"pass|pwd|secret|token|credential|signature|(?<!ssl)key$", re.IGNORECASE)
POSTGRES = ("postgres", "postgresql")
_SAID = re.compile(
    r"(\w*(?:pass|pwd|secret|token|credential|signature)\w*\s*[=:]\s*)"
    r"(?!//)('[^']*'?|\"[^\"]*\"?|[^\s;&]+)",
    re.IGNORECASE,
)
_NO_PASSWORD = (
    "write no password into the address of a warehouse: set PGPASSWORD or use ~/.pgpass for "
    "PostgreSQL, or write ${NAME} in its place, which is filled from the environment variable NAME"
)


def is_url(source: Any) -> bool:
    """Tell whether a source is an address, such as ``postgres://host/database``.

    Examples
    --------
    >>> is_url("postgres://host/shop"), is_url("data/shop"), is_url("C:/shop")
    (True, False, False)
    """
    return isinstance(source, str) and _SCHEME.match(source) is not None


def file_of(url: str) -> str | None:
    """Return the path of the file that an address is of; None of a server's.

    Examples
    --------
    >>> file_of("duckdb://data/shop.duckdb?a=b"), file_of("postgres://host/shop")
    ('data/shop.duckdb', None)
    """
    scheme, _, rest = url.partition("://")
    return rest.partition("?")[0] if scheme.lower() == "duckdb" else None


def folder_of(url: str) -> str | None:
    """Return the folder on this machine that Spark is to read; None of any other address.

    Examples
    --------
    >>> folder_of("spark:///data/shop?spark.driver.memory=4g"), folder_of("spark://local/shop")
    ('/data/shop', None)
    """
    scheme, _, rest = url.partition("://")
    place = rest.partition("?")[0]
    return place if scheme.lower() == "spark" and place.startswith("/") else None


def shown(url: str) -> str:
    """Return what may be shown of an address: no user, no password, no options.

    Examples
    --------
    >>> shown("postgres://ann:${WORD}@db.example.org:5433/shop?sslmode=require")
    'postgres://db.example.org:5433/shop'
    """
    scheme, _, rest = url.partition("://")
    if (file := file_of(url)) is not None:
        return f"{scheme}://{file}"
    place, *others = re.split(r"[?#]", rest, maxsplit=1)
    if any("@" in other for other in others):  # perhaps the rest of a password
        return f"{scheme}://…"
    return f"{scheme}://{place.rpartition('@')[2]}"


def scrubbed(text: str) -> str:
    """Return a text that was meant as a source, without what may be a password in it.

    Examples
    --------
    >>> scrubbed("host=db password=abc dbname=shop"), scrubbed("postgres:ann:abc@db")
    ('host=db password=… dbname=shop', 'postgres:…@db')
    """
    text = _SAID.sub(r"\1…", text)
    return re.sub(r":(?!//).*@", ":…@", text, flags=re.DOTALL)


def sentence(error: BaseException, url: str) -> str:
    """Return the first line of a driver's error; what the address leaves secret is left out.

    Parameters
    ----------
    error : Exception
        Raised by the engine or its driver.
    url : str
        The address, as the user wrote it.
    """
    lines = str(error).strip().splitlines()
    text = lines[0].strip() if lines else type(error).__name__
    for value, instead in _secrets(url):
        # A value of a few letters would be found within words.
        bounds = (r"(?<!\w)", r"(?!\w)") if len(value) < 6 else ("", "")
        text = instead.join(re.split(bounds[0] + re.escape(value) + bounds[1], text))
    return re.sub(r'\b(user|role) "[^"]*"', r"the \1", text)


def in_a_sentence(method: Callable[..., Any]) -> Callable[..., Any]:
    """Let a connection's method say in a sentence what went wrong, by its ``_telling``."""

    @functools.wraps(method)
    def told(self: Any, *args: Any, **options: Any) -> Any:
        with self._telling():
            return method(self, *args, **options)

    return told


def _secrets(url: str) -> Iterator[tuple[str, str]]:
    """Yield each secret, in every form in which an error may show it, and what to write for it."""
    found = {name: os.environ.get(name, "") for name in _NAME.findall(url)}
    found["PGPASSWORD"] = os.environ.get("PGPASSWORD", "")
    filled = _NAME.sub(lambda match: quote(found[match[1]], safe=""), url)
    whole = _NAME.sub(lambda match: found[match[1]], url)
    forms = {(filled, shown(url)), (whole, shown(url)), (url, shown(url))}
    for name, value in found.items():
        written = (value, quote(value, safe=""), quote(value), quote_plus(value), repr(value)[1:-1])
        forms |= {(form, "${" + name + "}") for form in written if form}
    # The longest first: one may be a part of another.
    return iter(sorted(forms, key=lambda form: (-len(form[0]), form)))


def checked(url: str) -> str:
    """Return the scheme of an address.

    Raises
    ------
    InputError
        If it is no address, or holds a password.
    """
    match = _SCHEME.match(url)
    if match is None:
        raise InputError("an address of a warehouse looks like postgres://HOST/DATABASE")
    scheme = match[1].lower()
    parts = urlsplit(_NAME.sub("0", url))
    # The part of an address behind a stray / ? or # of a password would be taken for a path.
    if scheme != "duckdb" and "@" in parts.path + parts.query + parts.fragment:
        raise InputError(
            f"the address of the warehouse ({scheme}://…) has an @ where none can stand; "
            f"write @ as %40, and {_NO_PASSWORD}"
        )
    rest = url[match.end() :]
    user = rest.partition("?")[0].partition("/")[0].rpartition("@")[0]
    _, _, password = user.partition(":")
    written = [password] if password else []
    query = rest.partition("?")[2].partition("#")[0]
    written += [
        value
        for key, value in parse_qsl(query)
        if _SECRET_KEY.search(key) and key.lower() != "passfile"
    ]
    if any(not _NAME.fullmatch(value) for value in written):
        raise InputError(_NO_PASSWORD)
    port = parts.netloc.rpartition("@")[2].rpartition("]")[2].partition(":")[2]
    if scheme in POSTGRES and port and not re.fullmatch(r"\d{1,5}(,.*)?", port):
        raise InputError(f"the address {shown(url)} has a port that is no number")
    return scheme


def filled(url: str, *, quoted: bool) -> str:
    """Return the address with every ``${NAME}`` filled from the environment.

    Parameters
    ----------
    url : str
        As `checked` lets it pass.
    quoted : bool
        Whether the values are quoted as an address needs it.

    Raises
    ------
    InputError
        If the environment lacks a name.
    """

    def value(match: re.Match[str]) -> str:
        if match[1] not in os.environ:
            raise InputError(
                f"the address {shown(url)} names ${{{match[1]}}}, "
                f"but there is no environment variable {match[1]}"
            )
        return quote(os.environ[match[1]], safe="") if quoted else os.environ[match[1]]

    return _NAME.sub(value, url)
