"""One file for whatever is saved: JSON beside arrays, in safetensors; nothing in it is ever run."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from pathlib import Path
from typing import Any

import numpy as np

from promolab.errors import InputError

DEPENDED_ON = ("numpy", "scikit-learn", "skops", "torch")
AGAIN = {"model": "fit the model again", "result": "make it again"}
BROKEN = {"model": "is damaged or no model file", "result": "is no saved result"}


def write_file(
    path: str | Path,
    form: str,
    state: Any,
    arrays: dict[str, np.ndarray],
    *,
    what: str = "model",
) -> Path:
    """Write ``state`` and ``arrays`` to ``path``; a reader sees the old file or the new one.

    Parameters
    ----------
    path : str or Path
        File to write; its folder must exist.
    form : str
        The format's name and version.
    state : dict
        Plain values.
    arrays : dict of str to ndarray
        Numbers, kept bit for bit.
    what : {"model", "result"}
        What is saved.

    Raises
    ------
    InputError
        The path is a folder, or cannot be written.
    """
    from safetensors.numpy import save

    path = Path(path)
    # A single metadata entry: safetensors does not keep the order of several.
    made_by = versions()
    header = {
        "format": form,
        "versions": made_by,
        "sha256": _checksum({"versions": made_by, "state": state}, arrays),
        "state": state,
    }
    payload = save(arrays, metadata={"promolab": json.dumps(header, sort_keys=True)})
    if path.is_dir():
        raise InputError(f"{path} is a folder; give the name of a file to save the {what} in")
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.write_bytes(payload)
        temporary.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise InputError(f"the {what} cannot be saved as {path}: {error.strerror}") from error
    return path


def read_file(
    path: str | Path, form: str, *, what: str = "model"
) -> tuple[Any, dict[str, np.ndarray]]:
    """Read what `write_file` wrote in the format ``form``.

    The checksum finds damage and edits; it is no signature, and whoever can forge a file can forge
    its checksum too.

    Raises
    ------
    InputError
        There is no such file, it is foreign, of another version, damaged or edited.
    """
    from safetensors import SafetensorError, safe_open

    path = Path(path)
    if not path.is_file():
        raise InputError(f"there is no {what} file {path}; give the path that .save(path) wrote")
    try:
        with safe_open(path, framework="np") as file:
            text = (file.metadata() or {}).get("promolab", "")
            arrays = {name: file.get_tensor(name) for name in sorted(file.keys())}
    except (SafetensorError, OSError, ValueError, TypeError) as error:
        raise InputError(f"{path} {BROKEN[what]} ({error}); save the {what} again") from error
    return _verified(path, text, arrays, form, what), arrays


def _verified(
    path: Path, text: str, arrays: dict[str, np.ndarray], expected: str, what: str
) -> Any:
    try:
        header = json.loads(text)
        form, checksum, state = header["format"], header["sha256"], header["state"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise InputError(f"{path} holds tensors, but no {what} of promolab") from error
    if form != expected:
        raise InputError(
            f"{path} has format {form!r}, and this version of promolab reads {expected!r}; "
            f"{AGAIN[what]} and save it"
        )
    if checksum != _checksum({"versions": header.get("versions"), "state": state}, arrays):
        raise InputError(
            f"{path} was changed after it was saved (its checksum does not match); use the "
            f"original file or {AGAIN[what]}"
        )
    return state


def versions() -> dict[str, str]:
    """Return the versions of what a model depends on, as its file records them.

    Examples
    --------
    >>> sorted(versions())
    ['numpy', 'promolab', 'python', 'scikit-learn', 'skops', 'torch']
    """
    import platform
    from importlib.metadata import PackageNotFoundError, version

    from promolab import __version__

    found = {"promolab": __version__, "python": platform.python_version()}
    for name in DEPENDED_ON:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found


def _checksum(state: Any, arrays: dict[str, np.ndarray]) -> str:
    digest = hashlib.sha256(json.dumps(state, sort_keys=True).encode())
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        digest.update(f"{name}:{array.dtype.str}:{array.shape}".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()
