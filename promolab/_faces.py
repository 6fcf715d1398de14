"""How a folder's face is opened: names are imported when they are first asked for."""

from __future__ import annotations

import ast
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import lazy_loader


def attach(package: str, file: str) -> tuple[Callable[[str], Any], Callable[[], list[str]], Any]:
    """Return ``__getattr__``, ``__dir__`` and ``__all__`` of a package, as its stub says them.

    ``__all__`` of the stub beside ``file`` is what an analyst is offered; whatever else the stub
    imports (``from .module import name as name``) is for other rooms.

    Parameters
    ----------
    package, file : str
        The package's ``__name__`` and ``__file__``.
    """
    find, _, _ = lazy_loader.attach_stub(package, file)
    stub = ast.parse(Path(file).with_suffix(".pyi").read_text(encoding="utf-8"))
    said = [node.value for node in stub.body if isinstance(node, (ast.Assign, ast.AnnAssign))]
    offered: list[str] = ast.literal_eval(said[-1]) if said and said[-1] else []
    return with_rooms(package, find), lambda: list(offered), offered


def with_rooms(package: str, find: Callable[[str], Any]) -> Callable[[str], Any]:
    """Return ``__getattr__`` that finds folders too: ``promolab.loop.monitoring`` needs no import.

    Parameters
    ----------
    package : str
        The package's ``__name__``.
    find : callable
        Returns what its stub names, or raises AttributeError.
    """

    def found(name: str) -> Any:
        try:
            return find(name)
        except AttributeError:
            where = f"{package}.{name}"
            if name.startswith("_"):
                raise
            if find_spec(where) is None:
                raise AttributeError(
                    f"{package} has no {name!r}; docs/map.md lists what there is, "
                    "docs/which_method.md what went and how to do it"
                ) from None
            return import_module(where)

    return found
